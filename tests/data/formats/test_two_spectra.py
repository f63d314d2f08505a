"""Readers of SYSU-MM01, RegDB and LLCM: names by the published scheme give its counts, and what is refused."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from reknow.data.embeddings import Embeddings
from reknow.data.formats import llcm, open_dataset, regdb, sysu_mm01
from reknow.data.formats.published import Count, compared, counts
from reknow.data.manifest import Manifest
from reknow.errors import DataError, EvaluationError
from reknow.evaluation.protocols import protocol_named
from reknow.evaluation.ranking import evaluate
from reknow.recognizer.evaluation import EvaluationSplit


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def shares(total: int, parts: int) -> list[int]:
    """A total in nearly equal parts."""
    return [total // parts + (number < total % parts) for number in range(parts)]


# --- SYSU-MM01


def sysu_names() -> tuple[dict[int, list[str]], dict[str, str]]:
    """As many pictures as the data set has, of identities in its ranges; 301 pairs of identity and rgb camera test."""
    people = [f"{number:04d}" for number in range(1, 534)][:491]
    halves = dict.fromkeys(people[:395], "train") | dict.fromkeys(people[395:], "test")
    pictures: dict[int, list[str]] = {camera: [] for camera in range(1, 7)}

    def add(pairs, total):
        for (identity, camera), count in zip(pairs, shares(total, len(pairs)), strict=True):
            pictures[camera] += [f"{identity}/{number:04d}.jpg" for number in range(1, count + 1)]

    train, test = people[:395], people[395:]
    add(list(itertools.product(train, (1, 2, 4, 5))), 22_258)
    add(list(itertools.product(train, (3, 6))), 11_909)
    add(list(itertools.product(test, (3, 6))), 3_803)
    everywhere = [(identity, camera) for camera in (1, 2) for identity in test[:56]]
    outside = [(identity, camera) for camera in (4, 5) for identity in test][: 301 - 112]
    add(everywhere + outside, 6_775)
    pictures[1] += ["0532/0001.jpg"]  # an identity of no list
    return pictures, halves


def test_sysu_names_of_the_published_scheme_give_its_counts():
    columns, unread = sysu_mm01.rows_of(*sysu_names())
    assert unread == []
    manifest = compared(Manifest.from_columns(columns, root=Path(), name="s", protocol="sysu_all"), sysu_mm01.PUBLISHED)
    assert counts(manifest) == {"train": Count(34_167, 395), "query": Count(3_803, 96), "gallery": Count(6_775, 96)}
    assert manifest.notes == ()
    train = manifest.split("train")
    assert [sum(cell is not None for cell in train.column(name)) for name in ("rgb", "nir")] == [22_258, 11_909]
    for name, gallery in (("sysu_all", 301), ("sysu_indoor", 112), ("sysu_all_multi", 3_010)):
        split = EvaluationSplit.of(manifest, protocol=name)
        assert split is not None and len(split.query) == 3_803
        assert set(split.manifest.select(split.query).column("camera")) == {"3", "6"}
        draws = split.protocol.draw.rows(split.manifest.select(split.gallery))
        assert [len(rows) for rows in draws] == [gallery] * 10


def small_sysu(root: Path) -> None:
    """Two people in every camera to test with and two to train with; three pictures, of 0006 twelve in camera 1."""
    for camera in range(1, 7):
        for identity in ("0001", "0002", "0006", "0009"):
            shots = 12 if (camera, identity) == (1, "0006") else 3
            touch(root, *(f"cam{camera}/{identity}/{shot:04d}.jpg" for shot in range(1, shots + 1)))
    (root / "exp").mkdir()
    for name, text in (("train_id", "1"), ("val_id", "2\n"), ("test_id", "6,9\n")):
        (root / "exp" / f"{name}.txt").write_text(text)


def permutations(
    root: Path, trials: int = 10, pictures: int = 3, cameras: int = 6
) -> dict[tuple[int, str], np.ndarray]:
    """Writes the permutation file; and what it holds for each camera and identity."""
    generator, written = np.random.default_rng(0), {}
    cells = np.empty((cameras, 1), dtype=object)
    for camera in range(1, cameras + 1):
        cells[camera - 1, 0] = np.empty((533, 1), dtype=object)
        for identity in range(1, 534):
            count = 12 if (camera, identity) == (1, 6) else pictures if identity in (1, 2, 6, 9) else 0
            table = np.stack([generator.permutation(count) + 1 for _ in range(trials)]).astype(float)
            cells[camera - 1, 0][identity - 1, 0] = table
            written[camera, f"{identity:04d}"] = table
    savemat(root / "exp" / "rand_perm_cam.mat", {"rand_perm_cam": cells})
    return written


def test_sysu_tree(tmp_path):
    small_sysu(tmp_path / "SYSU-MM01")
    touch(tmp_path / "SYSU-MM01", "cam1/0006/Thumbs.db", "cam2/stray.jpg")
    manifest = open_dataset(f"sysu_mm01:{tmp_path}")
    assert (manifest.name, manifest.protocol) == ("SYSU-MM01", "sysu_all")
    assert counts(manifest) == {"train": Count(36, 2), "query": Count(12, 2), "gallery": Count(33, 2)}
    query = manifest.split("query")
    assert query.column("nir")[0] == "cam3/0006/0001.jpg" and not query.has("rgb")
    assert set(query.column("camera")) == {"3", "6"} and set(query.column("identity")) == {"0006", "0009"}
    assert "left out 1 pictures that are not named like 0006/0001.jpg, for example cam2/stray.jpg" in manifest.notes[0]
    assert any("published 34,167 pictures" in note for note in manifest.notes)


def test_sysu_published_draws_are_those_of_the_file(tmp_path):
    small_sysu(tmp_path)
    written = permutations(tmp_path)
    manifest = open_dataset(f"sysu_mm01:{tmp_path}?draws=published")
    for protocol in ("sysu_indoor", "sysu_all_multi"):
        rules = protocol_named(protocol)
        pool = manifest.split("gallery")
        pool = pool.select(rules.gallery.rows(pool, "gallery"))
        names = pool.column("rgb")
        for trial, rows in enumerate(rules.draw.rows(pool)):
            expected = [
                f"cam{camera}/{identity}/{int(number):04d}.jpg"
                for identity in ("0006", "0009")
                for camera in rules.gallery.cameras
                for number in written[camera, identity][trial][: rules.draw.shots]
            ]
            assert [names[row] for row in rows] == expected
    rows = [part.select(np.arange(len(part))) for part in (manifest.split("query"), manifest.split("gallery"))]
    vectors = [np.random.default_rng(1).standard_normal((len(part), 4)).astype(np.float32) for part in rows]
    sides = [Embeddings(part, manifest) for part, manifest in zip(vectors, rows, strict=True)]
    assert evaluate(*sides, protocol_named("sysu_all")).protocol == "sysu_all (published draws)"


def test_sysu_permutations_of_another_form_are_refused_by_name(tmp_path):
    small_sysu(tmp_path)
    name = f"sysu_mm01:{tmp_path}?draws=published"
    with pytest.raises(DataError, match=r"rand_perm_cam\.mat: no such file; expected the permutations"):
        open_dataset(name)
    permutations(tmp_path, trials=3)
    pool = open_dataset(name).split("gallery")
    with pytest.raises(EvaluationError, match="places in 3 trials; expected places in 10"):
        protocol_named("sysu_all").draw.rows(pool)
    permutations(tmp_path, pictures=4)
    with pytest.raises(DataError, match="camera 2, identity 0006: no permutations of the 3 pictures in the folder"):
        open_dataset(name)
    permutations(tmp_path, cameras=5)
    with pytest.raises(DataError, match="5 cells of object in 'rand_perm_cam'; expected cells 'rand_perm_cam' of six"):
        open_dataset(name)
    savemat(tmp_path / "exp/rand_perm_cam.mat", {"other": np.zeros(3)})
    with pytest.raises(DataError, match="0 cells of float64"):
        open_dataset(name)
    (tmp_path / "exp/rand_perm_cam.mat").write_bytes(b"not MATLAB")
    with pytest.raises(DataError, match="no MATLAB file of version 7 or before"):
        open_dataset(name)
    with pytest.raises(DataError, match="Did you mean 'published'"):
        open_dataset(f"sysu_mm01:{tmp_path}?draws=publishd")


def test_sysu_failures(tmp_path):
    small_sysu(tmp_path)
    (tmp_path / "exp/test_id.txt").write_text("6,x\n")
    with pytest.raises(DataError, match=r"test_id\.txt: 'x'; expected identity numbers, such as 6,10,17"):
        open_dataset(f"sysu_mm01:{tmp_path}")
    (tmp_path / "exp/test_id.txt").write_text("77\n")
    with pytest.raises(DataError, match=r"no infrared picture of an identity that exp/test_id\.txt names"):
        open_dataset(f"sysu_mm01:{tmp_path}")
    (tmp_path / "exp/val_id.txt").unlink()
    with pytest.raises(DataError, match=r"val_id\.txt: the list cannot be read"):
        open_dataset(f"sysu_mm01:{tmp_path}")


# --- RegDB


def regdb_lists() -> dict[str, list[str]]:
    """206 people on each side with ten pictures in each spectrum."""
    return {
        f"{half}_{camera}": [
            f"{camera.capitalize()}/{person + offset}/male_{shot}_{camera[0]}_{person:03d}.bmp {person}"
            for person in range(206)
            for shot in range(10)
        ]
        for half, offset in (("train", 1), ("test", 207))
        for camera in ("visible", "thermal")
    }


def test_regdb_lists_of_the_published_scheme_give_its_counts():
    columns = regdb.rows_of(regdb_lists())
    manifest = compared(Manifest.from_columns(columns, root=Path(), name="r", protocol="regdb_v2t"), regdb.PUBLISHED)
    assert counts(manifest) == {split: Count(4_120, 206) for split in ("train", "query", "gallery")}
    assert manifest.notes == ()
    people = {split: set(manifest.split(split).column("identity")) for split in ("train", "query", "gallery")}
    assert people["query"] == people["gallery"] and not people["train"] & people["query"]
    for protocol, spectra in (("regdb_v2t", ("rgb", "tir")), ("regdb_t2v", ("tir", "rgb"))):
        split = EvaluationSplit.of(manifest, protocol=protocol)
        assert split is not None
        sides = [split.manifest.select(rows) for rows in (split.query, split.gallery)]
        assert [(len(side), *side.spectra) for side in sides] == [(2_060, spectra[0]), (2_060, spectra[1])]


def small_regdb(root: Path, split: int) -> None:
    (root / "idx").mkdir(parents=True, exist_ok=True)
    for (half, person), camera in itertools.product((("train", 1), ("test", 2)), ("visible", "thermal")):
        names = [f"{camera.capitalize()}/{person * split}/{shot}.bmp" for shot in range(2)]
        touch(root, *names)
        (root / "idx" / f"{half}_{camera}_{split}.txt").write_text("".join(f"{name} 0\n" for name in names))


def test_regdb_tree(tmp_path):
    for split in (1, 10):
        small_regdb(tmp_path / "RegDB", split)
    manifest = open_dataset(f"regdb:{tmp_path}?split=10")
    assert (manifest.name, manifest.protocol) == ("RegDB split 10", "regdb_v2t")
    assert manifest.column("rgb")[:3] == ["Visible/10/0.bmp", "Visible/10/1.bmp", None]
    assert manifest.column("tir")[2:4] == ["Thermal/10/0.bmp", "Thermal/10/1.bmp"]
    assert manifest.column("camera")[1:3] == ["visible", "thermal"]
    assert set(manifest.column("identity")) == {"train/0000", "test/0000"}
    (tmp_path / "RegDB/Visible/10/1.bmp").unlink()
    assert (
        "RegDB split 10: 1 of 8 listed pictures are not on the disk."
        in open_dataset(f"regdb:{tmp_path}?split=10").notes
    )


def test_regdb_failures(tmp_path):
    small_regdb(tmp_path, 1)
    with pytest.raises(DataError, match="option 'split': '11'; expected 1 to 10"):
        open_dataset(f"regdb:{tmp_path}?split=11")
    with pytest.raises(DataError, match=r"train_visible_2\.txt: the list cannot be read"):
        open_dataset(f"regdb:{tmp_path}?split=2")
    for picture in (tmp_path / "Thermal").rglob("*.bmp"):
        picture.unlink()
    with pytest.raises(DataError, match="none of the pictures that the lists of thermal name"):
        open_dataset(f"regdb:{tmp_path}")
    (tmp_path / "idx/test_visible_1.txt").write_text("Visible/2/0.bmp zero\n")
    with pytest.raises(DataError, match=r"test_visible\.txt, line 1: 'Visible/2/0\.bmp zero'; expected a line like"):
        open_dataset(f"regdb:{tmp_path}")


# --- LLCM


def small_llcm(root: Path) -> None:
    (root / "idx").mkdir(parents=True)
    for folder in ("vis", "nir"):
        lines = []
        for camera in (1, 4):
            name = f"{folder}/0001/0001_c{camera:02d}_s185535_f7010_{folder}.jpg"
            lines.append(f"{name} 0\n")
            touch(root, name)
            touch(root, *(f"test_{folder}/cam{camera}/{person}/{person}_c{camera:02d}_s1_f{shot}_{folder}.jpg"
                          for person in ("0004", "0005") for shot in range(2)))  # fmt: skip
        (root / "idx" / f"train_{folder}.txt").write_text("".join(lines))
    (root / "idx/test_id.txt").write_text("4\n")


def test_llcm_tree(tmp_path):
    small_llcm(tmp_path / "LLCM")
    touch(tmp_path / "LLCM", "test_vis/cam1/stray.jpg")
    manifest = open_dataset(f"llcm:{tmp_path}")
    assert (manifest.name, manifest.protocol) == ("LLCM", "llcm_v2n")
    assert counts(manifest) == {"train": Count(4, 1), "query": Count(8, 1), "gallery": Count(8, 1)}
    assert set(manifest.column("identity")) == {"train/0000", "test/0004"}
    assert set(manifest.column("camera")) == {"1", "4"}
    assert "left out 1 pictures" in manifest.notes[0] and "test_vis/cam1/stray.jpg" in manifest.notes[0]
    split = EvaluationSplit.of(manifest)
    assert split is not None and (len(split.query), len(split.gallery)) == (4, 4)
    assert [len(rows) for rows in split.protocol.draw.rows(split.manifest.select(split.gallery))] == [2] * 10


def test_llcm_failures(tmp_path):
    small_llcm(tmp_path)
    (tmp_path / "vis/0001/0001_c01_s185535_f7010_vis.jpg").unlink()
    assert "LLCM, train: 1 of 4 listed pictures are not on the disk." in open_dataset(f"llcm:{tmp_path}").notes
    (tmp_path / "idx/train_nir.txt").write_text("nir/0001/a.jpg 0\n")
    with pytest.raises(DataError, match=re.escape("train_nir.txt: 'nir/0001/a.jpg', whose name has no camera")):
        open_dataset(f"llcm:{tmp_path}")
    small = tmp_path / "other"
    small_llcm(small)
    (small / "idx/test_id.txt").write_text("9\n")
    with pytest.raises(DataError, match=r"test_vis: no picture of an identity that idx/test_id\.txt names"):
        open_dataset(f"llcm:{small}")


def test_published_counts_add_up():
    assert sysu_mm01.PUBLISHED["train"].pictures == 22_258 + 11_909
    assert llcm.PUBLISHED["train"].pictures + llcm.PUBLISHED["query"].pictures == 46_767
    assert llcm.PUBLISHED["train"].identities + llcm.PUBLISHED["query"].identities == 1_064
