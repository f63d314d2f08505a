"""RGBNT201, MSVR310, Market1501-MM: all real names give the published counts, and gaps in a spectrum are told."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.data.cache import Pictures
from reknow.data.doctor import check_manifest
from reknow.data.formats import market1501_mm, msvr310, open_dataset, rgbnt201
from reknow.data.formats.published import Count, compared, counts
from reknow.data.formats.spectrum_folders import Layout, rows_of, together
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.evaluation.protocols import protocol_named
from reknow.evaluation.ranking import score
from reknow.observation import Spectrum

LISTED: dict[Spectrum, str] = {"rgb": "RGB", "nir": "NI", "tir": "TI"}  # how the lists call the spectra


def listed(shared: Path, name: str, spectrum: Spectrum) -> list[str]:
    return (shared / "data" / "layouts" / f"{name}_{LISTED[spectrum]}_names.txt").read_text().split()


def manifest_of(pictures: dict[str, list[str]], layout: Layout) -> Manifest:
    columns, notes = rows_of(pictures, layout, Path("root"))
    return Manifest.from_columns(columns, root=Path(), name=layout.name, protocol=layout.protocol, notes=notes)


# --- all real names


@pytest.fixture(scope="module")
def people(shared) -> Manifest:
    layout = rgbnt201.layout()
    folders = {"train_171": "RGBNT201_train", "test": "RGBNT201_test"}
    return manifest_of(
        {
            folder: [
                f"{name}/{file}" for spectrum, name in layout.spectra.items() for file in listed(shared, of, spectrum)
            ]
            for folder, of in folders.items()
        },
        layout,
    )


@pytest.fixture(scope="module")
def vehicles(shared) -> Manifest:
    layout = msvr310.LAYOUT
    pictures: dict[str, list[str]] = {"bounding_box_train": [], "query3": [], "bounding_box_test": []}
    scenes = defaultdict(set)
    for name in listed(shared, "MSVR310_test", "rgb"):
        scenes[name[:4]].add(name[6:9])
    for spectrum, folder in layout.spectra.items():
        for of, half in (("bounding_box_train", "train"), ("bounding_box_test", "test")):
            pictures[of] += [f"{name[:4]}/{folder}/{name}" for name in listed(shared, f"MSVR310_{half}", spectrum)]
    pictures["query3"] = [path for path in pictures["bounding_box_test"] if len(scenes[path[:4]]) > 1]
    return manifest_of(pictures, layout)


def test_all_names_of_rgbnt201(people):
    assert compared(people, rgbnt201.PUBLISHED["train_171"]).notes == ()
    assert counts(people) == {"train": Count(3_951, 171), "query": Count(836, 30), "gallery": Count(836, 30)}
    assert sorted(set(people.split("train").column("camera"))) == ["1", "2", "3", "4"]
    assert sorted(set(people.split("query").column("camera"))) == ["1", "2"]
    assert not set(people.split("train").column("identity")) & set(people.split("query").column("identity"))
    for column, folder in (("rgb", "RGB"), ("nir", "NI"), ("tir", "TI")):
        for reference, identity, camera in zip(*map(people.column, (column, "identity", "camera")), strict=True):
            _, of, name = reference.split("/")
            assert (of, name[:6], name.split("_")[1][3]) == (folder, identity, camera)
    same = [people.split(split).column("rgb") for split in ("query", "gallery")]
    assert same[0] == same[1]
    assert len(set(people.column("observation"))) == len(people)


def test_the_camera_rule_of_rgbnt201_removes_the_query_itself(people):
    query, gallery = people.split("query"), people.split("gallery")
    rows = protocol_named(people.protocol).for_rows(query, gallery)
    assert (rows.protocol, rows.notes) == ("market", ())
    # Every query is nearest to itself, then to others of its identity and camera, then to strangers, then to matches.
    identity = rows.query_identity[:, None] == rows.gallery_identity
    camera = rows.query_group[:, None] == rows.gallery_group
    distances = np.where(identity, np.where(camera, 1.0, 3.0), 2.0)
    np.fill_diagonal(distances, 0.0)
    ranked = score(distances, rows.query_identity, rows.gallery_identity, rows.query_group, rows.gallery_group)
    assert ranked.cmc[0] == 0  # the nearest that is left is always a stranger
    without = score(distances, rows.query_identity, rows.gallery_identity)
    assert without.cmc[0] == 1  # which is what the rule is there for
    assert not np.isnan(ranked.average_precision).any()  # both test cameras saw everyone


def test_all_names_of_msvr310(vehicles):
    assert compared(vehicles, msvr310.PUBLISHED).notes == ()
    assert counts(vehicles) == {"train": Count(1_032, 155), "query": Count(591, 52), "gallery": Count(1_055, 155)}
    assert set(vehicles.column("camera")) == {str(view) for view in range(8)}
    for row in zip(*map(vehicles.column, ("rgb", "nir", "tir", "identity", "scene", "camera")), strict=True):
        *references, identity, scene, view = row
        assert [reference.split("/")[2] for reference in references] == ["vis", "ni", "th"]
        assert len({reference.rpartition("/")[2] for reference in references}) == 1
        name = references[0].rpartition("/")[2]
        assert (name[:4], name[6:9], name[11]) == (identity, scene, view)


def test_msvr310_removes_the_same_scene_and_not_the_same_view(vehicles):
    query, gallery = vehicles.split("query"), vehicles.split("gallery")
    rows = protocol_named(vehicles.protocol).for_rows(query, gallery)
    assert rows.protocol == "msvr310"
    names = (query.column("scene"), gallery.column("scene"))
    drawn = np.random.default_rng(0).integers(0, (len(query), len(gallery)), (500, 2))
    for asked, found in drawn:
        assert (rows.query_group[asked] == rows.gallery_group[found]) == (names[0][asked] == names[1][found])
    scores = score(
        np.ones((len(query), len(gallery))),
        rows.query_identity, rows.gallery_identity, rows.query_group, rows.gallery_group,
    )  # fmt: skip
    assert not np.isnan(scores.average_precision).any()  # query3 has those that another scene shows


def test_all_names_of_market1501_mm(shared):
    lists = shared / "data" / "layouts"
    train = [line.split()[0] for line in (lists / "Market1501_list_market_train.txt").read_text().splitlines()]
    test = [line.split()[0] for line in (lists / "Market1501_list_market_test.txt").read_text().splitlines()]
    names = {
        "train": [name.rpartition("/")[2] for name in train],
        "query": [name.rpartition("/")[2] for name in test if name.startswith("query/")],
        "gallery": [name.rpartition("/")[2] for name in test if not name.startswith("query/")]
        + ["-1_c1s1_000401_03.jpg"],
    }
    pictures = {folder: [f"{of}/{name}" for of in LISTED.values() for name in files] for folder, files in names.items()}
    manifest = manifest_of(pictures, market1501_mm.LAYOUT)
    assert compared(manifest, market1501_mm.PUBLISHED).notes == ()
    assert counts(manifest) == {"train": Count(12_936, 751), "query": Count(3_368, 750), "gallery": Count(15_913, 751)}
    assert sorted(set(manifest.column("camera"))) == list("123456")
    assert manifest.spectra == ("rgb", "nir", "tir")


# --- trees on a disk


def paint(root: Path, *names: str, size: tuple[int, int] = (8, 16)) -> None:
    """Tiny pictures that all differ."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng([number, len(names), *name.encode()]).integers(0, 255, (*size[::-1], 3), np.uint8)
        Image.fromarray(noise).save(path.with_suffix(".png"))
        path.with_suffix(".png").rename(path)


def rgbnt201_tree(root: Path) -> None:
    shots = ["train_171/{}/000009_cam3_1_00.jpg", "train_171/{}/000009_cam4_1_00.jpg"]
    shots += [f"test/{{}}/00025{person}_cam{camera}_0_00.jpg" for person in (8, 9) for camera in (1, 2)]
    paint(root, *(shot.format(folder) for shot in shots for folder in LISTED.values()))


@pytest.mark.parametrize("inner", ["", "RGBNT201"])
def test_rgbnt201_tree(tmp_path, inner):
    rgbnt201_tree(tmp_path / inner)
    manifest = open_dataset(f"rgbnt201:{tmp_path}")
    assert manifest.column("split") == ["train"] * 2 + ["query"] * 4 + ["gallery"] * 4
    assert manifest.column("identity")[:4] == ["000009", "000009", "000258", "000258"]
    assert manifest.column("observation")[2] == "query/000258_cam1_0_00.jpg"
    assert len(manifest.notes) == 3  # the published counts
    pictures = Pictures.open(manifest, (16, 8))
    assert all(present.all() for present in pictures.present.values())
    assert not (pictures.images["rgb"][0] == pictures.images["tir"][0]).all()
    kinds = {(finding.severity, finding.kind) for finding in check_manifest(manifest)}
    assert kinds == {("warning", "suffix")}  # PNG named .jpg; that the test folder is query and gallery is no leak


def test_the_other_training_folder_of_rgbnt201(tmp_path):
    rgbnt201_tree(tmp_path)
    with pytest.raises(DataError, match="test but not train_141"):
        open_dataset(f"rgbnt201:{tmp_path}?split=train_141")
    (tmp_path / "train_171").rename(tmp_path / "train_141")
    manifest = open_dataset(f"rgbnt201:{tmp_path}?split=train_141")
    assert manifest.name == "RGBNT201 train_141"
    assert "published 3,280 pictures of 141 identities" in manifest.notes[0]
    with pytest.raises(DataError, match="Did you mean 'train_141'"):
        open_dataset(f"rgbnt201:{tmp_path}?split=train_14")
    with pytest.raises(DataError, match=f"Use: rgbnt201:{tmp_path}"):
        open_dataset(f"rgbnt201:{tmp_path}/test?split=train_141")


def test_a_missing_file_leaves_its_spectrum_empty_and_an_extra_one_stands_alone(tmp_path):
    rgbnt201_tree(tmp_path)
    (tmp_path / "test/TI/000258_cam2_0_00.jpg").unlink()
    paint(tmp_path, "test/NI/000260_cam1_0_07.jpg", "test/RGB/notes.jpg")
    manifest = open_dataset(f"rgbnt201:{tmp_path}")
    form = "RGB|NI|TI/000258_cam1_0_00.jpg"
    assert manifest.notes[:3] == (
        "RGBNT201, test: 1 pictures in NI have no partner in any other spectrum, for example 000260_cam1_0_07.jpg; "
        "each is an observation of nir alone.",
        "RGBNT201, test: 1 of 5 observations have no picture in TI, for example 000258_cam2_0_00.jpg; "
        "their tir stays empty.",
        f"RGBNT201, test: left out 1 pictures that are not named like {form}, for example RGB/notes.jpg.",
    )
    query = manifest.split("query")
    rows = dict(
        zip(query.column("observation"), zip(*map(query.column, ("rgb", "nir", "tir")), strict=True), strict=True)
    )
    assert rows["query/000258_cam2_0_00.jpg"] == (
        "test/RGB/000258_cam2_0_00.jpg", "test/NI/000258_cam2_0_00.jpg", None
    )  # fmt: skip
    assert rows["query/000260_cam1_0_07.jpg"] == (None, "test/NI/000260_cam1_0_07.jpg", None)
    pictures = Pictures.open(query, (16, 8))
    assert pictures.present["tir"].tolist() == [True, False, True, True, False]
    assert pictures.present["nir"].all()


def test_a_spectrum_without_any_picture_is_an_error(tmp_path):
    rgbnt201_tree(tmp_path)
    for picture in (tmp_path / "test/TI").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match=r"test: no picture in TI \(RGB: 4, NI: 4, TI: 0\); expected RGB and NI and TI"):
        open_dataset(f"rgbnt201:{tmp_path}")
    (tmp_path / "test/TI").rmdir()
    with pytest.raises(DataError, match="no picture in TI"):
        open_dataset(f"rgbnt201:{tmp_path}")


def msvr310_tree(root: Path) -> None:
    shots = ["bounding_box_train/0001/{}/0001_s002_v0_000.jpg"]
    for folder, scenes in (("query3", (2, 3)), ("bounding_box_test", (2, 3))):
        shots += [f"{folder}/0002/{{}}/0002_s00{scene}_v1_000.jpg" for scene in scenes]
    paint(root, *(shot.format(folder) for shot in shots for folder in ("vis", "ni", "th")))


def test_msvr310_tree(tmp_path):
    msvr310_tree(tmp_path)
    manifest = open_dataset(f"msvr310:{tmp_path}")
    assert manifest.protocol == "msvr310"
    assert manifest.column("scene") == ["002", "002", "003", "002", "003"]
    assert manifest.column("camera") == ["0", "1", "1", "1", "1"]
    assert manifest.column("tir")[1] == "query3/0002/th/0002_s002_v1_000.jpg"
    assert manifest.column("observation")[1] == "query/0002/0002_s002_v1_000.jpg"
    # One view saw both scenes: Market's rule would leave these queries without a match, the scene's does not.
    assert "query_without_match" not in {finding.kind for finding in check_manifest(manifest)}
    one = manifest.select([0, 1, 3])
    (lost,) = [finding for finding in check_manifest(one) if finding.kind == "query_without_match"]
    assert "from the query's scene '002'" in lost.message


def test_market1501_mm_tree(tmp_path):
    names = {
        "train": "0002_c1s1_000451_03.jpg",
        "query": "0001_c1s1_001051_00.jpg",
        "gallery": "0000_c3s1_000151_01.jpg",
    }
    paint(tmp_path, *(f"{split}/{of}/{name}" for split, name in names.items() for of in LISTED.values()))
    paint(tmp_path, *(f"gallery/{of}/-1_c1s1_000401_03.jpg" for of in LISTED.values()))
    manifest = open_dataset(f"market1501_mm:{tmp_path}")
    assert manifest.column("identity") == ["0002", "0001", "0000"]
    assert manifest.column("camera") == ["1", "1", "3"]
    assert manifest.column("nir")[2] == "gallery/NI/0000_c3s1_000151_01.jpg"
    assert len(manifest.notes) == 3


def test_equal_names_below_two_identities_stay_two_observations():
    paths = ["0001/vis/0001_s002_v0_000.jpg", "0002/vis/0001_s002_v0_000.jpg", "0001/ni/0001_s002_v0_000.jpg"]
    sights, unread = together([*paths, "0001_s002_v0_000.jpg", "0001/vis/x.jpg"], msvr310.LAYOUT)
    assert list(sights) == ["0001/0001_s002_v0_000.jpg", "0002/0001_s002_v0_000.jpg"]
    assert sights["0001/0001_s002_v0_000.jpg"] == {"rgb": paths[0], "nir": paths[2]}
    assert unread == ["0001_s002_v0_000.jpg", "0001/vis/x.jpg"]
