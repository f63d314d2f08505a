"""Picture measures: size, color and sharpness of every picture, which tell nothing of an individual.

They are taken when pictures are embedded. A grouping that they explain is one of cameras, light and distances
(:mod:`reknow.evaluation.appearance`). Seven numbers a row, of the first spectrum that it has:

- **size**: width and height in pixels of the upright picture, or of its box as far as it lies in the picture. They come
  from the file's header: the picture cache keeps pictures at one size;
- **color**: mean and standard deviation of the luminance (brightness and contrast), and the means of two opponent
  colors, red - green and (red + green) / 2 - blue, as in Hasler and Suesstrunk, "Measuring colourfulness in natural
  images" (2003). All in gray levels, 0..255. No histogram: more numbers would tell more of the individual;
- **sharpness**: log of the variance of the luminance's Laplacian (four neighbors, inner pixels) divided by the variance
  of the luminance. The variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al., 2000); it grows
  with the contrast, which is a measure of its own here, and so is divided out. 3.0 is noise, 4.2 the sharpest checkered
  pattern; -6.9 stands for every picture below, and for one without contrast.

Color and sharpness are those of the pictures in the cache, at the recognizer's size and resized as for it: the network
gets nothing else. So a small picture that was enlarged is one without sharpness, whatever its file's pixels are.

Beside the shipped recognizer on one core this adds 3.5 % to the time of embedding 2,000 JPEG files (measured), five
sixths of it for their headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, UInt8

from reknow.compiled import compiled, in_chunks
from reknow.data.cache import BLOCK, Pictures, boxes_of, in_threads
from reknow.data.manifest import Manifest
from reknow.data.pictures import inside, upright_size
from reknow.data.transforms import LUMINANCE
from reknow.errors import ContractError
from reknow.observation import SPECTRA, Spectrum

RED, GREEN, BLUE = (np.float32(share) for share in LUMINANCE)

SIZE = ("width", "height")
COLOR = ("brightness", "contrast", "red_green", "yellow_blue")
SHARPNESS = "sharpness"
NUMBERS = (*SIZE, *COLOR, SHARPNESS)
"""The name of every number, by which an embeddings file has a column of it."""

_LOWEST = 1e-3  # a ratio below is that of a slow gradient, where only rounding would be measured
_ROUNDING = 1.0  # a variance below this is that of rounding to whole gray levels (1/12) and of light noise


@dataclass(frozen=True, eq=False)
class PictureMeasures:
    """What was measured of the pictures of N observations; see the module.

    Attributes:
        size: (N, 2) width and height in pixels, as in :data:`SIZE`.
        color: (N, 4) in gray levels, as in :data:`COLOR`.
        sharpness: (N,) log of a ratio of variances.
    """

    size: Float32[np.ndarray, "rows 2"]
    color: Float32[np.ndarray, "rows 4"]
    sharpness: Float32[np.ndarray, "rows"]

    def __len__(self) -> int:
        return len(self.sharpness)

    def select(self, rows: np.ndarray) -> PictureMeasures:
        """The given rows, in the given order; a boolean mask works too."""
        return PictureMeasures(self.size[rows], self.color[rows], self.sharpness[rows])

    def numbers(self) -> dict[str, Float32[np.ndarray, "rows"]]:
        """(N,) values by the name of the number, in the order of :data:`NUMBERS`."""
        values = np.column_stack([self.size, self.color, self.sharpness])
        return {name: values[:, place].copy() for place, name in enumerate(NUMBERS)}

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, Float32[np.ndarray, "rows"]]) -> PictureMeasures:
        """What :meth:`numbers` takes apart."""
        size, color = (np.stack([numbers[name] for name in names], axis=1) for names in (SIZE, COLOR))
        return cls(size, color, numbers[SHARPNESS])

    @classmethod
    def of(cls, pictures: Pictures, manifest: Manifest) -> PictureMeasures:
        """Measure pictures that are in the cache already; of their files only headers are read.

        Args:
            pictures: of N observations.
            manifest: their rows, in the same order.

        Raises:
            ContractError: another number of rows.
            DataError: a file that was removed or changed since its picture was decoded.
        """
        if len(pictures) != len(manifest):
            raise ContractError(
                "picture measures",
                found=f"{len(manifest)} rows for {len(pictures)} pictures",
                expected="the rows that the pictures were opened of",
                remedy="Open the pictures again.",
            )
        measured = np.zeros((len(pictures), len(COLOR) + 1), np.float32)
        first = _first_spectrum(pictures)
        for number, images in enumerate(pictures.images.values()):
            _measure(images, np.flatnonzero(first == number), measured)
        return cls(_sizes(manifest), measured[:, :-1].copy(), measured[:, -1].copy())


def _first_spectrum(pictures: Pictures) -> Int[np.ndarray, "rows"]:
    """(N,) number of the first spectrum that each row has, in the order of `pictures`."""
    return np.stack([pictures.present[spectrum] for spectrum in pictures.images]).argmax(axis=0)


def _sizes(manifest: Manifest) -> Float32[np.ndarray, "rows 2"]:
    """(N, 2) width and height of every row's first picture, or of its box; each file's header is read once."""
    columns: dict[Spectrum, list[str | None]] = {spectrum: manifest.column(spectrum) for spectrum in SPECTRA}
    spectra: list[Spectrum] = [next(name for name in SPECTRA if columns[name][row]) for row in range(len(manifest))]
    references = [str(columns[spectrum][row]) for row, spectrum in enumerate(spectra)]
    whole = dict(_whole_sizes(manifest.root, list(dict.fromkeys(references))))
    sizes = np.empty((len(manifest), 2), np.float32)
    for row, (reference, spectrum, boxes) in enumerate(zip(references, spectra, boxes_of(manifest), strict=True)):
        width, height = whole[reference]
        if (box := boxes[spectrum]) is not None:
            left, top, right, bottom = inside(box, width, height)
            # At least 1: only a picture whose header tells its orientation too late can have less.
            width, height = max(right - left, 1), max(bottom - top, 1)
        sizes[row] = width, height
    return sizes


def _whole_sizes(root: Path, references: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every picture's reference, and its width and height."""
    portions = [references[first : first + BLOCK] for first in range(0, len(references), BLOCK)]
    measure = partial(upright_size, root)
    with closing(in_threads(lambda portion: list(map(measure, portion)), portions)) as sizes:
        for portion, of_portion in zip(portions, sizes, strict=True):
            yield from zip(portion, of_portion, strict=True)


def _measure(
    images: UInt8[np.ndarray, "rows height width 3"],
    rows: Int[np.ndarray, "n"],
    measured: Float32[np.ndarray, "rows 5"],
) -> None:
    """Write color and sharpness of some rows' pictures into `measured`, in threads."""
    plain = np.asarray(images).view()
    plain.flags.writeable = False  # as a memory-mapped file's, so that the kernel is compiled once
    in_chunks(len(rows), lambda first, last: _measure_rows(plain, rows[first:last], measured))


# fastmath lets the sums be taken several at a time: 31 microseconds a picture of 128 x 64 in place of 47, and 118 in
# place of 178 at 256 x 128.
@compiled(nogil=True, fastmath={"reassoc", "contract"})
def _measure_rows(images: np.ndarray, rows: np.ndarray, measured: np.ndarray) -> None:
    _, height, width, _ = images.shape
    gray = np.empty((height, width), np.float32)
    for row in rows:
        picture = images[row]
        total, squares, red_green, yellow_blue = 0.0, 0.0, 0, 0
        for y in range(height):
            for x in range(width):
                # Signed: differences of uint8 would wrap.
                red, green, blue = np.int64(picture[y, x, 0]), np.int64(picture[y, x, 1]), np.int64(picture[y, x, 2])
                luminance = RED * np.float32(red) + GREEN * np.float32(green) + BLUE * np.float32(blue)
                gray[y, x] = luminance
                total += luminance
                squares += np.float64(luminance) * luminance  # a square of single precision is 0.002 off
                red_green += red - green
                yellow_blue += red + green - 2 * blue
        pixels = height * width
        mean = total / pixels
        variance = max(squares / pixels - mean * mean, 0.0)
        measured[row, 0], measured[row, 1] = mean, np.sqrt(variance)
        measured[row, 2], measured[row, 3] = red_green / pixels, yellow_blue / (2 * pixels)
        measured[row, 4] = np.log(max(_laplacian_variance(gray) / max(variance, _ROUNDING), _LOWEST))


@compiled(nogil=True, fastmath={"reassoc", "contract"})
def _laplacian_variance(gray: np.ndarray) -> float:
    """0 where no pixel has four neighbors."""
    height, width = gray.shape
    total, squares = 0.0, 0.0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            value = gray[y - 1, x] + gray[y + 1, x] + gray[y, x - 1] + gray[y, x + 1] - np.float32(4) * gray[y, x]
            total += value
            squares += value * value
    inner = max(height - 2, 0) * max(width - 2, 0)
    return max(squares / inner - (total / inner) ** 2, 0.0) if inner > 0 else 0.0
