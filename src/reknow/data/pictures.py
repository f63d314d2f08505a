"""Pictures: from a manifest's reference to pixels, the same way for every file that users have.

A reference is one of

- a path, relative to the manifest's root or absolute: ``query/0001_c1s1_001051_00.jpg``;
- a member of a zip file: ``drawings.zip/Greek/character01/0394_01.png`` (the component that is a file is the zip);
- a picture of the synthetic world, rendered when read: ``world:KIND/DOMAIN/SEED/IDENTITY/CAMERA/SHOT/SPECTRUM``,
  with ``?light=...`` and the like where its conditions differ from the plain world.

Whatever the file holds becomes (height, width, 3) uint8 by fixed rules, because a rule that depends on the pixels
would treat two pictures of one data set differently:

- gray, 1-bit, palette, CMYK and other color spaces are converted to RGB; gray repeats in the three channels;
- 16-bit gray is divided by 257, so that 65,535 becomes 255, also where a camera fills only 12 of the bits: the doctor
  reports pictures that this leaves nearly flat, and names levels for the data set (``data/levels.py``), which
  spread them. Numbers that 16 bits cannot hold, and floating-point ones, need such levels and are refused without;
- transparent pixels are laid over white, which is what picture viewers show;
- an animation gives its first frame;
- the orientation in the EXIF header is applied, and boxes count pixels of the upright picture.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from reknow.data.levels import WHOLE, Levels
from reknow.data.picture_files import (
    FORMATS,
    SUFFIXES,
    WORLD_PREFIX,
    locate,
    open_picture,
    open_regular,
    read_bytes,
    remedy_for,
    true_format,
)
from reknow.errors import DataError
from reknow.observation import Spectrum

# A larger picture is refused from its header alone. 80 million pixels are 240 MB of RGB and more than any camera of
# a re-identification data set; a 20,000 x 20,000 PNG of 50 kB would take 1.2 GB.
PIXEL_LIMIT = 80_000_000

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; right and bottom are the first column and row outside."""

_LYING = (5, 6, 7, 8)  # the orientations of EXIF that exchange width and height

_EXPORT_AGAIN = "Export the picture again as an 8-bit PNG or JPEG, or remove the row."


def read_picture(
    root: Path, reference: str, box: Box | None = None, levels: Levels | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Read one picture of a manifest.

    Args:
        root: the manifest's root, which relative references start from.
        reference: a path, a zip member or a ``world:`` reference (see above).
        box: the part to keep, in pixels; what reaches beyond the picture is cut off.
        levels: the manifest's levels of the picture's spectrum; they concern deep pictures alone.

    Returns:
        (height, width, 3) uint8, RGB, writable.

    Raises:
        DataError: no such file, not a picture, a damaged or too large one, or a box without a pixel in the picture.
    """
    if reference.startswith(WORLD_PREFIX):
        from reknow.world import render_reference

        pixels = render_reference(reference)
    else:
        pixels = decode(read_bytes(root, reference), locate(root, reference), levels)
    return pixels if box is None else cut(pixels, box, reference)


def upright_size(root: Path, reference: str) -> tuple[int, int]:
    """(width, height) of the picture that :func:`read_picture` gives without a box, and no pixel is decoded for it.

    Of a plain file only the header is read. The one exception from "the picture that is read" is a PNG that writes its
    orientation behind its pixels, where nearly no program writes it: its width and height may be exchanged.

    Raises:
        DataError: as of :func:`read_picture`, as far as a header can tell.
    """
    if reference.startswith(WORLD_PREFIX):
        from reknow.world.reference import SIZES, parse_reference

        height, width = SIZES[parse_reference(reference).kind]
        return width, height
    path = locate(root, reference)
    try:
        with open_regular(path) as file, open_picture(file) as image:
            return _upright(image)
    except Exception:  # a member of a zip file, or what the slower way has the words for
        return _upright(open_bytes(read_bytes(root, reference), path))


def _upright(image: Image.Image) -> tuple[int, int]:
    """(width, height) as the EXIF header turns the picture; Pillow gives those of a TIFF so already."""
    width, height = image.size
    # Of every picture as if it were no PNG: PNG's own method decodes the pixels to find what stands behind them.
    turned = image.format != "TIFF" and Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) in _LYING
    return (height, width) if turned else (width, height)


def decode(data: bytes, where: object, levels: Levels | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """Bytes of a picture file to RGB pixels by the rules above; `where` names the file in errors.

    Raises:
        DataError: not a picture, a damaged one, one above :data:`PIXEL_LIMIT`, or one whose numbers need levels.
    """
    return rgb_pixels(open_bytes(data, where), where, levels)


def rgb_pixels(image: Image.Image, where: object, levels: Levels | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of a picture that Pillow has opened, by the same rules.

    Raises:
        DataError: a format that is not read here, a damaged picture, or one whose numbers need levels.
    """
    if image.format not in (None, *FORMATS):  # to load the pixels of an EPS would start another program
        raise DataError(
            where,
            found=f"a picture of the format {image.format}",
            expected=", ".join(FORMATS),
            remedy="Pass its pixels instead: image.convert('RGB')",
        )
    try:
        # Decoders of damaged files raise nearly anything (OSError, SyntaxError, ValueError, struct.error, ...), so
        # all exceptions are taken for a damaged file.
        image.load()
        image = ImageOps.exif_transpose(image)
        return _to_rgb(image, where, levels)
    except DataError:
        raise
    except Exception as error:
        raise _damaged(image, where, error) from error


def deep_values(image: Image.Image, where: object) -> Shaped[np.ndarray, "height width"] | None:
    """The numbers of a picture that Pillow has opened, upright; None where it has 8 bits.

    Raises:
        DataError: a damaged picture.
    """
    if not _is_deep(image):
        return None
    try:
        image.load()
        return np.asarray(ImageOps.exif_transpose(image))
    except Exception as error:  # as in rgb_pixels
        raise _damaged(image, where, error) from error


def needs_levels(values: Shaped[np.ndarray, "height width"]) -> bool:
    """Whether numbers of a deep picture mean nothing without levels: floating-point ones, and such beyond 16 bits."""
    return values.dtype.kind == "f" or bool(values.min() < WHOLE.black or values.max() > WHOLE.white)


def parse_boxes(crop: str | None, spectra: Sequence[Spectrum], where: object) -> dict[Spectrum, Box | None]:
    """The boxes of one row's ``crop`` column.

    Args:
        crop: ``left top right bottom``; several, one per spectrum, are separated by semicolons; None for none.
        spectra: the spectra that the row has, in the order rgb, nir, tir.
        where: names the row in errors.

    Returns:
        One box, or None, per spectrum. A single box holds for all of them.

    Raises:
        DataError: not four whole numbers, or another number of boxes than of spectra.

    Example:
        >>> parse_boxes("0 0 4 8; 4 0 8 8", ["rgb", "nir"], "row 0")
        {'rgb': (0, 0, 4, 8), 'nir': (4, 0, 8, 8)}
    """
    if not crop:
        return dict.fromkeys(spectra)
    boxes: list[Box] = []
    for part in crop.split(";"):
        try:
            left, top, right, bottom = (int(number) for number in part.split())
        except ValueError as error:
            raise DataError(
                f"{where}, column 'crop'",
                found=f"'{part.strip()}'",
                expected="four whole numbers: left top right bottom",
                remedy="Write the box in pixels, for example: 0 0 64 128",
            ) from error
        boxes.append((left, top, right, bottom))
    if len(boxes) == 1:
        return dict.fromkeys(spectra, boxes[0])
    if len(boxes) != len(spectra):
        raise DataError(
            f"{where}, column 'crop'",
            found=f"{len(boxes)} boxes for {len(spectra)} spectra",
            remedy="Give one box, or one per spectrum of the row in the order rgb, nir, tir, separated by semicolons.",
        )
    return dict(zip(spectra, boxes, strict=True))


def open_bytes(data: bytes, where: object) -> Image.Image:
    """The picture of a file with only its header read; `where` names the file in errors.

    Raises:
        DataError: not a picture, a damaged header, or more pixels than :data:`PIXEL_LIMIT`.
    """
    if not data:
        raise DataError(where, found="the file is empty", remedy="Copy or download it again, or remove the row.")
    try:
        image = open_picture(io.BytesIO(data))
        width, height = image.size
    except UnidentifiedImageError as error:
        raise _not_a_picture(data, where) from error
    # Pillow has limits of its own: it warns at 89 million pixels (an error where warnings are) and fails at 179.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(where, str(error)) from error
    except Exception as error:  # a header that does not fit the data
        raise DataError(where, found=f"a damaged header ({error})", remedy=_EXPORT_AGAIN) from error
    if width * height > PIXEL_LIMIT:
        raise _too_large(where, f"{width} x {height} pixels")
    return image


def _not_a_picture(data: bytes, where: object) -> DataError:
    """An error that names the kind of the file, as far as its first bytes identify it."""
    kind = true_format(data)
    if kind is None:
        return DataError(
            where,
            found=f"not a picture (the file starts with {data[:12]!r})",
            remedy="Replace it by a JPEG, PNG or another common picture file, or remove the row.",
        )
    if kind in FORMATS:
        return DataError(where, found=f"a damaged {kind} (its header cannot be read)", remedy=_EXPORT_AGAIN)
    content = f"a picture of the format {kind}, which this Pillow cannot read" if kind in SUFFIXES else kind
    return DataError(where, found=content, expected="a picture: " + ", ".join(FORMATS), remedy=remedy_for(kind))


def _damaged(image: Image.Image, where: object, error: Exception) -> DataError:
    return DataError(
        where,
        found=f"a damaged or truncated {image.format or 'picture'} ({error})",
        remedy="Copy or download the file again, or remove the row.",
    )


def _too_large(where: object, size: str) -> DataError:
    return DataError(
        where,
        found=size,
        expected=f"at most {PIXEL_LIMIT:,} pixels",
        remedy="Crop or scale the picture down; a re-identification picture shows one object.",
    )


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"  # I;16, I;16B and the like, and I of 32 bits


def _to_rgb(image: Image.Image, where: object, levels: Levels | None) -> UInt8[np.ndarray, "height width 3"]:
    if _is_deep(image):
        values = np.asarray(image)
        if levels is None and needs_levels(values):
            raise _without_levels(values, where)
        return np.repeat((levels or WHOLE).gray(values)[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        colored = image.convert("RGBA")
        white = Image.new("RGBA", colored.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, colored)
    return np.array(image.convert("RGB"))  # a copy, because Pillow's own pixels are read-only


def _without_levels(values: Shaped[np.ndarray, "height width"], where: object) -> DataError:
    """An error for numbers that 16 bits cannot hold, or for floating-point ones, whose range is unknown."""
    finite = values[np.isfinite(values)]
    span = f"from {finite.min():.6g} to {finite.max():.6g}" if finite.size else "none of them finite"
    kind = "floating-point pixels of unknown range" if values.dtype.kind == "f" else "numbers that 16 bits cannot hold"
    return DataError(
        where,
        found=f"{kind}, {span}",
        expected="gray from 0 to 65,535 where the data set names no levels",
        remedy="Say which values are black and white in all pictures: folder:PATH?levels=BLACK..WHITE or "
        "table:FILE?levels=BLACK..WHITE; reknow data check measures both.",
    )


def cut(pixels: UInt8[np.ndarray, "height width 3"], box: Box, where: object) -> UInt8[np.ndarray, "rows columns 3"]:
    """The part of a picture that a box holds; what reaches beyond the picture is cut off.

    Raises:
        DataError: a box without a pixel in the picture; `where` names it.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = inside(box, width, height)
    if left >= right or top >= bottom:
        raise DataError(
            where,
            found=f"the box {' '.join(map(str, box))} holds no pixel of a picture of {width} x {height}",
            expected="left < right and top < bottom, inside the picture",
            remedy="Correct the row's column 'crop' (left top right bottom), or empty it.",
        )
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def inside(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies in a picture; empty, with left >= right or top >= bottom, where none does.

    Example:
        >>> inside((-3, 2, 9, 99), width=8, height=16)
        (0, 2, 8, 16)
    """
    return max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)


def by_frame(references: Sequence[str | None], block: int) -> list[list[int]]:
    """Rows in portions of about equal work, in which each file is read and decoded once for all of its crops.

    A detector's table has dozens of crops of one large frame, near each other or not. Work on pictures is therefore
    divided by file and not by row; a thread holds one decoded picture at a time, whatever the number of its crops.

    Args:
        references: N picture references, None where a row has none.
        block: a portion is closed when it has so many rows; rows of one picture are never parted.

    Returns:
        Portions whose rows of one picture stand together. Where no picture stands twice, rows keep their order.

    Example:
        >>> by_frame(["a", "b", "a", None, "c"], block=2)
        [[0, 2], [1, 3], [4]]
    """
    frames: dict[str | int, list[int]] = defaultdict(list)
    for row, reference in enumerate(references):
        frames[row if reference is None else reference].append(row)
    portions: list[list[int]] = [[]]
    for rows in frames.values():
        if len(portions[-1]) >= block:
            portions.append([])
        portions[-1] += rows
    return portions
