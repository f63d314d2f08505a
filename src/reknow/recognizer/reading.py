"""Reading: pictures in any form that users have, decoded and resized by threads ahead of the network.

Decisions:

- A file and the same file opened with Pillow give the same pixels: both go by the rules of ``data/pictures.py``.
- A tensor is (3, H, W) with values in [0, 1] and is rounded to 256 levels, as files have. Integers, and values outside
  of [0, 1], are refused: 0 to 255 or normalized values would otherwise be clipped to nonsense without a word.
- Of a generator no more is taken than is about to be used, in the caller's own thread. What it hands out is copied at
  once, since some hand out one object again and again (a video's buffer, the frames of an animation).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from reknow.data.pictures import read_picture, rgb_pixels
from reknow.data.transforms import Preprocessing
from reknow.errors import RecognizerError

Picture = str | Path | Image.Image | np.ndarray | Tensor
"""A path, a Pillow image, a (H, W, 3) uint8 array in RGB order, or a (3, H, W) float tensor in [0, 1]."""

Result = TypeVar("Result")

_ROUNDED_AWAY = 0.5 / 255  # what a value may lie outside of [0, 1] and still round to a level inside


def one_by_one(images: Any) -> Iterable[Any]:
    """The pictures of whatever a user passes: one, several, or a batch (N, H, W, 3) or (N, 3, H, W)."""
    batch = isinstance(images, np.ndarray | Tensor) and images.ndim == 4
    # What could be iterated over and holds no pictures (bytes, a mapping) is refused as a whole, later.
    several = isinstance(images, Iterable) and not isinstance(images, Picture | bytes | Mapping)
    return images if batch or several else [images]


def resized_batches(
    pictures: Iterable[Any], preprocessing: Preprocessing, batch_size: int
) -> Generator[UInt8[np.ndarray, "batch height width 3"], None, None]:
    """Pictures at the size of a preprocessing, in order; close the generator, or drop it, to stop early.

    While the consumer works on a batch the threads prepare the next. At most three batches of resized pictures are in
    memory, whatever the number of pictures, and one batch of a generator's own.

    Args:
        pictures: in any form.
        preprocessing: gives size and interpolation.
        batch_size: pictures per batch; the last may have fewer.

    Raises:
        DataError: a file that is missing or no picture.
        RecognizerError: something in memory that is not a picture; the message has its number, counted from 0.
    """
    lasting = isinstance(pictures, Sequence | np.ndarray | Tensor)
    numbered = ((number, picture if lasting else _own(picture, number)) for number, picture in enumerate(pictures))
    decoding = threading.Lock()

    def resized(item: tuple[int, Any]) -> UInt8[np.ndarray, "height width 3"]:
        number, picture = item
        return preprocessing.resize(_pixels(picture, f"picture {number}", decoding))

    with closing(_in_order(resized, numbered, ahead=batch_size)) as arrays:
        while batch := list(islice(arrays, batch_size)):
            yield np.stack(batch)


def _in_order(work: Callable[[Any], Result], items: Iterator[Any], ahead: int) -> Generator[Result, None, None]:
    """``work(item)`` for each item, computed by threads; the first `ahead` are taken before a result is asked for."""
    # As many threads as the network has, so that OMP_NUM_THREADS limits both.
    pool = ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="reading")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _own(picture: Any, number: int) -> Any:
    """A copy of what may change in the giver's hands."""
    if isinstance(picture, Image.Image):
        return rgb_pixels(picture, f"picture {number}")
    if isinstance(picture, Tensor):
        return picture.clone()
    return picture.copy() if isinstance(picture, np.ndarray) else picture


def _pixels(picture: Any, where: str, decoding: threading.Lock) -> UInt8[np.ndarray, "height width 3"]:
    if isinstance(picture, str | Path):
        return read_picture(Path(), str(picture))
    if isinstance(picture, Image.Image):
        with decoding:  # Pillow decodes when asked for pixels, and a list may hold one picture twice
            return rgb_pixels(picture, where)
    if isinstance(picture, Tensor) and picture.is_floating_point() and picture.ndim == 3 and len(picture) == 3:
        return _from_tensor(picture, where)
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,) and picture.size:
        return picture
    raise _not_a_picture(picture, where)


def _from_tensor(picture: Tensor, where: str) -> UInt8[np.ndarray, "height width 3"]:
    values = picture.detach().to("cpu", torch.float32).permute(1, 2, 0).numpy()
    if not values.size:
        raise _not_a_picture(picture, where)
    low, high = float(values.min()), float(values.max())
    if not (low >= -_ROUNDED_AWAY and high <= 1 + _ROUNDED_AWAY):  # so written, NaN is refused too
        raise RecognizerError(
            where,
            found="pixels that are NaN" if np.isnan(low + high) else f"a tensor with values from {low:g} to {high:g}",
            expected="values in [0, 1], not normalized",
            remedy="Divide 0 to 255 by 255, undo a normalization, or clamp what a resizing overshot.",
        )
    return np.rint(values.clip(0, 1) * np.float32(255)).astype(np.uint8)


def _not_a_picture(picture: object, where: str) -> RecognizerError:
    shape, kind = getattr(picture, "shape", None), getattr(picture, "dtype", "")
    remedy = "Pass the file's path, or open it with PIL.Image.open."
    if isinstance(picture, Tensor):
        remedy = "Integers of 0 to 255: picture / 255. Channels last: picture.permute(2, 0, 1)."
    elif isinstance(picture, np.ndarray):
        remedy = (
            "Values in [0, 1]: (255 * picture).round().astype(np.uint8). Gray or RGBA: PIL.Image.fromarray(picture)."
        )
    return RecognizerError(
        where,
        found=f"{type(picture).__name__}" + ("" if shape is None else f" {kind} {tuple(shape)}"),
        expected="a path, a PIL image, a (H, W, 3) uint8 array or a (3, H, W) float tensor in [0, 1]",
        remedy=remedy,
    )
