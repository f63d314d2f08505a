"""Token selection: what is kept and why, ties, unions, missing spectra, the comparisons of the study."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reknow.errors import RecipeError
from reknow.methods.editor.frequency import Windows
from reknow.methods.editor.selection import Selected, SelectionConfig, kept_tokens, select
from reknow.methods.editor.spatial import keep_largest, spatial_patches

SPECTRA = ("rgb", "nir", "tir")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 12))
def test_the_largest_are_kept_and_of_equals_the_first(scores: list[int], keep: int) -> None:
    kept = keep_largest(torch.tensor([scores]), keep)[0]
    best = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:keep]
    assert kept.nonzero()[:, 0].tolist() == sorted(best)


def test_every_head_keeps_its_own() -> None:
    attention = torch.tensor([[[0.1, 0.9, 0.2, 0.0], [0.8, 0.1, 0.0, 0.1]]])
    assert spatial_patches(attention, head_keep=1).tolist() == [[True, True, False, False]]
    assert not spatial_patches(attention, head_keep=0).any()


def chosen(config: SelectionConfig, present: dict[str, Tensor] | None = None, seed: int = 0) -> Selected:
    """Two observations of eight patches of 4 x 4 pixels."""
    random = torch.Generator().manual_seed(seed)
    images = {name: torch.randn(2, 3, 16, 8, generator=random) for name in SPECTRA}
    attention = {name: torch.rand(2, 2, 8, generator=random) for name in SPECTRA}
    everywhere = {name: torch.ones(2, dtype=torch.bool) for name in SPECTRA}
    drawn = torch.Generator().manual_seed(seed)
    return select(config, images, everywhere | (present or {}), attention, Windows(4, 4), drawn)


def test_a_shared_mask_is_the_union_of_every_reason() -> None:
    selected = chosen(SelectionConfig(head_keep=1, frequency_keep=2))
    union = selected.frequency["rgb"] | selected.spatial["rgb"] | selected.spatial["nir"] | selected.spatial["tir"]
    for name in SPECTRA:
        assert torch.equal(selected.kept[name], union)
        assert selected.frequency[name].sum(1).tolist() == [2, 2]


def test_masks_of_their_own_know_their_own_reasons() -> None:
    selected = chosen(SelectionConfig(head_keep=1, frequency_keep=2, masks="per_spectrum"))
    for name in SPECTRA:
        assert torch.equal(selected.kept[name], selected.spatial[name] | selected.frequency[name])
    assert not torch.equal(selected.frequency["rgb"], selected.frequency["tir"])


@pytest.mark.parametrize("masks", ["shared", "per_spectrum"])
def test_a_spectrum_that_is_not_there_asks_for_nothing_and_keeps_nothing(masks: str) -> None:
    config = SelectionConfig(head_keep=1, frequency_keep=2, masks=masks)
    absent = chosen(config, {"tir": torch.tensor([True, False])})
    for part in (absent.spatial, absent.frequency, absent.kept):
        assert not part["tir"][1].any()
    whole = chosen(config)
    for name in SPECTRA:  # the other observation does not notice
        assert torch.equal(absent.kept[name][0], whole.kept[name][0])
    alone = chosen(config, {"nir": torch.tensor([True, False]), "tir": torch.tensor([True, False])})
    assert torch.equal(alone.kept["rgb"][1], alone.spatial["rgb"][1] | alone.frequency["rgb"][1])


def test_random_keeps_as_many_and_everything_keeps_all() -> None:
    salient = chosen(SelectionConfig(head_keep=1, frequency_keep=2))
    drawn = chosen(SelectionConfig(head_keep=1, frequency_keep=2, rule="random"))
    assert torch.equal(drawn.kept["rgb"].sum(1), salient.kept["rgb"].sum(1))
    assert torch.equal(drawn.kept["rgb"], drawn.kept["tir"])
    assert not torch.equal(drawn.kept["rgb"], salient.kept["rgb"])
    assert chosen(SelectionConfig(rule="everything")).kept["rgb"].all()


def test_cls_is_kept_wherever_the_spectrum_is() -> None:
    patches = torch.tensor([[True, False], [False, False]])
    mask = kept_tokens(patches, torch.tensor([True, False]))
    assert mask.tolist() == [[True, True, False], [False, False, False]]


@pytest.mark.parametrize("keep", [(0, 0), (-1, 2)])
def test_a_selection_of_nothing_is_refused(keep: tuple[int, int]) -> None:
    with pytest.raises(RecipeError, match="head_keep"):
        SelectionConfig(head_keep=keep[0], frequency_keep=keep[1])
