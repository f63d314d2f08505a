"""Sets of patches are what they say, or are refused where they are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reknow.errors import DataError
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches, arrays, joined


def mask(*rows: tuple[int, ...], patches: int = 4) -> np.ndarray:
    made = np.zeros((len(rows), patches), dtype=bool)
    for row, chosen in enumerate(rows):
        made[row, list(chosen)] = True
    return made


def selected(*rows: tuple[int, ...], **changes) -> SelectedPatches:
    kept = PatchSet(name="kept", meaning="that stay", patches={"rgb": mask(*rows), "nir": ~mask(*rows)})
    values = {name: np.arange(4 * len(rows), dtype=np.float32).reshape(-1, 4) for name in ("rgb", "nir")}
    scores = PatchScores(name="rollout", meaning="what is attended to", values=values)
    return SelectedPatches(**({"grid": (2, 2), "sets": (kept,), "scores": scores} | changes))


def test_batches_are_joined_in_order():
    both = joined([selected((0,), (1, 2)), selected((3,))])
    assert len(both) == 3 and both.grid == (2, 2) and both.spectra == ("rgb", "nir")
    assert both["kept"].patches["rgb"].tolist() == mask((0,), (1, 2), (3,)).tolist()
    assert both["kept"].patches["nir"].tolist() == (~mask((0,), (1, 2), (3,))).tolist()
    assert both.scores is not None and both.scores.values["nir"][:, 0].tolist() == [0, 4, 0]
    assert joined([selected((0,), scores=None)] * 2).scores is None


def test_batches_of_other_sets_are_not_joined():
    other = selected((0,), sets=(replace(selected((0,))["kept"], name="others"),))
    for second in (other, selected((0,), scores=None), selected((0,), drops=True), selected((0,), grid=(4, 1))):
        with pytest.raises(DataError, match="in one batch than in another"):
            joined([selected((0,)), second])


def test_tensors_of_any_precision_become_arrays():
    half = torch.tensor([[0.5, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    made = arrays({"rgb": half, "tir": torch.tensor([[True, False]])})
    assert made["rgb"].dtype == np.float32 and made["rgb"].tolist() == [[0.5, 1.0]]
    assert made["tir"].tolist() == [[True, False]]


def named(name: str, patches: np.ndarray | None = None, **settings) -> PatchSet:
    return PatchSet(name=name, meaning="", patches={"rgb": mask((0,)) if patches is None else patches}, **settings)


@pytest.mark.parametrize(
    "sets",
    [
        (named("kept"), named("kept")),
        (named("Kept"),),
        (named("../kept"),),
        (named(""),),
        (named("nir"),),
        (named("kept_small"),),
        (named("patches"),),
        (named("kept", measured_as="right"), named("others", measured_as="right")),
        (named("similarity"),),
    ],
    ids=lambda sets: "-".join(one.name for one in sets),
)
def test_a_name_stands_for_one_thing(sets):
    scores = PatchScores(name="similarity", meaning="", values={"rgb": np.zeros((1, 4))})
    with pytest.raises(DataError, match=f"the name '{sets[-1].measured_as or sets[-1].name}'"):
        SelectedPatches(grid=(2, 2), sets=sets, scores=scores)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ((), "no set"),
        ((PatchSet(name="kept", meaning="", patches={}),), "no spectrum"),
        ((named("kept", mask((0,), patches=3)),), r"shape \(1, 3\) in rgb; expected \(1, 4\)"),
        ((named("kept"), named("others", mask((0,), (1,)))), "set 'others' of shape"),
        ((named("kept"), PatchSet(name="others", meaning="", patches={"nir": mask((0,))})), "'others' of nir"),
    ],
)
def test_arrays_are_of_the_same_patches_and_spectra(sets, message):
    with pytest.raises(DataError, match=message):
        SelectedPatches(grid=(2, 2), sets=sets)
