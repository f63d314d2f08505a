"""The picture cache: right pixels, one file per contents, and nothing half-written whatever happens."""

from __future__ import annotations

import errno
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reknow.data import cache
from reknow.data import pictures as pictures_module
from reknow.data.cache import Pictures
from reknow.data.levels import Levels
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.errors import DataError

SIZE = (12, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """150 rows, more than two blocks; every third lacks its near-infrared picture, row 4 has a box."""
    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    root.mkdir()
    near, crop = [], []
    for row in range(150):
        Image.fromarray(rng.integers(0, 256, (20, 10, 3), dtype=np.uint8)).save(root / f"{row}.png")
        Image.fromarray(rng.integers(0, 256, (20, 10), dtype=np.uint8)).save(root / f"{row}-nir.png")
        near.append(f"{row}-nir.png" if row % 3 else None)
        crop.append("2 3 9 17" if row == 4 else None)
    columns = {"rgb": [f"{row}.png" for row in range(150)], "nir": near, "crop": crop}
    return Manifest.from_columns(columns, root=root, name="made")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_pictures_are_decoded_cut_and_resized(manifest, folder):
    pictures = Pictures.open(manifest, SIZE, folder=folder)
    assert len(pictures) == 150
    assert pictures.size == SIZE
    assert list(pictures.images) == ["rgb", "nir"]
    for row in (0, 4, 63, 64, 149):
        picture = Image.open(manifest.root / f"{row}.png")
        picture = picture.crop((2, 3, 9, 17)) if row == 4 else picture
        np.testing.assert_array_equal(pictures.images["rgb"][row], Preprocessing(SIZE).resize(np.asarray(picture)))
    assert pictures.present["rgb"].all()
    np.testing.assert_array_equal(pictures.present["nir"], np.arange(150) % 3 != 0)
    assert not pictures.images["nir"][::3].any()
    gray = pictures.images["nir"][1]
    assert gray.any() and (gray == gray[..., :1]).all()


def test_pictures_cannot_be_changed_by_accident(manifest, folder):
    pictures = Pictures.open(manifest, SIZE, folder=folder)
    with pytest.raises(ValueError, match="read-only"):
        pictures.images["rgb"][0] = 0


def test_the_second_time_nothing_is_decoded(manifest, folder, monkeypatch):
    reports: list[tuple[int, int]] = []
    first = Pictures.open(manifest, SIZE, folder=folder, progress=lambda *report: reports.append(report))
    assert reports[-1] == (250, 250)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    before = files(folder)

    def refuse(*_: object, **__: object) -> np.ndarray:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache, "read_picture", refuse)
    reports.clear()
    again = Pictures.open(manifest, SIZE, folder=folder, progress=lambda *report: reports.append(report))
    np.testing.assert_array_equal(first.images["rgb"], again.images["rgb"])
    assert not reports
    assert files(folder) == before and len(before) == 2


def test_whatever_determines_the_pixels_makes_another_file(manifest, folder):
    Pictures.open(manifest, SIZE, folder=folder)
    Pictures.open(manifest, (8, 12), folder=folder)
    assert len(files(folder)) == 4
    Pictures.open(manifest, SIZE, folder=folder, interpolation="nearest")
    assert len(files(folder)) == 6
    Image.new("RGB", (10, 20)).save(manifest.root / "7.png")  # same name, other contents: only rgb changes
    changed = Pictures.open(manifest, SIZE, folder=folder)
    assert not changed.images["rgb"][7].any()
    assert len(files(folder)) == 7
    columns = {name: manifest.column(name) for name in ("rgb", "nir")}
    without_box = Manifest.from_columns(columns, root=manifest.root, name="made")
    Pictures.open(without_box, SIZE, folder=folder)
    assert len(files(folder)) == 9  # row 4 has both spectra, so the box was on both
    reordered = Pictures.open(manifest.select(np.arange(149, -1, -1)), SIZE, folder=folder)
    np.testing.assert_array_equal(reordered.images["rgb"], changed.images["rgb"][::-1])


def test_equal_contents_share_a_file_whatever_they_are_called(manifest, folder, tmp_path):
    Pictures.open(manifest, SIZE, folder=folder)
    moved = tmp_path / "moved"
    manifest.root.rename(moved)
    columns = {name: manifest.column(name) for name in ("rgb", "nir", "crop")}
    Pictures.open(Manifest.from_columns(columns, root=moved, name="other"), SIZE, folder=folder)
    assert len(files(folder)) == 2


def test_concurrent_runs_decode_once(manifest, folder, monkeypatch):
    decoded: list[str] = []
    read = cache.read_picture

    def counted(root: Path, reference: str, **options: Any) -> np.ndarray:
        decoded.append(reference)
        return read(root, reference, **options)

    monkeypatch.setattr(cache, "read_picture", counted)
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Pictures.open(manifest, SIZE, folder=folder), range(4)))
    assert len(decoded) == len(set(decoded)) == 250
    for pictures in opened[1:]:
        np.testing.assert_array_equal(pictures.images["rgb"], opened[0].images["rgb"])
    assert len(files(folder)) == 2


def test_crops_of_one_frame_decode_it_and_read_it_once(folder, tmp_path, monkeypatch):
    """300 crops of three frames, in turn, and rows without a picture between them."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (40, 60, 3), dtype=np.uint8) for _ in range(3)]
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{number}.png")
    rows = [(number % 3, number % 50, number % 20) for number in range(300)]
    columns = {
        "rgb": [None if number % 7 == 6 else f"{frame}.png" for number, (frame, _, _) in enumerate(rows)],
        "nir": ["0.png"] * 300,
        "crop": [f"{left} {top} {left + 8} {top + 12}" for _, left, top in rows],
        "observation": [str(number) for number in range(300)],
    }
    counts = {"decode": 0, "read_bytes": 0}

    def counted(module, name):
        real = getattr(module, name)

        def call(*words):
            counts[name] += 1
            return real(*words)

        monkeypatch.setattr(module, name, call)

    counted(pictures_module, "decode")
    counted(cache, "read_bytes")
    reports: list[tuple[int, int]] = []
    manifest = Manifest.from_columns(columns, root=tmp_path, name="frames")
    found = Pictures.open(manifest, SIZE, folder=folder, progress=lambda *report: reports.append(report))
    assert counts == {"decode": 4, "read_bytes": 4}  # three in color, one of them as near-infrared too
    assert reports[-1] == (258 + 300, 258 + 300)
    for number, (frame, left, top) in enumerate(rows):
        crop = frames[frame][top : top + 12, left : left + 8]
        expected = np.zeros((*SIZE, 3), np.uint8) if number % 7 == 6 else Preprocessing(SIZE).resize(crop)
        np.testing.assert_array_equal(found.images["rgb"][number], expected)


def test_levels_make_another_file_with_other_pixels(folder, tmp_path):
    deep = np.linspace(30_000, 31_000, 240).reshape(20, 12).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    plain = Manifest.from_columns({"tir": ["a.png"]}, root=tmp_path, name="deep")
    spread = replace(plain, levels={"tir": Levels(30_000.0, 31_000.0), "nir": Levels(0.0, 1.0)})
    flat = Pictures.open(plain, SIZE, folder=folder).images["tir"]
    wide = Pictures.open(spread, SIZE, folder=folder).images["tir"]
    assert np.ptp(flat) < 6 and np.ptp(wide) > 240
    assert len(files(folder)) == 2
    assert plain.fingerprint() != spread.fingerprint()


def test_an_interrupted_run_leaves_nothing_and_the_next_one_starts_over(manifest, folder):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pictures.open(manifest, SIZE, folder=folder, progress=interrupt)
    assert files(folder) == []
    assert len(Pictures.open(manifest, SIZE, folder=folder)) == 150


def test_what_a_killed_run_left_is_removed_unless_it_is_being_written(manifest, folder):
    folder.mkdir()
    abandoned, in_work = folder / ".12x8-aa.pixels.part", folder / ".12x8-bb.pixels.part"
    abandoned.write_bytes(b"half")
    in_work.write_bytes(b"half")
    with in_work.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Pictures.open(manifest, SIZE, folder=folder)
        assert not abandoned.exists()
        assert in_work.exists()


def test_a_truncated_cache_file_is_made_again(manifest, folder):
    first = np.array(Pictures.open(manifest, SIZE, folder=folder).images["rgb"])
    for path in folder.iterdir():
        path.write_bytes(b"short")
    np.testing.assert_array_equal(Pictures.open(manifest, SIZE, folder=folder).images["rgb"], first)


def test_a_bad_picture_is_named_with_its_row(manifest, folder):
    (manifest.root / "70.png").write_bytes(b"this is a text")
    (manifest.root / "130.png").unlink()
    (manifest.root / "131-nir.png").write_bytes(b"this is a text")
    with pytest.raises(DataError, match=r"made, row 130 \(observation '130.png'\), rgb: .*130.png: no such file"):
        Pictures.open(manifest, SIZE, folder=folder)
    with pytest.raises(DataError, match=r"made, row 70 \(observation '70.png'\), rgb: .*not a picture") as caught:
        Pictures.open(manifest.select(np.arange(130)), SIZE, folder=folder)
    assert caught.value.remedy
    assert files(folder) == []


def test_a_manifest_without_rows_is_refused(manifest, folder):
    with pytest.raises(DataError, match="no rows"):
        Pictures.open(manifest.select([]), SIZE, folder=folder)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_full_disk_says_how_much_is_needed_and_where(manifest, folder, monkeypatch, when):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "before":
        usage = cache.shutil.disk_usage(folder.parent)
        monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    else:
        monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DataError, match=r"bytes are free; expected 43,200 bytes .*REKNOW_CACHE") as caught:
        Pictures.open(manifest, SIZE, folder=folder)
    assert str(folder) in caught.value.where
    assert files(folder) == []


def test_a_folder_that_cannot_be_written_is_named(manifest, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written.*Set REKNOW_CACHE"):
        Pictures.open(manifest, SIZE, folder=tmp_path / "file" / "cache")


def test_pictures_from_arrays():
    pictures = Pictures.from_arrays({"rgb": np.zeros((3, 4, 2, 3), dtype=np.uint8)})
    assert (len(pictures), pictures.size) == (3, (4, 2))
    assert pictures.present["rgb"].all()
