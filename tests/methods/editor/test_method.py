"""The method: which terms there are, what moves when, missing spectra in training, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reknow.data.manifest import Manifest
from reknow.errors import DataError, RecipeError
from reknow.losses.bottleneck import Bottleneck
from reknow.methods.editor.method import Editor, EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.method import Moment
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch

SPECTRA = ("rgb", "nir", "tir")
Build = Callable[..., Editor]


def manifest(*identities: str | None) -> Manifest:
    names = [f"observation {number}" for number in range(len(identities))]
    columns = {"observation": names, "identity": list(identities), "rgb": [f"{name}.png" for name in names]}
    return Manifest.from_columns(columns, root=Path(), name="triples")


def test_four_pairs_under_bl_and_two_under_al(build: Build, batch: Batch, moment: Moment) -> None:
    assert list(build().losses(batch, moment)) == ["fused", "rgb", "nir", "tir", "background", "centers"]
    assert list(build(variant="AL").losses(batch, moment)) == ["fused", "trunk", "background", "centers"]
    assert list(build(background_weight=0.0, center_weight=0.0).losses(batch, moment)) == ["fused", "rgb", "nir", "tir"]


def test_weights_multiply_their_terms(build: Build, batch: Batch, moment: Moment) -> None:
    one, two = (
        build().eval().losses(batch, moment),
        build(background_weight=2.0, center_weight=3.0).eval().losses(batch, moment),
    )
    torch.testing.assert_close(two["background"], 2 * one["background"])
    torch.testing.assert_close(two["centers"], 3 * one["centers"])


def test_the_bottleneck_bound_is_one_term_more(
    build: Build, batch: Batch, moment: Moment, known_set: Callable[..., TrainingSet]
) -> None:
    method = build(bottleneck_weight=2.0).eval()
    descriptors = torch.randn(4, method.network.dim)
    method.before_epoch(0, known_set(4, descriptors))
    terms = method.losses(batch, moment)
    assert list(terms) == [*build().eval().losses(batch, moment), "bottleneck"]
    expected = Bottleneck(method.network.dim)
    expected.rebuild(descriptors, torch.arange(4), classes=4)
    torch.testing.assert_close(terms["bottleneck"], 2 * expected(method.network.outputs(batch).descriptor, batch.label))


def test_centers_move_in_training_alone(build: Build, batch: Batch, moment: Moment) -> None:
    method = build().eval()
    method.losses(batch, moment)
    assert not method.centers.table("rgb").any()
    method.train().losses(batch, moment)
    assert method.centers.table("rgb").any(1).all()


@pytest.mark.parametrize("variant", ["AL", "BL"])
def test_every_parameter_learns(build: Build, batch: Batch, variant: str, moment: Moment) -> None:
    method = build(variant=variant).train()
    sum(method.losses(batch, moment).values()).backward()
    assert [name for name, value in method.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_spectra_that_no_training_row_has_are_told(build: Build, known_set: Callable[..., TrainingSet]) -> None:
    network = build().network
    rgb = EditorConfig().build(network, known_set(manifest("a", "b")))
    assert [note[:30] for note in rgb.before_epoch(0, known_set(4)).notes] == ["No training row has nir or tir"]
    assert build().before_epoch(0, known_set(4)).notes == ()


@pytest.mark.parametrize("variant", ["AL", "BL"])
def test_observations_that_lack_spectra_are_trained_on(
    build: Build, batch: Batch, variant: str, moment: Moment
) -> None:
    present = {name: there.clone() for name, there in batch.present.items()}
    present["tir"][1:] = False  # one row: too few for a pair of its own
    present["rgb"][4:] = False
    method = build(variant=variant).train()
    terms = method.losses(replace(batch, present=present), moment)
    if variant == "BL":
        assert terms["tir"] == 0
        assert terms["rgb"] > 0
    total = sum(terms.values())
    total.backward()
    assert torch.isfinite(total)
    assert all(value.grad is None or torch.isfinite(value.grad).all() for value in method.parameters())
    assert not method.centers.table("tir")[1:].any()


def test_dropped_spectra_are_drawn_from_the_seed_and_only_in_training(
    build: Build, batch: Batch, moment: Moment
) -> None:
    method = build(spectrum_dropout=0.5)

    @torch.no_grad()
    def fused(method: Editor, seed: int = 0) -> float:
        torch.manual_seed(seed)
        return float(method.losses(batch, moment)["fused"])

    method.train()
    method.fused.norm.momentum = 0.0
    assert fused(method, 1) == fused(method, 1) != fused(method, 2)
    assert fused(method.eval()) == fused(build().eval())


def test_an_epoch_trains_on_everything(build: Build, known_set: Callable[..., TrainingSet]) -> None:
    plan = build().before_epoch(0, known_set(4))
    assert plan.rows.tolist() == [0, 1, 2, 3] == plan.labels.tolist()


def test_what_cannot_be_trained_is_refused(config: EditorNetworkConfig, known_set: Callable[..., TrainingSet]) -> None:
    with pytest.raises(DataError, match=r"row 1 .*no identity"):
        EditorConfig().build(config.build(), known_set(manifest("a", None)))
    with pytest.raises(DataError, match="at least two"):
        EditorConfig().build(config.build(), known_set(manifest("a", "a")))
    with pytest.raises(RecipeError, match="center_weight"):
        EditorConfig().build(replace(config, aggregate=False).build(), known_set(manifest("a", "b")))
    with pytest.raises(RecipeError, match="spectrum_dropout"):
        EditorConfig(spectrum_dropout=1.5)


def test_the_baseline_trains_without_aggregation(
    config: EditorNetworkConfig, batch: Batch, moment: Moment, known_set: Callable[..., TrainingSet]
) -> None:
    plain = EditorConfig(background_weight=0.0, center_weight=0.0)
    method = plain.build(replace(config, aggregate=False).build(), known_set(manifest("a", "b", "c", "d")))
    assert list(method.train().losses(batch, moment)) == ["fused", *SPECTRA]
