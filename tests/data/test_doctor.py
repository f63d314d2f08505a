"""The doctor finds each thing that can be wrong, names its row, and says nothing about data that are right."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, PngImagePlugin

from reknow.data.cache import Pictures
from reknow.data.columns import SCHEMA
from reknow.data.doctor import check_manifest, pixels, summary
from reknow.data.doctor.findings import SCENE_PROTOCOLS
from reknow.data.formats import open_dataset
from reknow.data.formats.table import import_dataset
from reknow.data.levels import parse_levels, written
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.evaluation.protocols import PROTOCOLS
from reknow.observation import SPECTRA


def noise(number: int, height: int = 32, width: int = 16) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def healthy(tmp_path) -> Manifest:
    """Two people to train on, two to test with, in two cameras each."""
    columns = {"rgb": [], "identity": [], "camera": [], "split": []}
    for number, (identity, camera, split) in enumerate(
        [
            *[("1", "a", "train"), ("1", "b", "train"), ("2", "a", "train"), ("2", "b", "train")],
            *[("3", "a", "query"), ("3", "b", "gallery"), ("4", "a", "query"), ("4", "b", "gallery")],
        ]
    ):
        noise(number).save(tmp_path / f"{number}.png")
        for column, value in zip(columns, (f"{number}.png", identity, camera, split), strict=True):
            columns[column].append(value)
    return Manifest.from_columns(columns, root=tmp_path, name="set")


def changed(manifest: Manifest, **cells) -> Manifest:
    """The manifest with some cells (column={row: value}) replaced."""
    columns = {name: manifest.column(name) for name in SCHEMA.names}
    for name, rows in cells.items():
        for row, value in rows.items():
            columns[name][row] = value
    return Manifest.from_columns(columns, root=manifest.root, name=manifest.name)


def told(manifest: Manifest) -> list[tuple[str, str, int]]:
    return [(finding.severity, finding.kind, finding.row) for finding in check_manifest(manifest)]


def test_healthy_data_get_no_finding(healthy):
    assert check_manifest(healthy) == []


def test_no_rows():
    assert told(Manifest.from_columns({"rgb": []}, root=Path(), name="m")) == [("error", "empty", -1)]


def test_a_finding_names_the_row_and_the_remedy(healthy):
    (healthy.root / "5.png").unlink()
    (finding,) = check_manifest(healthy)
    assert finding.where == "set, row 5 (5.png)"
    assert finding.observation == "5.png"
    assert finding.message.startswith("rgb picture 5.png: no such file")
    assert "Correct the reference" in finding.remedy


# --- pictures


def jpeg() -> bytes:
    buffer = io.BytesIO()
    noise(9).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", "picture", "the file is empty"),
        (b"just text", "picture", "not a picture"),
        (jpeg()[:-200], "picture", "a damaged or truncated JPEG"),
        (None, "file", "no such file"),
    ],
)
def test_broken_files(healthy, content, kind, message):
    (healthy.root / "2.png").unlink()
    if content is not None:
        (healthy.root / "2.png").write_bytes(content)
    (finding,) = check_manifest(healthy)
    assert (finding.severity, finding.kind, finding.row) == ("error", kind, 2)
    assert message in finding.message


@pytest.mark.parametrize(
    ("crop", "severity", "message"),
    [
        ("0 0 16", "error", "'0 0 16'"),
        ("4 4 4 12", "error", "the box 4 4 4 12 on a picture of 16 x 32 holds no pixel"),
        ("16 0 20 32", "error", "holds no pixel"),
        ("-9 -9 -1 -1", "error", "holds no pixel"),
        ("0 0 17 32", "warning", "reaches outside"),
        ("0 0 1 1; 0 0 1 1", "error", "2 boxes for 1 spectra"),
    ],
)
def test_boxes(healthy, crop, severity, message):
    (finding,) = check_manifest(changed(healthy, crop={1: crop}))
    assert (finding.severity, finding.kind, finding.row) == (severity, "box", 1)
    assert message in finding.message


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (20, 7), (100, 12), (12, 100)])
def test_odd_sizes(healthy, size):
    noise(9, *size).save(healthy.root / "3.png")
    assert told(healthy) == [("warning", "size", 3)]


def test_the_size_that_counts_is_the_box(healthy):
    assert told(changed(healthy, crop={3: "0 0 7 32"})) == [("warning", "size", 3)]


# --- several spectra


def test_spectra_of_different_sizes_are_one_finding(healthy):
    noise(20, 64, 32).save(healthy.root / "large.png")
    noise(21, 32, 16).save(healthy.root / "equal.png")
    pairs = changed(healthy, nir={0: "equal.png", 2: "large.png", 3: "large.png"}, crop={3: "0 0 16 32;0 0 31 32"})
    (finding,) = [finding for finding in check_manifest(pairs) if finding.kind == "aligned_size"]
    assert (finding.severity, finding.row) == ("warning", 2)
    assert "2 observations have spectra of different sizes, here rgb 16 x 32, nir 32 x 64" in finding.message


@pytest.mark.parametrize(
    ("low", "high", "dtype", "levels"),
    [
        (0, 4_095, np.uint16, 17),  # 12 bits
        (7_000, 8_400, np.uint16, 7),  # what a radiometric 14-bit camera gives of a street: 27.2 to 32.7 of 255
        (0, 16_383, np.uint16, None),
        (0, 65_535, np.uint16, None),
        (100, 110, np.uint8, None),  # eight bits are as they are: a dark picture of the night is no mistake
    ],
)
def test_sixteen_bit_pictures_that_the_scaling_leaves_flat(healthy, low, high, dtype, levels):
    pixels = np.linspace(low, high, 32 * 16).reshape(32, 16).astype(dtype)
    Image.fromarray(pixels).save(healthy.root / "thermal.png")
    Image.fromarray(pixels[::-1].copy()).save(healthy.root / "other.png")
    thermal = changed(healthy, tir={1: "thermal.png", 2: "other.png"})
    found = [finding for finding in check_manifest(thermal) if finding.kind == "contrast"]
    if levels is None:
        assert found == []
        return
    (finding,) = found
    assert (finding.severity, finding.row) == ("warning", 1)
    assert finding.message.startswith("2 16-bit pictures keep little contrast")
    assert f"thermal.png spans {levels} of 256" in finding.message


DEEP = {
    "16 bits with an offset": (51_241, 52_181, np.uint16),
    "12 bits": (0, 4_095, np.uint16),
    "32 bits that 16 hold": (30_000, 30_400, np.int32),
    "32 bits that 16 cannot hold": (100_000, 130_000, np.int32),
    "numbers below zero": (-4_000, 3_000, np.int32),
    "degrees": (-20.5, 41.25, np.float32),
    "shares": (0.0, 1.0, np.float32),
}


@pytest.mark.parametrize(("low", "high", "dtype"), DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("form", ["folder", "table"])
def test_the_remedy_for_deep_pictures_works_when_carried_out(tmp_path, low, high, dtype, form):
    """As printed, for a data set whose pictures fill different parts of its range, and alike in all of them."""
    ramp = np.linspace(low, high, 64 * 32).reshape(64, 32)
    for number, part in enumerate((ramp, ramp[:32], ramp[32:])):
        Image.fromarray(part.astype(dtype)).save(tmp_path / f"{number}.tif")
    (tmp_path / "t.csv").write_text("image\n0.tif\n1.tif\n2.tif\n")
    place = f"folder:{tmp_path}" if form == "folder" else f"table:{tmp_path}/t.csv"
    (finding,) = [finding for finding in check_manifest(open_dataset(place)) if finding.kind == "contrast"]
    assert "subtracts the darkest value" in finding.remedy
    (option,) = re.findall(rf"{form}:[A-Z]+\?(levels=[^ ]+?)[: ]", finding.remedy)
    mended = open_dataset(f"{place}?{option}")
    assert [finding for finding in check_manifest(mended) if finding.kind == "contrast"] == []
    pictures = Pictures.open(mended, (64, 32)).images["rgb"]
    assert len(np.unique(pictures[0])) > 200
    assert abs(int(pictures[1][-1].mean()) - int(pictures[0][31].mean())) <= 4  # one value, one gray, in two pictures
    for name in ("moved.csv", "moved.parquet"):  # a CSV cannot say them, so its place does
        moved = import_dataset(mended, tmp_path / name)
        assert moved == f"table:{tmp_path}/{name}" + (f"?levels={written(mended.levels)}" if name.endswith("v") else "")
        assert open_dataset(moved).levels == mended.levels


def test_numbers_that_mean_nothing_without_levels_are_errors(tmp_path):
    Image.fromarray(np.linspace(-5, 70_000, 512).reshape(32, 16).astype(np.int32)).save(tmp_path / "a.tif")
    data = open_dataset(f"folder:{tmp_path}")
    (finding,) = [finding for finding in check_manifest(data) if finding.severity == "error"]
    assert (finding.kind, finding.row) == ("contrast", 0)
    assert "1 pictures are refused" in finding.message
    assert "rgb picture a.tif has 32 bits, from -5 to 70000" in finding.message
    with pytest.raises(DataError, match=r"numbers that 16 bits cannot hold, from -5 to 70000; .*levels=BLACK\.\.WHITE"):
        Pictures.open(data, (32, 16))


def test_levels_per_spectrum(healthy):
    for number, (low, high) in enumerate(((30_000, 31_000), (200, 900))):
        Image.fromarray(np.linspace(low, high, 512).reshape(32, 16).astype(np.uint16)).save(
            healthy.root / f"deep{number}.png"
        )
    pair = changed(healthy, tir={1: "deep0.png"}, nir={1: "deep1.png"})
    (finding,) = [finding for finding in check_manifest(pair) if finding.kind == "contrast"]
    (option,) = re.findall(r"folder:PATH\?levels=(\S+)", finding.remedy)
    levels = parse_levels(option, "x", SPECTRA)
    assert set(levels) == {"nir", "tir"}
    assert 200 <= levels["nir"].black <= 201 and 30_999 <= levels["tir"].white <= 31_000
    assert check_manifest(replace(pair, levels=levels)) == []


def test_pictures_of_one_gray_get_no_levels(healthy):
    Image.fromarray(np.full((32, 16), 20_000, np.uint16)).save(healthy.root / "even.png")
    (finding,) = [
        finding for finding in check_manifest(changed(healthy, tir={1: "even.png"})) if finding.kind == "contrast"
    ]
    assert "no levels that suit all would spread it" in finding.remedy


def test_a_file_of_another_format_than_its_name_says(healthy):
    noise(1).save(healthy.root / "1.png", "GIF")
    findings = check_manifest(healthy)
    assert [(finding.severity, finding.kind, finding.row) for finding in findings] == [("warning", "suffix", 1)]
    assert "1 files are of another format than their names say, here 1.png, which is GIF" in findings[0].message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0", "an EPS file (PostScript)"),
        (b"\0\0\0\x18ftypheic", "a HEIC picture"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
    ],
)
def test_the_true_format_of_what_is_no_picture_is_named(healthy, content, words):
    (healthy.root / "2.png").write_bytes(content)
    (finding,) = check_manifest(healthy)
    assert (finding.severity, finding.kind, finding.row) == ("error", "picture", 2)
    assert words in finding.message


def test_words_for_nobody_that_were_kept_are_said(healthy):
    (finding,) = [
        finding
        for finding in check_manifest(changed(healthy, identity={0: "-1", 1: "-1"}))
        if finding.kind == "identity"
    ]
    assert (finding.severity, finding.row) == ("warning", 0)
    assert "2 rows have the identity '-1', and count as one individual" in finding.message


def test_crops_of_one_frame_are_looked_at_together(healthy, monkeypatch):
    reads: list[str] = []
    read = pixels.read_bytes
    monkeypatch.setattr(pixels, "read_bytes", lambda root, reference: reads.append(reference) or read(root, reference))
    noise(7, 40, 200).save(healthy.root / "frame.png")
    columns = {
        "rgb": ["frame.png", "1.png"] * 80,
        "crop": [f"{row} 0 {row + 16} 32" if row % 2 == 0 else "0 0 16 32" for row in range(160)],
        "observation": [str(row) for row in range(160)],
    }
    findings = check_manifest(Manifest.from_columns(columns, root=healthy.root, name="crops"))
    assert sorted(reads) == ["1.png", "frame.png"]
    assert [finding.row for finding in findings if finding.kind == "duplicate"] == list(range(3, 160, 2))


def test_the_doctor_knows_every_protocol_that_takes_the_scene():
    assert {protocol.name for protocol in PROTOCOLS if protocol.group == "scene"} == SCENE_PROTOCOLS


# --- duplicates


def test_the_same_pixels_under_another_name_and_header(healthy):
    info = PngImagePlugin.PngInfo()
    info.add_text("software", "another")
    noise(0).save(healthy.root / "1.png", pnginfo=info)
    assert (healthy.root / "0.png").read_bytes() != (healthy.root / "1.png").read_bytes()
    (finding,) = check_manifest(healthy)
    assert (finding.severity, finding.kind, finding.row) == ("warning", "duplicate", 1)
    assert "the same picture as row 0 (0.png)" in finding.message


def test_one_picture_of_two_people(healthy):
    noise(0).save(healthy.root / "2.png")
    (finding,) = check_manifest(healthy)
    assert (finding.severity, finding.kind, finding.row) == ("error", "duplicate", 2)
    assert "identity '2' here and '1' there" in finding.message


def test_a_training_picture_in_the_test(healthy):
    nameless = changed(healthy, identity=dict.fromkeys(range(8)))
    noise(2).save(healthy.root / "5.png")
    findings = [finding for finding in check_manifest(nameless) if finding.kind == "leakage"]
    assert [(finding.severity, finding.row) for finding in findings] == [("error", 5)]
    assert "row 2 (2.png), which is in train while this is in gallery" in findings[0].message
    noise(2).save(healthy.root / "1.png")  # an earlier training row: the later ones repeat it
    assert {
        (finding.kind, finding.row) for finding in check_manifest(nameless) if "same picture" in finding.message
    } == {
        ("duplicate", 2),
        ("leakage", 5),
    }


def test_other_boxes_of_one_file_are_no_duplicates(healthy):
    wide = changed(healthy, rgb={1: "0.png"}, crop={0: "0 0 8 32", 1: "8 0 16 32"})
    assert check_manifest(wide) == []
    assert told(changed(wide, crop={1: "0 0 8 32"})) == [("warning", "duplicate", 1)]


def test_aligned_spectra_that_repeat_are_told_once(healthy):
    pair = changed(healthy, rgb={1: "0.png"}, nir={0: "3.png", 1: "3.png"})
    assert told(pair) == [("warning", "duplicate", 1)]


def test_a_query_that_is_its_own_gallery_row_is_never_ranked_against_itself(healthy):
    noise(4).save(healthy.root / "5.png")
    assert told(healthy) == [("warning", "duplicate", 5)]  # another camera: it would be a perfect match
    columns = {name: [*healthy.column(name), healthy.column(name)[4]] for name in ("rgb", "identity", "camera")}
    noise(5).save(healthy.root / "5.png")
    both = Manifest.from_columns(
        {**columns, "observation": list("abcdefghi"), "split": [*healthy.column("split"), "gallery"]},
        root=healthy.root,
        name="set",
    )
    assert check_manifest(both) == []


def test_all_pictures_identical(healthy):
    for number in range(8):
        noise(0).save(healthy.root / f"{number}.png")
    findings = check_manifest(changed(healthy, split=dict.fromkeys(range(8)), identity=dict.fromkeys(range(8))))
    assert sum(finding.kind == "duplicate" for finding in findings) == 7


# --- labels


def test_identity_in_train_and_test(healthy):
    findings = check_manifest(changed(healthy, identity={0: "3"}))
    errors = [finding for finding in findings if finding.severity == "error"]
    assert [(finding.kind, finding.row) for finding in errors] == [("identity_in_train_and_test", 4)]
    assert "identity '3' is in train (1 rows, the first is row 0) and in query" in errors[0].message


def test_single_pictures_and_single_cameras_are_counted(healthy):
    findings = check_manifest(changed(healthy, identity={0: "5"}, camera={3: "a"}))
    assert [(finding.severity, finding.kind, finding.row) for finding in findings] == [
        ("warning", "single_picture", 0),
        ("warning", "single_camera", 2),
    ]
    assert "2 of 5 identities (5, 1)" in findings[0].message
    assert "1 of 5 identities (2) with several pictures" in findings[1].message


def test_missing_columns_are_said_in_plain_words(healthy):
    nobody = changed(healthy, identity=dict.fromkeys(range(8)))
    (finding,) = [finding for finding in check_manifest(nobody) if finding.kind == "identity"]
    assert "training without labels" in finding.remedy
    (finding,) = check_manifest(changed(healthy, camera=dict.fromkeys(range(8))))
    assert (finding.severity, finding.kind, finding.row) == ("warning", "camera", -1)
    assert "same camera" in finding.remedy


def test_gaps_in_columns_name_the_first_row(healthy):
    assert ("warning", "camera", 2) in told(changed(healthy, camera={2: None, 5: None}))
    assert ("warning", "identity", 1) in told(changed(healthy, identity={1: None}))
    assert ("warning", "split", 3) in told(changed(healthy, split={3: None}))


@pytest.mark.parametrize(
    ("cells", "severity", "rows", "reason"),
    [
        ({"camera": {5: "a"}}, "warning", [4], "all gallery rows of identity '3' are from the query's camera 'a'"),
        ({"identity": {5: "9"}}, "warning", [4], "no gallery row shows identity '3'"),
        ({"identity": {4: None}}, "warning", [4], "does not say whom"),
        ({"camera": {5: "a", 7: "a"}}, "error", [4, 6], "all gallery rows"),
        ({"camera": {4: None, 5: "a"}}, "warning", [], ""),
    ],
)
def test_queries_without_a_match_under_the_market_rule(healthy, cells, severity, rows, reason):
    lost = [finding for finding in check_manifest(changed(healthy, **cells)) if finding.kind == "query_without_match"]
    assert [(finding.severity, finding.row) for finding in lost] == [(severity, row) for row in rows]
    assert all(reason in finding.message for finding in lost)


def test_halves_of_an_evaluation(healthy):
    assert ("error", "split", 4) in told(healthy.select([0, 1, 2, 3, 4, 6]))
    assert ("error", "split", 0) in told(healthy.select([5, 7]))
    assert ("warning", "no_training_rows", -1) in told(healthy.select([4, 5, 6, 7]))
    table = healthy.table.set_column(6, SCHEMA.field("split"), pa.array(["training", *healthy.column("split")[1:]]))
    unusual = Manifest(table, healthy.root, "set")
    (finding,) = [finding for finding in check_manifest(unusual) if finding.kind == "split"]
    assert (finding.row, finding.remedy[:20]) == (0, "Did you mean 'train'")


# --- the rest


def test_errors_come_first_and_progress_reaches_the_end(healthy):
    (healthy.root / "7.png").unlink()
    noise(9, 1, 1).save(healthy.root / "0.png")
    seen = []
    findings = check_manifest(healthy, progress=lambda done, total: seen.append((done, total)))
    assert [finding.severity for finding in findings] == ["error", "warning"]
    assert seen[-1] == (8, 8)


def test_world_pictures_are_examined(monkeypatch):
    def render(reference):
        if "absent" in reference:
            raise DataError(reference, found="unknown kind", remedy="Write people.")
        return np.asarray(noise(int(reference[-1])))

    monkeypatch.setitem(sys.modules, "reknow.world", SimpleNamespace(render_reference=render))
    manifest = Manifest.from_columns({"rgb": ["world:a/1", "world:b/1", "world:absent/2"]}, root=Path(), name="w")
    assert {("error", "file", 2), ("warning", "duplicate", 1)} <= set(told(manifest))


def test_summary_counts_per_split(healthy):
    counted = summary(changed(healthy, nir={0: "0.png"}, split={7: None}))
    assert list(counted["splits"]) == ["train", "query", "gallery", "none", "all"]
    assert counted["splits"]["train"] == {
        "observations": 4, "pictures": 5, "identities": 2, "cameras": 2, "spectra": {"rgb": 4, "nir": 1}
    }  # fmt: skip
    assert counted["splits"]["all"]["identities"] == 4
    assert json.loads(json.dumps(counted)) == counted


def test_real_drawings_are_healthy(shared):
    manifest = open_dataset(f"omniglot:{shared / 'data' / 'omniglot'}")
    characters = sorted(set(manifest.column("identity")))[::25]  # 10 of 242, all drawers
    assert check_manifest(manifest.select([identity in characters for identity in manifest.column("identity")])) == []


def test_a_dead_and_a_hot_pixel_hide_nothing(tmp_path):
    values = np.random.default_rng(0).integers(30_000, 31_000, (64, 64)).astype(np.uint16)
    values[0, 0], values[5, 5] = 0, 65_535
    (tmp_path / "deep").mkdir()
    Image.fromarray(values).save(tmp_path / "deep" / "a.png")
    told = [
        finding for finding in check_manifest(open_dataset(f"folder:{tmp_path / 'deep'}")) if finding.kind == "contrast"
    ]
    assert len(told) == 1 and "levels=" in told[0].remedy
    black, _, white = told[0].remedy.partition("levels=")[2].split()[0].partition("..")
    assert 29_000 < float(black) < 30_050 and 30_950 < float(white) < 32_000
