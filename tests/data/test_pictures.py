"""Every kind of file that users have, and every way in which one can be broken."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
import threading
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reknow.data import picture_files
from reknow.data.picture_files import read_bytes
from reknow.data.pictures import PIXEL_LIMIT, decode, open_bytes, parse_boxes, read_picture
from reknow.errors import DataError


def saved(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def gradient(height=6, width=4):
    return np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)


def test_rgb_comes_back_exactly_and_writable(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(gradient())))
    pixels = read_picture(tmp_path, "a.png")
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, gradient())
    pixels[0, 0] = 9  # torch warns about pixels that cannot be written


def test_absolute_reference_ignores_the_root(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(gradient())))
    assert read_picture(Path("/nowhere"), str(tmp_path / "a.png")).shape == (6, 4, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV"])
def test_every_color_space_becomes_rgb(mode):
    image = Image.new("RGB", (4, 6), (255, 255, 255)).convert("RGB" if mode == "LAB" else mode)
    form = "TIFF" if mode in ("CMYK", "YCbCr", "LAB") else "PNG"
    data = saved(image.convert("RGB") if mode == "HSV" else image, form)
    pixels = decode(data, "x")
    assert pixels.shape == (6, 4, 3)
    assert pixels.min() >= 254


def test_cmyk_jpeg():
    assert decode(saved(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"), "x").min() >= 250


def test_sixteen_bits_are_divided_by_257_whatever_the_largest_value_is():
    wide = np.array([[0, 257, 4095, 65535]], dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        pixels = decode(saved(Image.fromarray(wide), form), "x")
        assert pixels[0, :, 0].tolist() == [0, 1, 16, 255]
        assert (pixels == pixels[:, :, :1]).all()


def test_two_thermal_files_are_scaled_alike():
    """The same temperature gets the same gray, whatever else is in the picture."""
    cool, warm = np.array([[7_000, 8_000]], np.uint16), np.array([[8_000, 60_000]], np.uint16)
    grays = [decode(saved(Image.fromarray(pixels)), "x")[0, :, 0] for pixels in (cool, warm)]
    assert grays[0][1] == grays[1][0] == 31


def test_floating_point_is_refused():
    with pytest.raises(DataError, match="floating-point"):
        decode(saved(Image.fromarray(np.ones((3, 3), np.float32)), "TIFF"), "x")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_lie_over_white(mode):
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert decode(saved(image.convert(mode)), "x")[0, :, 0].tolist() == [0, 255]


def test_transparent_palette_lies_over_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    data = saved(image, transparency=1)
    assert decode(data, "x").tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(form):
    frames = [Image.new("RGB", (4, 4), color) for color in ((255, 0, 0), (0, 0, 255))]
    data = saved(
        frames[0], form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {})
    )
    assert decode(data, "x")[0, 0].tolist() == [255, 0, 0]


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture's left column is its top row
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8))
    pixels = decode(saved(image, exif=exif), "x")
    assert pixels.shape == (2, 1, 3)
    assert pixels[0, 0].tolist() == [255, 0, 0]


# --- boxes


def test_box_keeps_the_part_and_cuts_off_what_reaches_outside(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(gradient())))
    assert np.array_equal(read_picture(tmp_path, "a.png", (1, 2, 3, 4)), gradient()[2:4, 1:3])
    assert np.array_equal(read_picture(tmp_path, "a.png", (-5, 4, 2, 99)), gradient()[4:, :2])


@pytest.mark.parametrize("box", [(2, 2, 2, 4), (3, 0, 1, 4), (4, 0, 9, 4), (-9, 0, 0, 4), (0, 6, 4, 9)])
def test_box_without_a_pixel_is_refused(tmp_path, box):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(gradient())))
    with pytest.raises(DataError, match=r"holds no pixel of a picture of 4 x 6.*crop"):
        read_picture(tmp_path, "a.png", box)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(-999, 9999)] * 4), min_size=1, max_size=3))
def test_boxes_survive_being_written(boxes):
    spectra = ["rgb", "nir", "tir"][: len(boxes)]
    crop = ";".join(" ".join(map(str, box)) for box in boxes)
    assert list(parse_boxes(crop, spectra, "row").values()) == boxes


def test_boxes_of_a_row():
    assert parse_boxes(None, ["rgb", "tir"], "row 3") == {"rgb": None, "tir": None}
    assert parse_boxes("1 2 3 4", ["rgb", "tir"], "row 3") == {"rgb": (1, 2, 3, 4), "tir": (1, 2, 3, 4)}
    with pytest.raises(DataError, match=r"row 3, column 'crop': '1 2 3'.*four whole numbers"):
        parse_boxes("1 2 3", ["rgb"], "row 3")
    with pytest.raises(DataError, match="2 boxes for 3 spectra"):
        parse_boxes("0 0 1 1; 1 0 2 1", ["rgb", "nir", "tir"], "row 3")


# --- broken files


def test_text_named_jpg(tmp_path):
    (tmp_path / "a.jpg").write_text("Dear reader")
    with pytest.raises(DataError, match=r"a\.jpg: not a picture \(the file starts with b'Dear reader'\)"):
        read_picture(tmp_path, "a.jpg")


def test_empty_file(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"a\.jpg: the file is empty"):
        read_picture(tmp_path, "a.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_truncated_file_is_never_half_read(form, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = saved(noise, form)
    with pytest.raises(DataError, match=r"here\.jpg") as caught:
        decode(data[: int(len(data) * share)], "here.jpg")
    assert caught.value.remedy


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_damage_is_a_data_error_or_a_picture(noise, position):
    data = saved(Image.fromarray(gradient()))
    damaged = data[:position] + noise + data[position + len(noise) :]
    with contextlib.suppress(DataError):
        assert decode(damaged, "x").shape[2] == 3


def test_missing_file_says_how_far_the_path_exists(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=rf"no such file \(the path exists up to {tmp_path}/train\)"):
        read_picture(tmp_path, "train/0001/a.jpg")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(DataError, match="a folder; expected a picture file"):
        read_picture(tmp_path, ".")


def test_name_with_a_null_character(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_picture(tmp_path, "a\0b.jpg")


def test_unreadable_permissions(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(gradient())))

    def refused(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refused)  # chmod does not hold root back
    with pytest.raises(DataError, match=r"a\.png: no permission to read it\. Run: chmod u\+r"):
        read_picture(tmp_path, "a.png")


def bomb(side: int) -> bytes:
    """A PNG whose header promises side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [20_000, 11_000, 9_000])  # above Pillow's error, above its warning, above ours only
def test_a_huge_picture_is_refused_from_its_header(side, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("pixels were decoded"))
    with pytest.raises(DataError, match="expected at most 80,000,000 pixels"):
        decode(bomb(side), "x")


def test_the_limit_itself_is_allowed():
    side = int(PIXEL_LIMIT**0.5)
    assert open_bytes(bomb(side), "x").size == (side, side)


# --- zip files


@pytest.fixture
def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "crops.zip", "w", zipfile.ZIP_DEFLATED) as members:
        for number in range(20):
            members.writestr(f"deep/{number}.png", saved(Image.new("RGB", (2, 3), (number, 0, 0))))
    return tmp_path


def test_zip_member(archive):
    assert read_picture(archive, "crops.zip/deep/7.png")[0, 0].tolist() == [7, 0, 0]
    assert read_bytes(archive, "crops.zip/deep/7.png").startswith(b"\x89PNG")


def test_zip_failures(archive):
    with pytest.raises(DataError, match=r"crops\.zip has no member 'deep/99\.png'"):
        read_picture(archive, "crops.zip/deep/99.png")
    (archive / "broken.zip").write_bytes(b"PK but not really")
    with pytest.raises(DataError, match="not an intact zip file"):
        read_picture(archive, "broken.zip/a.png")
    data = bytearray((archive / "crops.zip").read_bytes())
    data[60] ^= 0xFF
    (archive / "crops.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"crops\.zip"):
        read_picture(archive, "crops.zip/deep/0.png")


def test_a_replaced_zip_is_read_anew(archive):
    assert read_picture(archive, "crops.zip/deep/7.png")[0, 0, 0] == 7
    with zipfile.ZipFile(archive / "new.zip", "w") as members:
        members.writestr("deep/7.png", saved(Image.new("RGB", (2, 3), (200, 0, 0))))
    (archive / "new.zip").replace(archive / "crops.zip")
    assert read_picture(archive, "crops.zip/deep/7.png")[0, 0, 0] == 200


def test_zip_is_read_from_many_threads(archive):
    wrong = []

    def read(thread):
        for turn in range(100):
            number = (thread * 7 + turn) % 20
            if read_picture(archive, f"crops.zip/deep/{number}.png")[0, 0, 0] != number:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_another_process_opens_the_zip_again(archive, monkeypatch):
    read_bytes(archive, "crops.zip/deep/7.png")
    opened = picture_files._archive.cache_info().misses
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a forked child: the cache, and another id
    read_bytes(archive, "crops.zip/deep/7.png")
    assert picture_files._archive.cache_info().misses == opened + 1


# --- the world


def test_world_references_are_rendered_and_cut(monkeypatch):
    world = SimpleNamespace(render_reference=lambda reference: gradient(), WORLD_VERSION=41)
    monkeypatch.setitem(sys.modules, "reknow.world", world)
    assert np.array_equal(read_picture(Path("/nowhere"), "world:people/x"), gradient())
    assert read_picture(Path("/nowhere"), "world:people/x", (0, 0, 2, 2)).shape == (2, 2, 3)
    first = read_bytes(Path("/nowhere"), "world:people/x")
    world.WORLD_VERSION = 42
    assert read_bytes(Path("/nowhere"), "world:people/x") != first
