"""Which files are pictures: by their names, by their contents, and what the others are called."""

from __future__ import annotations

import io
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reknow.data import pictures
from reknow.data.formats.folder_splits import KNOWN
from reknow.data.picture_files import FORMATS, SUFFIXES, formats_read, suffix_differs, true_format
from reknow.data.pictures import decode, read_picture, rgb_pixels
from reknow.data.transforms import Preprocessing
from reknow.errors import DataError
from reknow.recognizer.reading import resized_batches

ROOT = Path(__file__).resolve().parents[2]


def saved(form: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    image = Image.new(mode, (16, 12), 200 if mode in ("L", "I;16") else (200, 100, 50)[: len(mode)])
    image.save(buffer, form, **({"save_all": True} if form == "MPO" else {}))
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_the_table_is_read_under_any_of_its_names(tmp_path, form):
    for suffix in SUFFIXES[form]:
        name = f"a{suffix.upper()}"
        (tmp_path / name).write_bytes(saved(form))
        assert np.abs(read_picture(tmp_path, name)[6, 8].astype(int) - (200, 100, 50)).max() < 12
    assert true_format(saved(form)) == {"MPO": "JPEG", "DIB": None}.get(form, form)


def test_a_format_that_pillow_was_built_without_is_not_promised(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda feature: feature != "avif")
    assert "AVIF" not in formats_read()
    monkeypatch.setattr(pictures, "FORMATS", formats_read())
    with pytest.raises(DataError, match=r"a\.avif: .*the format AVIF, which this Pillow cannot read.*pip install"):
        decode(b"\0\0\0\x1cftypavif" + bytes(40), "a.avif")


@pytest.mark.parametrize("form", ["EPS", "PDF", "TGA", "ICO", "PCX", "SGI"])
def test_no_other_format_of_pillow_is_opened_and_no_program_started(tmp_path, monkeypatch, form):
    def started(*words, **_):
        raise AssertionError(f"a program was started: {words}")

    for name in ("Popen", "run", "check_call", "call"):
        monkeypatch.setattr(subprocess, name, started)
    monkeypatch.setattr(os, "system", started)
    (tmp_path / "a.jpg").write_bytes(saved(form))
    with pytest.raises(DataError, match=r"a\.jpg: ") as caught:
        read_picture(tmp_path, "a.jpg")
    words = {"EPS": "an EPS file (PostScript)", "PDF": "a PDF", "ICO": "an ICO file"}
    assert words.get(form, "not a picture") in str(caught.value)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x18ftypheic", "a HEIC picture"),
        (b"\0\0\0\x18ftypisom", "an MP4 video"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n<html lang='de'>", "a web page"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'>", "an SVG drawing"),
        (b"<svg>", "an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer.*git lfs pull"),
        (b"PK\3\4", "a zip archive.*Unpack"),
        (b"\xff\xd8\xff\xe0" + bytes(30), "a damaged JPEG"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(start, words):
    with pytest.raises(DataError, match=words):
        decode(start + bytes(300), "x.jpg")


def test_a_picture_that_the_caller_has_opened_is_held_to_the_same_list(monkeypatch):
    opened = Image.open(io.BytesIO(saved("EPS")))
    monkeypatch.setattr(type(opened), "load", lambda self: pytest.fail("pixels were loaded"))
    with pytest.raises(DataError, match=r"picture 3: a picture of the format EPS; .*image\.convert"):
        rgb_pixels(opened, "picture 3")


def test_a_picture_made_in_memory_has_no_format_and_is_read():
    assert rgb_pixels(Image.new("RGB", (2, 3)), "x").shape == (3, 2, 3)


def test_a_suffix_that_says_another_format():
    assert suffix_differs("a.jpg", saved("PNG")) == "PNG"
    assert suffix_differs("a.mpo", saved("JPEG")) is None  # MPO starts as JPEG does
    assert suffix_differs("a.dib", saved("BMP")) is None
    assert suffix_differs("a.jpg", b"Dear reader") is None


def test_a_pipe_or_a_socket_that_is_named_like_a_picture_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg: a pipe or a device"):
        read_picture(tmp_path, "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        with pytest.raises(DataError, match=r"socket\.jpg: it cannot be read"):
            read_picture(tmp_path, "socket.jpg")
    with pytest.raises(DataError, match="a pipe or a device"):
        read_picture(tmp_path, "/dev/zero")


def test_nothing_else_opens_pictures_with_pillow():
    source = ROOT / "src" / "reknow"
    callers = [path.name for path in source.rglob("*.py") if "Image.open(" in path.read_text()]
    assert callers == ["picture_files.py"]


def test_the_recognizer_refuses_an_opened_picture_of_another_format(monkeypatch):
    opened = Image.open(io.BytesIO(saved("EPS")))
    monkeypatch.setattr(type(opened), "load", lambda self: pytest.fail("pixels were loaded"))
    for pictures_given in ([opened], iter([opened])):
        with pytest.raises(DataError, match="picture 0: a picture of the format EPS"):
            list(resized_batches(pictures_given, Preprocessing((8, 4)), batch_size=1))


def test_the_page_of_folders_lists_every_suffix_and_every_name_of_a_split():
    page = (ROOT / "docs" / "data" / "folder.md").read_text()
    names = [*KNOWN, *(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)]
    assert [name for name in names if f"`{name}`" not in page] == []
