"""Who is seen by which camera: splits, names and counts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from reknow.data.formats import world
from reknow.data.formats.world import read as world_manifest
from reknow.errors import DataError


def test_default_sizes():
    manifest = world_manifest("target")
    assert 1900 < len(manifest.split("train")) < 2300
    assert 1300 < len(manifest.split("query")) + len(manifest.split("gallery")) < 1600
    assert manifest.protocol == "market"


def test_a_hard_world_has_more_people_more_cameras_and_fewer_shots():
    hard = world_manifest("target", difficulty="hard")
    train = hard.split("train")
    assert len(set(train.column("identity"))) == 240
    assert len(set(train.column("camera"))) == 8
    shots = np.bincount(train.codes("tracklet"))
    assert set(shots.tolist()) == {1, 2, 3}
    assert 2200 < len(train) < 2500
    assert all(reference.endswith("/rgb?difficulty=hard") for reference in hard.column("rgb"))
    assert hard.name == "world-people-target-0-hard"
    few = world_manifest("target", difficulty="hard", train_identities=5, test_identities=5, cameras=3)
    assert len(set(few.column("identity"))) == 10
    assert len(set(few.column("camera"))) == 3


def test_splits_follow_market():
    manifest = world_manifest("source", train_identities=20, test_identities=20)
    columns = zip(*(manifest.column(name) for name in ("identity", "camera", "split", "tracklet")), strict=True)
    cameras, visits, sides = defaultdict(set), defaultdict(list), defaultdict(set)
    for identity, camera, split, tracklet in columns:
        cameras[identity].add(camera)
        visits[identity, camera].append(split)
        sides[split == "train"].add(identity)
        assert tracklet.startswith(identity)
    assert not sides[True] & sides[False]
    assert len(sides[True]) == len(sides[False]) == 20
    assert all(2 <= len(seen) <= 6 for seen in cameras.values())
    for splits in visits.values():
        assert 2 <= len(splits) <= 5
        assert splits.count("query") == (0 if "train" in splits else 1)


def test_worlds_share_no_name():
    worlds = [
        world_manifest(domain, seed=seed, train_identities=5, test_identities=5)
        for domain in ("source", "target")
        for seed in (0, 1)
    ]
    names = [set(world.column(column)) for world in worlds for column in ("identity", "camera", "observation")]
    assert sum(map(len, names)) == len(set().union(*names))


def test_the_test_split_does_not_depend_on_the_training_split():
    few, many = world_manifest("target", train_identities=1), world_manifest("target", train_identities=9)
    assert few.split("query").column("rgb") == many.split("query").column("rgb")


def test_a_tracklet_is_in_order_of_time():
    manifest = world_manifest("source", train_identities=5, test_identities=0)
    times = defaultdict(list)
    for tracklet, time in zip(manifest.column("tracklet"), manifest.column("time"), strict=True):
        times[tracklet].append(time)
    assert all(np.all(np.diff(sequence) > 0) for sequence in times.values())


def test_spectra_fill_their_columns():
    manifest = world_manifest("source", train_identities=2, test_identities=0, spectra="rgb,tir")
    assert manifest.spectra == ("rgb", "tir")
    assert all(reference.endswith("/tir") for reference in manifest.column("tir"))


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("sorce", {}, "Did you mean 'source'"),
        ("source", {"kind": "poeple"}, "Did you mean 'people'"),
        ("source", {"difficulty": "harder"}, "Did you mean 'hard'"),
        ("source", {"seed": "one"}, "a whole number"),
        ("source", {"seed": "-1"}, "at least 0"),
        ("source", {"cameras": 1}, "at least 2"),
        ("source", {"train_identities": 0, "test_identities": 0}, "at least 1"),
        ("source", {"train_identities": 100_001}, "at most 100000"),
        ("source", {"spectra": "rgb,uv"}, "unknown spectrum"),
    ],
)
def test_the_format_refuses_what_it_cannot_do(path, options, message):
    with pytest.raises(DataError, match=message):
        world.read(path, **options)


def test_the_format_reads_options_as_words():
    manifest = world.read("target", seed="3", train_identities="2", test_identities=2, cameras="3", spectra="rgb,nir")
    assert manifest.fingerprint() == world_manifest(
        "target", seed=3, train_identities=2, test_identities=2, cameras=3, spectra="rgb,nir"
    ).fingerprint()  # fmt: skip
    assert len(set(manifest.column("camera"))) <= 3


@pytest.mark.parametrize("unpaired", ["cameras", "passages"])
def test_an_unpaired_world_has_the_shots_of_the_paired_one_in_one_spectrum_each(unpaired):
    options = {"train_identities": 30, "test_identities": 20}
    paired = world_manifest("target", spectra="rgb,nir", **options)
    apart = world_manifest("target", spectra="rgb,nir", unpaired=unpaired, **options)
    for name in ("identity", "camera", "tracklet", "split", "time"):
        assert paired.column(name) == apart.column(name)
    passages = defaultdict(set)
    for row, (visible, infrared) in enumerate(zip(apart.column("rgb"), apart.column("nir"), strict=True)):
        assert bool(visible) != bool(infrared)
        if visible:
            assert visible == paired.column("rgb")[row]
        else:  # at night, so that it does not show the light of the visible ones
            assert infrared == paired.column("nir")[row] + "?light=night"
        place = "camera" if unpaired == "cameras" else "tracklet"
        passages[apart.column(place)[row]].add(bool(visible))
    assert all(len(spectra) == 1 for spectra in passages.values())
    visible = np.array([bool(reference) for reference in apart.column("rgb")])
    assert 0.35 < visible.mean() < 0.65
    several = [set(visible[apart.codes("camera") == camera]) for camera in range(6)]
    assert all(len(spectra) == (1 if unpaired == "cameras" else 2) for spectra in several)
    assert apart.protocol == "cross_spectrum"
    assert apart.name == f"world-people-target-0-unpaired-{unpaired}"


def test_what_cannot_be_unpaired_is_refused():
    with pytest.raises(DataError, match=r"'unpaired', 'cameras': rgb alone.*spectra=rgb,nir"):
        world_manifest("target", unpaired="cameras")
    with pytest.raises(DataError, match=r"'unpaired', 'camera': unknown word.*cameras"):
        world_manifest("target", unpaired="camera", spectra="rgb,nir")
