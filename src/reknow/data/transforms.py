"""Transforms: the values that say how a stored uint8 picture becomes a network's input, and the random numbers drawn.

Evaluation only resizes and normalizes. The order of the training transforms is that of TCMM's released code (decision
15 in docs/methods/tcmm.md): resize, flip, pad, random crop, normalize, random erasing on the normalized values. What
papers leave open is decided here:

- Flip, crop, rotation, shear and scale are one resampling of the stored picture, so a rotation finds the pixels that
  the crop would have cut away. Without rotation, shear and scale the resampling is an exact copy of pixels.
- Photometric changes follow the geometry and precede normalization; they are clipped once, at the end.
- Random numbers come from one explicit numpy generator, in a fixed order. They are drawn for the whole batch first
  (:func:`draw`) and applied second (:mod:`reknow.data.augmentation`), so a CPU and a GPU get the same augmentation
  from the same generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, UInt8
from PIL import Image
from torch import Tensor

from reknow.errors import RecipeError
from reknow.fields import Bounds, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share, check_fields

Interpolation = Literal["bicubic", "bilinear", "nearest"]
RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as PIL's conversion to gray


@dataclass(frozen=True)
class Preprocessing:
    """What every picture goes through before a network; travels with the weights.

    Attributes:
        size: (height, width) in pixels.
        mean: per channel, of values in [0, 1].
        std: per channel, of values in [0, 1].
        interpolation: how pictures are resized.
    """

    size: tuple[PositiveInt, PositiveInt] = (256, 128)
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.5, 0.5, 0.5)
    interpolation: Interpolation = "bicubic"

    def __post_init__(self) -> None:
        check_fields(self, "preprocessing")

    def resize(self, picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "new_height new_width 3"]:
        """The picture at :attr:`size`, filtered against aliasing as torchvision does with PIL pictures."""
        height, width = self.size
        if picture.shape[:2] == (height, width):
            return picture
        resized = Image.fromarray(picture).resize((width, height), RESAMPLING[self.interpolation])
        return np.asarray(resized)

    def normalize(self, images: UInt8[Tensor, "batch first second third"]) -> Float32[Tensor, "batch 3 height width"]:
        """(B, H, W, 3) or (B, 3, H, W) uint8 to normalized float32 (B, 3, H, W), on the device of the input."""
        if images.shape[3] == 3:
            images = images.permute(0, 3, 1, 2)
        return self.normalize_values(images.to(torch.float32, memory_format=torch.contiguous_format))

    def normalize_values(
        self, images: Float32[Tensor, "batch 3 height width"]
    ) -> Float32[Tensor, "batch 3 height width"]:
        """The same for values that are floats already, in 0..255; changes its argument."""
        # Sent so that the batch after this one can be prepared while a GPU still computes.
        factor, offset = (
            torch.tensor(numbers, dtype=torch.float32).to(images.device, non_blocking=True)[:, None, None]
            for numbers in self.factor_and_offset()
        )
        return images.mul_(factor).add_(offset)

    def factor_and_offset(self) -> tuple[list[float], list[float]]:
        """Per channel: normalized = factor * value in 0..255 + offset."""
        pairs = list(zip(self.mean, self.std, strict=True))
        return [1 / (255 * std) for _, std in pairs], [-mean / std for mean, std in pairs]


@dataclass(frozen=True)
class Augmentation:
    """What training does to a picture; zero turns each of them off.

    Attributes:
        flip: probability of a horizontal mirror image.
        pad: pixels on every side from which the crop of the original size is drawn.
        erase: probability of random erasing (Zhong et al., AAAI 2020).
        erase_area: smallest and largest erased share of the picture.
        erase_aspect: smallest ratio of height to width; the largest is its inverse.
        erase_aspect_law: how the ratio is drawn between the two: uniform, as the original random erasing, or
            log_uniform, as TransReID and EDITOR. At 256 x 128 about 80 % and 56 % of their erased rectangles are taller
            than wide.
        erase_tries: rectangles that are drawn until one fits into the picture, which otherwise stays whole: 100 in the
            original random erasing, 10 in TransReID and EDITOR.
        erase_value: per channel, in normalized values (the papers' code writes ImageNet's mean there), or noise:
            a standard normal value per pixel and channel, as TransReID and EDITOR do.
        rotate: largest angle in degrees, either way.
        shear: largest angle in degrees, along the rows, either way.
        scale: smallest and largest magnification.
        fill: value in 0..255 of what lies outside the picture, before normalization.
        brightness: largest relative change b; the factor is uniform in [1 - b, 1 + b]; likewise contrast, saturation.
        contrast: largest relative change around the picture's mean gray.
        saturation: largest relative change around each pixel's gray.
        grayscale: probability of a picture without color.
        channel_exchange: probability of a picture that shows one of its color channels in all three, as infrared
            pictures do (Ye et al., "Channel Augmented Joint Learning", ICCV 2021); the channel is drawn, too.
        synchronized: one draw for all spectra of an observation, so that they stay aligned; otherwise each spectrum
            has its own, as in EDITOR's released code.
    """

    flip: Share = 0.5
    pad: NonNegativeInt = 10
    erase: Share = 0.5
    erase_area: tuple[Share, Share] = (0.02, 0.4)
    erase_aspect: Annotated[float, Bounds(1e-3, 1)] = 0.3
    erase_aspect_law: Literal["uniform", "log_uniform"] = "uniform"
    erase_tries: Annotated[int, Bounds(1, 10_000)] = 100
    erase_value: tuple[float, float, float] | Literal["noise"] = (0.485, 0.456, 0.406)
    rotate: Annotated[float, Bounds(0, 180)] = 0.0
    shear: Annotated[float, Bounds(0, 80)] = 0.0
    scale: tuple[Annotated[float, Bounds(1e-3)], Annotated[float, Bounds(1e-3)]] = (1.0, 1.0)
    fill: Annotated[int, Bounds(0, 255)] = 0
    brightness: NonNegativeFloat = 0.0
    contrast: NonNegativeFloat = 0.0
    saturation: NonNegativeFloat = 0.0
    grayscale: Share = 0.0
    channel_exchange: Share = 0.0
    synchronized: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "augmentation")
        for name in ("erase_area", "scale"):
            smallest, largest = getattr(self, name)
            if smallest > largest:
                raise RecipeError(
                    f"augmentation.{name}",
                    found=f"{smallest}, {largest}",
                    expected="the smaller one first",
                    remedy="Exchange them.",
                )


@dataclass(frozen=True)
class Draws:
    """One batch's random numbers.

    Attributes:
        flip: whether the picture is mirrored.
        shift: row and column of the mirrored picture at which the crop begins; negative in the padding.
        inverse: from a pixel's (row, column) relative to the crop's center back to where it is read; None: identity.
        color: factors of brightness, contrast and saturation; None: all one.
        erase: top, left, height, width of the erased rectangle; height 0 where there is none.
        noise: values of the erased pixels in the order batch, channel, row, column; None: one value per channel.
        channel: the color channel that takes the place of all three, -1 where none does; None: -1 everywhere.
    """

    flip: Bool[np.ndarray, "batch"]
    shift: Int[np.ndarray, "batch 2"]
    inverse: Float32[np.ndarray, "batch 2 2"] | None
    color: Float32[np.ndarray, "batch 3"] | None
    erase: Int[np.ndarray, "batch 4"]
    noise: Float32[np.ndarray, "erased"] | None
    channel: Int[np.ndarray, "batch"] | None = None

    def __getitem__(self, rows: slice) -> Draws:
        """Some of the batch's pictures."""
        noise = self.noise
        if noise is not None:
            ends = np.concatenate([[0], np.cumsum(3 * self.erase[:, 2] * self.erase[:, 3])])
            start, stop, _ = rows.indices(len(self.erase))
            noise = noise[ends[start] : ends[max(start, stop)]]
        inverse = None if self.inverse is None else self.inverse[rows]
        color = None if self.color is None else self.color[rows]
        channel = None if self.channel is None else self.channel[rows]
        return Draws(self.flip[rows], self.shift[rows], inverse, color, self.erase[rows], noise, channel)


def draw(count: int, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator) -> Draws:
    """Draw what happens to each of `count` pictures of `size` (height, width)."""
    erase = _draw_rectangles(count, size, augmentation, rng)
    noise = None
    if augmentation.erase_value == "noise":
        noise = rng.standard_normal(3 * int((erase[:, 2] * erase[:, 3]).sum()), dtype=np.float32)
    return Draws(
        flip=rng.random(count) < augmentation.flip,
        shift=rng.integers(-augmentation.pad, augmentation.pad + 1, (count, 2)),
        inverse=_draw_inverses(count, augmentation, rng),
        color=_draw_colors(count, augmentation, rng),
        erase=erase,
        noise=noise,
        channel=_draw_channels(count, augmentation, rng),
    )


def _draw_rectangles(
    count: int, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> Int[np.ndarray, "count 4"]:
    height, width = size
    rectangles = np.zeros((count, 4), dtype=np.int64)
    rows = np.flatnonzero(rng.random(count) < augmentation.erase)
    area = rng.uniform(*augmentation.erase_area, (len(rows), augmentation.erase_tries)) * (height * width)
    smallest, largest = augmentation.erase_aspect, 1 / augmentation.erase_aspect
    if augmentation.erase_aspect_law == "log_uniform":
        aspect = np.exp(rng.uniform(np.log(smallest), np.log(largest), area.shape))
    else:
        aspect = rng.uniform(smallest, largest, area.shape)
    heights, widths = np.rint(np.sqrt(area * aspect)), np.rint(np.sqrt(area / aspect))
    fits = (heights >= 1) & (heights < height) & (widths >= 1) & (widths < width)
    first = fits.argmax(axis=1)
    fitting = fits[np.arange(len(rows)), first]
    rows, first = rows[fitting], first[fitting]
    chosen = np.stack([heights[fitting][np.arange(len(rows)), first], widths[fitting][np.arange(len(rows)), first]], 1)
    rectangles[rows, 2:] = chosen.astype(np.int64)
    rectangles[rows, :2] = rng.integers(0, np.array([height, width]) - rectangles[rows, 2:] + 1)
    return rectangles


def _draw_inverses(
    count: int, augmentation: Augmentation, rng: np.random.Generator
) -> Float32[np.ndarray, "count 2 2"] | None:
    if not augmentation.rotate and not augmentation.shear and augmentation.scale == (1.0, 1.0):
        return None
    angle = np.deg2rad(rng.uniform(-augmentation.rotate, augmentation.rotate, count))
    slant = np.tan(np.deg2rad(rng.uniform(-augmentation.shear, augmentation.shear, count)))
    scale = rng.uniform(*augmentation.scale, count)
    cosine, sine, zeros, ones = np.cos(angle), np.sin(angle), np.zeros(count), np.ones(count)
    rotation = np.array([[cosine, sine], [-sine, cosine]]).transpose(2, 0, 1)
    shear = np.array([[ones, zeros], [slant, ones]]).transpose(2, 0, 1)
    return np.linalg.inv(scale[:, None, None] * (rotation @ shear)).astype(np.float32)


def _draw_channels(count: int, augmentation: Augmentation, rng: np.random.Generator) -> Int[np.ndarray, "count"] | None:
    if not augmentation.channel_exchange:
        return None
    return np.where(rng.random(count) < augmentation.channel_exchange, rng.integers(0, 3, count), -1)


def _draw_colors(
    count: int, augmentation: Augmentation, rng: np.random.Generator
) -> Float32[np.ndarray, "count 3"] | None:
    ranges = np.array([augmentation.brightness, augmentation.contrast, augmentation.saturation])
    if not ranges.any() and not augmentation.grayscale:
        return None
    factors = rng.uniform(np.maximum(0, 1 - ranges), 1 + ranges, (count, 3))
    factors[rng.random(count) < augmentation.grayscale, 2] = 0
    return factors.astype(np.float32)
