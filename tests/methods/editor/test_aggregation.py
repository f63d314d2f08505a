"""Masked aggregation, beside its golden case: masked tokens and missing spectra have no influence at all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reknow.methods.editor import aggregation as aggregation_module
from reknow.methods.editor.aggregation import Aggregation, MaskedBlock

SPECTRA = ("rgb", "nir", "tir")


@pytest.fixture
def aggregation() -> Aggregation:
    torch.manual_seed(0)
    return Aggregation(width=8, heads=2, mlp_ratio=2.0, spectra=SPECTRA)


@pytest.fixture
def tokens() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    return {name: torch.randn(4, 6, 8, generator=random) for name in SPECTRA}


@pytest.fixture
def masks() -> dict[str, Tensor]:
    mask = torch.tensor([1, 1, 0, 1, 0, 1], dtype=torch.bool).repeat(4, 1)
    return {name: mask.clone() for name in SPECTRA}


def test_a_block_on_masked_tokens_is_a_block_on_the_kept_ones_alone(tokens: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    block = MaskedBlock(width=8, heads=2, mlp_ratio=2.0)
    mask = torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool).repeat(4, 1)
    found = block(tokens["rgb"] * mask[..., None], mask)
    expected = block(tokens["rgb"][:, [0, 2, 3]], torch.ones(4, 3, dtype=torch.bool))
    torch.testing.assert_close(found[:, [0, 2, 3]], expected)
    assert not found[:, [1, 4, 5]].any()


def test_masked_tokens_change_nothing(
    aggregation: Aggregation, tokens: dict[str, Tensor], masks: dict[str, Tensor]
) -> None:
    before = aggregation(tokens, masks).descriptor
    changed = {name: torch.where(masks[name][..., None], part, 7.0) for name, part in tokens.items()}
    assert torch.equal(aggregation(changed, masks).descriptor, before)


def test_only_as_many_tokens_are_carried_along_as_the_fullest_observation_keeps(
    aggregation: Aggregation, tokens: dict[str, Tensor], masks: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    masks["rgb"][1, 3], masks["tir"][2, 2] = False, True
    seen: list[int] = []
    forward = MaskedBlock.forward

    def watched(block: MaskedBlock, sequence: Tensor, mask: Tensor) -> Tensor:
        seen.append(sequence.shape[1])
        return forward(block, sequence, mask)

    monkeypatch.setattr(MaskedBlock, "forward", watched)
    found = aggregation(tokens, masks)
    assert seen == [5, 5, 5, 15]
    monkeypatch.setattr(aggregation_module, "_kept_first", lambda sequence, mask, _: (sequence * mask[..., None], mask))
    whole = aggregation(tokens, masks)
    assert seen[4:] == [6, 6, 6, 18]
    torch.testing.assert_close(found.descriptor, whole.descriptor)
    torch.testing.assert_close(found.alone, whole.alone)


def test_a_missing_spectrum_leaves_zero_and_the_others_do_not_see_it(
    aggregation: Aggregation, tokens: dict[str, Tensor], masks: dict[str, Tensor]
) -> None:
    masks["nir"][2] = False
    found = aggregation(tokens, masks)
    _, nir, _ = found.descriptor.chunk(3, dim=1)
    assert not nir[2].any()
    assert nir[[0, 1, 3]].any(1).all()
    changed = {**tokens, "nir": tokens["nir"].clone()}
    changed["nir"][2] = 100.0
    assert torch.equal(aggregation(changed, masks).descriptor, found.descriptor)
    assert torch.isfinite(found.descriptor).all()


def test_gradients_stay_finite_where_a_spectrum_is_missing(
    aggregation: Aggregation, tokens: dict[str, Tensor], masks: dict[str, Tensor]
) -> None:
    masks["tir"][:] = False
    inputs = {name: part.requires_grad_() for name, part in tokens.items()}
    aggregation(inputs, masks).descriptor.square().sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in inputs.values())
    assert not inputs["tir"].grad.any()
    assert inputs["rgb"].grad.any()


def test_an_observation_that_keeps_cls_alone_has_an_embedding(
    aggregation: Aggregation, tokens: dict[str, Tensor], masks: dict[str, Tensor]
) -> None:
    masks["rgb"][0, 1:] = False
    assert torch.isfinite(aggregation(tokens, masks).descriptor).all()
