"""Hiding: the stated share of every object is behind something, and the rest of the picture is as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from reknow.data.formats import world
from reknow.errors import DataError
from reknow.world import render
from reknow.world.hiding import pasted
from reknow.world.rendering import rendering_of

SHOTS = [(identity, identity % 4) for identity in range(12)]


@pytest.mark.parametrize("kind", ["people", "vehicles"])
def test_the_share_of_each_object_is_hidden(kind):
    for shot in SHOTS:
        whole = render("target", 0, *shot, 0, kind=kind, hidden=0.0)
        for share in (0.2, 0.5, 0.8):
            part = render("target", 0, *shot, 0, kind=kind, hidden=share)
            assert 1 - part.person.sum() / whole.person.sum() == pytest.approx(share, abs=0.03)
            assert not (part.person & part.occluder).any() and part.attributes["occlusion"] != "none"
            # Nothing else moves: what is visible of the object is where it was.
            assert not (part.person & ~whole.person).any()
    assert render("target", 0, *SHOTS[0], 0, kind=kind, hidden=1.0).person.sum() == 0


def test_it_stands_in_place_of_the_domain_s_occluders():
    crowded = [render("target", 0, *shot, 0, occlusion=1.0) for shot in SHOTS]
    clear = [render("target", 0, *shot, 0, occlusion=1.0, hidden=0.0) for shot in SHOTS]
    assert all(each.occluder.any() for each in crowded) and not any(each.occluder.any() for each in clear)
    assert {each.attributes["occlusion"] for each in clear} == {"none"}
    kinds = {render("target", 0, *shot, 0, hidden=0.5).attributes["occlusion"] for shot in SHOTS}
    assert kinds == {"wall", "fence", "hedge"}


def test_all_spectra_see_it_at_the_same_place():
    shown = render("target", 0, 1, 1, 0, hidden=0.6, spectra=("rgb", "nir", "tir"))
    plain = render("target", 0, 1, 1, 0, hidden=0.0, spectra=("rgb", "nir", "tir"))
    for spectrum, picture in shown.images.items():
        changed = (picture != plain.images[spectrum]).any(axis=2)
        assert changed[shown.occluder].mean() > 0.9, spectrum


def test_a_world_and_its_references_name_the_share():
    usual = world.read("target", train_identities=2, test_identities=0)
    asked = world.read("target", train_identities=2, test_identities=0, hidden="0.4")
    assert asked.column("rgb") == [f"{name}?hidden=0.4" for name in usual.column("rgb")]
    place = [int(number) for number in usual.column("rgb")[0].split("/")[2:6]]
    expected = render("target", *place, hidden=0.4)
    np.testing.assert_array_equal(rendering_of(asked.column("rgb")[0]).images["rgb"], expected.images["rgb"])


@given(
    share=some.floats(0, 1),
    height=some.integers(8, 90),
    width=some.integers(8, 90),
    key=some.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_the_share_of_a_picture_is_pasted_over(share, height, width, key):
    # A level that nothing which is pasted has: so whatever differs is pasted.
    picture = np.full((height, width, 3), (1, 254, 3), np.uint8)
    covered = pasted(picture, share, key)
    assert covered.shape == picture.shape and covered.dtype == np.uint8
    assert (covered != picture).any(axis=2).mean() == pytest.approx(share, abs=1.1 / min(height, width))
    np.testing.assert_array_equal(covered, pasted(picture, share, key))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(DataError, match="0 to 1"):
        render("target", 0, 1, 1, 0, hidden=share)
    with pytest.raises(DataError, match="0 to 1"):
        world.read("target", hidden=share)
