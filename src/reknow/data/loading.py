"""Loading: from rows to batches, prepared ahead by threads, and a function's values for every row.

Batches are the same whatever the number of threads.

Threads suffice, and no process is started: the pixels are a memory-mapped copy and the augmentation runs outside
Python's lock (measured: one core of an EPYC server prepares 44,000 pictures of 128 x 64 a second, or 15,000 of
256 x 128). The random numbers of batch i come from (seed, i) alone, so a resumed run that starts at batch i gets the
same numbers as an uninterrupted one.

On a GPU the threads only gather uint8 into pinned memory and draw the random numbers; the copy, a quarter of the
bytes of float32, and the augmentation happen there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import overload

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from reknow.data.augmentation import apply_draws
from reknow.data.cache import Pictures
from reknow.data.transforms import Augmentation, Draws, Preprocessing, draw
from reknow.errors import ContractError
from reknow.observation import Batch, Spectrum
from reknow.progress import Progress


def load_batches(
    pictures: Pictures,
    batches: Sequence[Int[np.ndarray, "_"]],
    *,
    labels: Int[np.ndarray, "rows"],
    cameras: Int[np.ndarray, "rows"],
    preprocessing: Preprocessing,
    augmentation: Augmentation | None,
    seed: tuple[int, ...] = (0,),
    device: str | torch.device = "cpu",
    workers: int = 1,
    prefetch: int = 4,
    start: int = 0,
    shares: Sequence[slice] | None = None,
    annotations: Mapping[str, Tensor] | None = None,
) -> Generator[Batch, None, None]:
    """Batches in order; close the generator, or drop it, to stop early.

    Args:
        pictures: N rows, at the size of `preprocessing`.
        batches: rows of each batch.
        labels: (N,) over all rows; rows with -1 may only be loaded without augmentation, that is, to be embedded.
        cameras: (N,) over all rows, -1 where unknown.
        preprocessing: how pictures are normalized.
        augmentation: what training does to them; None for evaluation.
        seed: what the random numbers of batch i depend on, beside i; numbers from 0 up.
        device: where the batches go.
        workers: threads that prepare them.
        prefetch: batches that are ready or in work before they are requested.
        start: the first batch to load; it and those after it are the same as if all had been loaded.
        shares: which pictures of each batch to load, for a process that takes its share; they are augmented as if the
            whole batch had been loaded. None loads all.
        annotations: by name, (N, ...) over all rows, on the CPU: what batches carry beside pictures.

    Raises:
        ValueError: sizes that do not fit together, or a training batch with an outlier. These are errors of the
            caller, not of the user's data. They are raised here, before the first batch.
    """
    if pictures.size != preprocessing.size:
        raise ValueError(f"pictures of size {pictures.size} for a preprocessing of size {preprocessing.size}")
    annotations = annotations or {}
    if not len(pictures) == len(labels) == len(cameras):
        raise ValueError(f"{len(pictures)} pictures, {len(labels)} labels and {len(cameras)} cameras")
    for name, values in annotations.items():
        if len(values) != len(pictures):
            raise ValueError(f"{len(pictures)} pictures and {len(values)} rows of '{name}'")
    if augmentation is not None:
        outliers = [number for number, rows in enumerate(batches) if (labels[rows] < 0).any()]
        if outliers:
            raise ValueError(f"training batch {outliers[0]} has a row with label -1; leave outliers out of the batches")
    loader = _Loader(
        pictures, batches, labels, cameras, annotations, preprocessing, augmentation, seed, torch.device(device), shares
    )
    return _prepared_ahead(loader, workers, max(1, prefetch), start)


EVALUATION_BATCH_SIZE = 128
"""Pictures per batch: on two cores 64 to 256 embed equally fast, and more costs memory."""


def sequential_batches(rows: int, batch_size: int) -> list[Int[np.ndarray, "_"]]:
    """Every row once, in order; the last batch may be smaller.

    Example:
        >>> sequential_batches(5, 2)
        [array([0, 1]), array([2, 3]), array([4])]
    """
    return [np.arange(first, min(first + batch_size, rows)) for first in range(0, rows, batch_size)]


def evaluation_batches(
    pictures: Pictures,
    rows: Int[np.ndarray, "n"],
    cameras: Int[np.ndarray, "rows"],
    preprocessing: Preprocessing,
    device: torch.device | str,
    annotations: Mapping[str, Tensor] | None = None,
) -> Iterator[Batch]:
    """The given rows in order, without augmentation and labels; arguments as in :func:`load_batches`."""
    return load_batches(
        pictures,
        [rows[part] for part in sequential_batches(len(rows), EVALUATION_BATCH_SIZE)],
        labels=np.full(len(pictures), -1),
        cameras=cameras,
        preprocessing=preprocessing,
        augmentation=None,
        device=device,
        annotations=annotations,
    )


def _prepared_ahead(loader: _Loader, workers: int, prefetch: int, start: int) -> Generator[Batch, None, None]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loading")
    try:
        numbers = iter(range(start, len(loader.batches)))
        pending: deque[Future[_Prepared]] = deque(
            pool.submit(loader.prepare, number) for number in islice(numbers, prefetch)
        )
        while pending:
            prepared = pending.popleft().result()
            pending.extend(pool.submit(loader.prepare, number) for number in islice(numbers, 1))
            yield loader.finish(prepared)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Prepared:
    """A batch as the threads leave it: augmented if it stays on the CPU, otherwise pixels and drawn numbers."""

    rows: Int[np.ndarray, "batch"]
    images: dict[Spectrum, Tensor]
    draws: dict[Spectrum, Draws]


@dataclass(frozen=True)
class _Loader:
    pictures: Pictures
    batches: Sequence[Int[np.ndarray, "_"]]
    labels: Int[np.ndarray, "rows"]
    cameras: Int[np.ndarray, "rows"]
    annotations: Mapping[str, Tensor]
    preprocessing: Preprocessing
    augmentation: Augmentation | None
    seed: tuple[int, ...]
    device: torch.device
    shares: Sequence[slice] | None

    def prepare(self, number: int) -> _Prepared:
        """The work of a thread on one batch."""
        share = slice(None) if self.shares is None else self.shares[number]
        whole = np.asarray(self.batches[number], dtype=np.int64)
        rows = whole[share]
        images, draws = {}, {}
        rng = np.random.default_rng((*self.seed, number))
        for spectrum, pixels in self.pictures.images.items():
            if self.augmentation is not None:
                if self.augmentation.synchronized:
                    rng = np.random.default_rng((*self.seed, number))
                draws[spectrum] = draw(len(whole), self.preprocessing.size, self.augmentation, rng)[share]
            # Not pixels[rows] of the memory map itself: numpy would wrap the copy as another memory map.
            gathered = torch.from_numpy(np.asarray(pixels)[rows])
            if self.device.type == "cpu":
                images[spectrum] = self._transformed(spectrum, gathered, draws)
            else:
                images[spectrum] = gathered.pin_memory() if self.device.type == "cuda" else gathered
        return _Prepared(rows, images, draws)

    def finish(self, prepared: _Prepared) -> Batch:
        """The work of the consumer: send to the device, and transform there what the threads have not transformed."""
        rows, images, present = prepared.rows, {}, {}
        for spectrum, image in prepared.images.items():
            if self.device.type != "cpu":
                moved = image.to(self.device, non_blocking=True)
                image = self._transformed(spectrum, moved, prepared.draws)
            has_spectrum = self.pictures.present[spectrum][rows]
            present[spectrum] = torch.from_numpy(has_spectrum)
            if not has_spectrum.all():
                image = image * present[spectrum].to(self.device, non_blocking=True)[:, None, None, None]
            images[spectrum] = image
        index = torch.from_numpy(rows)
        label, camera = (torch.from_numpy(np.asarray(column)[rows]) for column in (self.labels, self.cameras))
        annotations = {name: values[index] for name, values in self.annotations.items()}
        return Batch(images, present, index, label, camera, annotations).to(self.device)

    def _transformed(
        self, spectrum: Spectrum, pixels: UInt8[Tensor, "batch height width 3"], draws: dict[Spectrum, Draws]
    ) -> Tensor:
        if self.augmentation is None:
            return self.preprocessing.normalize(pixels)
        return apply_draws(pixels, self.preprocessing, self.augmentation, draws[spectrum])


@overload
def outputs_of(
    function: Callable[[Batch], Tensor], batches: Iterable[Batch], count: int, progress: Progress | None = None
) -> Tensor: ...


@overload
def outputs_of(
    function: Callable[[Batch], Mapping[str, Tensor]],
    batches: Iterable[Batch],
    count: int,
    progress: Progress | None = None,
) -> dict[str, Tensor]: ...


@torch.inference_mode()
def outputs_of(
    function: Callable[[Batch], Tensor] | Callable[[Batch], Mapping[str, Tensor]],
    batches: Iterable[Batch],
    count: int,
    progress: Progress | None = None,
) -> Tensor | dict[str, Tensor]:
    """Run a function over batches, without gradient.

    Args:
        function: a batch of B observations to (B, ...) values, or to several of them by name.
        batches: in the order of the result's rows.
        count: N, rows in all.
        progress: see :data:`Progress`.

    Returns:
        (N, ...) on the CPU, or by name: floating-point values in 32 bit, others in the type that they have.

    Raises:
        ContractError: values of another number of rows than the batch, or whose shape or names change between batches.

    Example:
        >>> batches = [Batch.of({"rgb": torch.full((2, 3, 4, 4), value)}) for value in (0.0, 1.0)]
        >>> outputs_of(lambda batch: batch.images["rgb"].mean((1, 2, 3)), batches, 4)
        tensor([0., 0., 1., 1.])
    """
    whole: dict[str, Tensor] = {}
    alone, done = True, 0
    for batch in batches:
        made = function(batch)
        alone = not isinstance(made, Mapping)
        parts = made if isinstance(made, Mapping) else {"": made}
        if done and parts.keys() != whole.keys():
            raise _changed(function, f"values named {sorted(parts)}", f"values named {sorted(whole)}, as before")
        for name, values in parts.items():
            if not isinstance(values, Tensor):
                raise _changed(function, f"a {type(values).__name__}", "a tensor")
            if values.ndim == 0:
                raise _changed(function, "one value for a whole batch", f"shape {(len(batch), '...')}")
            if name not in whole:
                kind = torch.float32 if values.is_floating_point() else values.dtype
                whole[name] = torch.empty(count, *values.shape[1:], dtype=kind)
            if values.shape != (len(batch), *whole[name].shape[1:]):
                shapes = f"values of shape {tuple(values.shape)} for a batch of {len(batch)}"
                raise _changed(function, shapes, f"shape {(len(batch), *whole[name].shape[1:])}")
            whole[name][done : done + len(batch)] = values
        done += len(batch)
        if progress is not None:
            progress(done, count)
    return whole.get("", torch.empty(0)) if alone else whole


def _changed(function: object, returned: str, expected: str) -> ContractError:
    name, module = getattr(function, "__qualname__", repr(function)), getattr(function, "__module__", "") or ""
    return ContractError(
        f"{name} of the package '{module.partition('.')[0]}'",
        found=returned,
        expected=f"{expected}: one row of values for every observation, of one shape in all batches",
        remedy="Correct what it returns.",
    )
