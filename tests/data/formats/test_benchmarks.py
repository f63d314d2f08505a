"""Readers of published layouts: all real names give the published counts, and small trees behave like real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from reknow.data.formats import cuhk03, market1501, market_layout, msmt17, omniglot, open_dataset, published
from reknow.data.formats.market_layout import FOLDERS
from reknow.data.formats.published import Count, compared, counts
from reknow.data.manifest import Manifest
from reknow.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


MARKET = (
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0002_c2s1_000301_01.jpg",
    "bounding_box_train/Thumbs.db",
    "query/0001_c1s1_001051_00.jpg",
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/0000_c3s1_000151_01.jpg",
    "bounding_box_test/0001_c2s1_000301_00.jpg",
)


# --- all real names


def test_all_names_of_market1501(shared):
    lists = shared / "data" / "layouts"
    train = [line.split()[0] for line in (lists / "Market1501_list_market_train.txt").read_text().splitlines()]
    test = [line.split() for line in (lists / "Market1501_list_market_test.txt").read_text().splitlines()]
    names = {
        "train": train,
        "query": [line[0].split("/")[1] for line in test if line[0].startswith("query/")],
        "gallery": [line[0].split("/")[1] for line in test if not line[0].startswith("query/")],
    }
    names["gallery"] += [f"-1_c{number % 6 + 1}s1_{number:06}_00.jpg" for number in range(3_819)]  # the official junk
    rows = market_layout.rows_of(names)
    assert rows.unread == []
    manifest = compared(Manifest.from_columns(rows.columns(), root=Path(), name="m"), market1501.PUBLISHED)
    assert counts(manifest) == {"train": Count(12_936, 751), "query": Count(3_368, 750), "gallery": Count(15_913, 751)}
    assert manifest.notes == ()
    # The list's own columns (identity, camera) must agree with what the names say.
    said = {Path(line[0]).name: (int(line[1]), int(line[2])) for line in test}
    for picture, identity, camera in zip(rows.rgb, rows.identity, rows.camera, strict=True):
        name = Path(picture).name
        if not picture.startswith("bounding_box_train"):
            assert said[name] == (int(identity), int(camera))
    assert manifest.codes("camera").min() == 0
    assert manifest.codes("camera").max() == 5


@pytest.mark.parametrize("release", msmt17.RELEASES, ids=lambda release: release.name)
def test_all_names_of_msmt17(shared, release):
    lists = {name: (shared / "data" / "layouts" / f"MSMT17_{name}").read_text().splitlines() for name in msmt17.LISTS}
    columns = msmt17.rows_of(lists, release)
    manifest = compared(Manifest.from_columns(columns, root=Path(), name="m"), msmt17.PUBLISHED)
    assert counts(manifest) == {
        "train": Count(32_621, 1_041), "query": Count(11_659, 3_060), "gallery": Count(82_161, 3_060)
    }  # fmt: skip
    assert manifest.notes == ()
    assert sorted(set(columns["camera"])) == [f"{camera:02}" for camera in range(1, 16)]
    assert {picture.split("/")[0] for picture in columns["rgb"]} == {release.train, release.test}
    people = {"train": set(), "query": set(), "gallery": set()}
    for identity, split in zip(columns["identity"], columns["split"], strict=True):
        people[split].add(identity)
    assert people["query"] == people["gallery"]
    assert not people["train"] & people["query"]  # numbers restart, people do not


def test_omniglot_as_it_is(shared):
    manifest = open_dataset(f"omniglot:{shared / 'data' / 'omniglot'}")
    assert counts(manifest) == {"train": Count(2_860, 143), "query": Count(495, 99), "gallery": Count(1_485, 99)}
    assert manifest.notes == ()
    test = [
        (identity.split("/")[0], split, int(camera))
        for identity, split, camera in zip(*map(manifest.column, ("identity", "split", "camera")), strict=True)
        if split != "train"
    ]
    assert {alphabet for alphabet, _, _ in test} == {"Korean", "Sanskrit", "Tagalog"}
    assert {drawer for _, split, drawer in test if split == "query"} == set(range(1, 6))
    assert {drawer for _, split, drawer in test if split == "gallery"} == set(range(6, 21))


# --- Market-1501's layout


def test_market_tree(tmp_path):
    touch(tmp_path, *MARKET)
    manifest = open_dataset(f"market1501:{tmp_path}")
    assert manifest.name == "Market-1501"
    assert manifest.root == tmp_path
    assert manifest.column("rgb") == [name for name in MARKET if "Thumbs" not in name and "-1_" not in name]
    assert manifest.column("identity") == ["0002", "0002", "0001", "0000", "0001"]
    assert manifest.column("camera") == ["1", "2", "1", "3", "2"]
    assert manifest.column("split") == ["train", "train", "query", "gallery", "gallery"]
    assert manifest.notes[0] == (
        "Market-1501, train: found 2 pictures of 1 identities; published 12,936 pictures of 751 identities; "
        "12,934 are missing: the download is incomplete."
    )
    assert len(manifest.notes) == 3


def test_one_folder_in_between_is_accepted(tmp_path):
    touch(tmp_path / "Market-1501-v15.09.15", *MARKET)
    assert open_dataset(f"market1501:{tmp_path}").root == tmp_path / "Market-1501-v15.09.15"


@pytest.mark.parametrize("wrong", ["bounding_box_train", "query", "../..", ".."])
def test_a_wrong_level_names_the_right_one(tmp_path, wrong):
    market = tmp_path / "sets" / "person" / "market"
    touch(market, *MARKET)
    path = market / wrong
    if wrong == "..":
        assert open_dataset(f"market1501:{path}").name == "Market-1501"
        return
    with pytest.raises(DataError) as caught:
        open_dataset(f"market1501:{path.resolve()}")
    assert caught.value.remedy == f"Use: market1501:{market}"


def test_two_data_sets_in_one_folder(tmp_path):
    touch(tmp_path / "a", *MARKET)
    touch(tmp_path / "b", *MARKET)
    with pytest.raises(DataError, match="several such folders: a, b"):
        open_dataset(f"market1501:{tmp_path}")


def test_an_incomplete_or_foreign_folder(tmp_path):
    with pytest.raises(DataError, match="is empty; expected a folder with bounding_box_train"):
        open_dataset(f"market1501:{tmp_path}")
    touch(tmp_path, *MARKET[:2])
    with pytest.raises(DataError, match="bounding_box_train but not query, bounding_box_test"):
        open_dataset(f"market1501:{tmp_path}")
    with pytest.raises(DataError, match=rf"no such folder; {tmp_path} holds: bounding_box_train/"):
        open_dataset(f"market1501:{tmp_path}/Market/deep")
    touch(tmp_path, "Market.zip")
    with pytest.raises(DataError, match=r"a file; expected a folder\. Unpack it"):
        open_dataset(f"market1501:{tmp_path}/Market.zip")


def test_a_folder_without_such_pictures(tmp_path):
    touch(tmp_path, *MARKET)
    for picture in (tmp_path / "query").iterdir():
        picture.rename(picture.with_name("holiday.jpg"))
    with pytest.raises(DataError, match=r"query: no picture with such a name; the folder holds: holiday\.jpg"):
        open_dataset(f"market1501:{tmp_path}")
    touch(tmp_path, *MARKET)
    assert "left out 1 pictures" in open_dataset(f"market1501:{tmp_path}").notes[0]


def test_extra_pictures_are_noted():
    want = {"train": Count(1, 1), "query": Count(0, 0), "gallery": Count(0, 0)}
    columns = {"rgb": ["a", "b"], "identity": ["1", "1"], "split": ["train", "train"]}
    assert "1 are extra" in compared(Manifest.from_columns(columns, root=Path(), name="m"), want).notes[0]
    want["train"] = Count(2, 2)
    assert "renamed" in compared(Manifest.from_columns(columns, root=Path(), name="m"), want).notes[0]


def test_personx_cameras_have_codes_zero_to_five(tmp_path):
    cameras = (3, 4, 8, 10, 11, 12)
    touch(tmp_path, *(f"{folder}/0007_c{camera}s1_1.jpg" for folder in FOLDERS.values() for camera in cameras))
    manifest = open_dataset(f"personx:{tmp_path}").split("train")
    assert dict(zip(manifest.column("camera"), manifest.codes("camera").tolist(), strict=True)) == {
        "03": 0, "04": 1, "08": 2, "10": 3, "11": 4, "12": 5
    }  # fmt: skip


@pytest.mark.parametrize(("spec", "name"), [("dukemtmc", "DukeMTMC-reID"), ("occluded_duke", "Occluded-Duke")])
def test_duke_names(tmp_path, spec, name):
    touch(tmp_path, *(f"{folder}/0005_c2_f0046985.jpg" for folder in FOLDERS.values()))
    manifest = open_dataset(f"{spec}:{tmp_path}")
    assert manifest.name == name
    assert manifest.column("identity") == ["0005"] * 3
    assert manifest.column("camera") == ["2"] * 3


def test_cuhk03_boxes(tmp_path):
    for boxes, pictures in (("detected", 1), ("labeled", 2)):
        for folder in FOLDERS.values():
            touch(tmp_path / "cuhk03-np" / boxes / folder, *(f"0001_c1_{number}.png" for number in range(pictures)))
    assert len(open_dataset(f"cuhk03:{tmp_path}")) == 3
    labeled = open_dataset(f"cuhk03:{tmp_path}/cuhk03-np?boxes=labeled")
    assert len(labeled) == 6
    assert labeled.name == "CUHK03-NP labeled"
    assert "published 7,368" in labeled.notes[0]
    assert open_dataset(f"cuhk03:{tmp_path}/cuhk03-np/labeled").name == "CUHK03-NP labeled"
    with pytest.raises(DataError, match="Did you mean 'labeled'"):
        cuhk03.read(str(tmp_path), boxes="labelled")


# --- MSMT17


def msmt(root: Path, release: msmt17.Release) -> None:
    for name, split in msmt17.LISTS.items():
        half = release.train if split == "train" else release.test
        picture = f"0000/0000_{len(name):03}_05_0303morning_0008_0.jpg"
        touch(root, f"{half}/{picture}")
        (root / name).write_text(f"{picture} 0\n")


@pytest.mark.parametrize("release", msmt17.RELEASES, ids=lambda release: release.name)
@pytest.mark.parametrize("inner", ["", "MSMT17_somewhere"])
def test_msmt17_tree(tmp_path, release, inner):
    msmt(tmp_path / inner, release)
    manifest = open_dataset(f"msmt17:{tmp_path}")
    assert manifest.name == release.name
    assert manifest.column("split") == ["train", "train", "query", "gallery"]
    assert manifest.column("identity") == ["train/0000", "train/0000", "test/0000", "test/0000"]
    assert manifest.column("camera") == ["05"] * 4
    assert all((manifest.root / picture).is_file() for picture in manifest.column("rgb"))


def test_msmt17_failures(tmp_path):
    msmt(tmp_path, msmt17.RELEASES[0])
    with pytest.raises(DataError, match=rf"inside the data set\. Use: msmt17:{tmp_path}"):
        open_dataset(f"msmt17:{tmp_path}/train")
    lines = (tmp_path / "list_train.txt").read_text()
    (tmp_path / "list_train.txt").write_text(lines + "0000/0000_999_05_0303morning_0008_0.jpg 0\n")
    assert "1 of 5 listed pictures are not on the disk" in open_dataset(f"msmt17:{tmp_path}").notes[0]
    (tmp_path / "list_train.txt").write_text(lines + "0000/0000_999 zero\n")
    with pytest.raises(DataError, match=r"list_train\.txt, line 2: '0000/0000_999 zero'"):
        open_dataset(f"msmt17:{tmp_path}")
    (tmp_path / "list_train.txt").unlink()
    with pytest.raises(DataError, match=r"but not list_train\.txt"):
        open_dataset(f"msmt17:{tmp_path}")


def test_msmt17_without_a_single_picture(tmp_path):
    msmt(tmp_path, msmt17.RELEASES[1])
    for picture in tmp_path.rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(DataError, match="none of the 4 pictures that the lists name"):
        open_dataset(f"msmt17:{tmp_path}")


# --- Omniglot


def test_omniglot_unpacked_and_full():
    background = [f"images_background/Greek/character01/0394_{drawer:02}.png" for drawer in range(1, 21)]
    korean = [name.replace("Greek", "Korean") for name in background]
    alone = omniglot.rows_of(background + korean)
    assert alone["split"] == ["train"] * 20 + ["query"] * 5 + ["gallery"] * 15
    evaluation = [f"images_evaluation/Tengwar/character02/1_{drawer:02}.png" for drawer in range(1, 21)]
    full = omniglot.rows_of(background + korean + evaluation)
    assert full["split"] == ["train"] * 40 + ["query"] * 5 + ["gallery"] * 15
    twice = omniglot.rows_of(
        ["images_background_small1/G/character01/1_01.png", "images_background_small2/G/character01/1_01.png"]
    )
    assert twice["rgb"] == ["images_background_small1/G/character01/1_01.png"]


def test_omniglot_folder_and_failures(tmp_path):
    with pytest.raises(DataError, match=r"is empty; expected images_background_small1\.zip"):
        open_dataset(f"omniglot:{tmp_path}")
    touch(tmp_path, "images_background_small1/Latin/character03/0683_04.png")
    manifest = open_dataset(f"omniglot:{tmp_path}")
    assert manifest.column("identity") == ["Latin/character03"]
    assert "incomplete" in manifest.notes[0]
    (tmp_path / "images_background_small2.zip").write_text("not a zip")
    with pytest.raises(DataError, match=r"images_background_small2\.zip: not an intact zip file"):
        open_dataset(f"omniglot:{tmp_path}")


def test_published_counts_are_those_of_the_literature():
    assert cuhk03.PUBLISHED["detected"]["gallery"] == Count(5_332, 700)
    from reknow.data.formats import dukemtmc, occluded_duke, personx

    assert dukemtmc.PUBLISHED["train"] == Count(16_522, 702)
    assert occluded_duke.PUBLISHED["query"] == Count(2_210, 519)
    assert personx.PUBLISHED["query"] == Count(5_136, 856)
    assert str(published.Count(1_000, 2)) == "1,000 pictures of 2 identities"
