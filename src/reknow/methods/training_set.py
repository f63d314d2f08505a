"""The training set of a method: rows of a manifest, and the values of functions of their pictures.

A method never opens a file. It asks for batches of rows without augmentation, or passes a function and gets its values
for every row, or their means per class, with any number of processes. A method that does not learn from identities gets
a manifest that holds none, and no name that could tell one (:func:`reknow.data.manifest.without_names`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import overload

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from reknow.data.cache import Pictures
from reknow.data.loading import evaluation_batches, load_batches, outputs_of
from reknow.data.manifest import Manifest, without_names
from reknow.data.transforms import Augmentation, Preprocessing
from reknow.distributed import gathered, processes, rank, summed
from reknow.errors import ContractError
from reknow.observation import Batch, Spectrum
from reknow.progress import Progress

ToTensor = Callable[[Batch], Tensor]
ToTensors = Callable[[Batch], Mapping[str, Tensor]]


class TrainingSet:
    """N rows to learn from.

    Functions are called without gradient, on pictures without augmentation, as in an evaluation, in manifest order.
    Networks have to be in eval mode; when the loop calls ``build``, ``before_epoch`` and ``before_evaluation``, they
    are. All processes must call the same functions in the same order.

    Args:
        manifest: the training rows.
        pictures: opens their pictures, at the size of `preprocessing`; called when they are first needed, so that
            errors of a recipe show before an hour of decoding.
        preprocessing: picture size and normalization.
        names: whether the method gets identities, and names that may tell them.
        annotations: by name, (N, ...): further values of batches.
        epochs: of the run.
        iterations: steps of each epoch, where the recipe fixes them.
        seed: of the run.
        device: where batches go.
        autocast: the context in which networks run.
        watch: makes a progress display from its title; the default shows none.

    Attributes:
        manifest: N rows, without identities and names that may tell them where the method must not have those.
        epochs: of the run.
        steps: of the whole run, where the recipe fixes the steps of an epoch; None where each epoch's plan decides.
    """

    def __init__(
        self,
        manifest: Manifest,
        pictures: Callable[[], Pictures],
        preprocessing: Preprocessing,
        *,
        names: bool = False,
        annotations: Mapping[str, Tensor] | None = None,
        epochs: int = 1,
        iterations: int | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
        watch: Callable[[str], Progress] | None = None,
    ) -> None:
        self.manifest = manifest if names else without_names(manifest)
        self.epochs = epochs
        self.steps = None if iterations is None else iterations * epochs
        self._open = pictures
        self._preprocessing = preprocessing
        self._annotations = dict(annotations or {})
        self._seed = seed
        self._device = device
        self._autocast = autocast
        self._watch = watch

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width that pictures have in batches."""
        return self._preprocessing.size

    @cached_property
    def cameras(self) -> Int[np.ndarray, "rows"]:
        """(N,) camera codes, -1 where unknown."""
        return self.manifest.codes("camera")

    @cached_property
    def present(self) -> dict[Spectrum, Bool[np.ndarray, "rows"]]:
        """Per spectrum that any row has, (N,): which rows have a picture in it."""
        return {
            spectrum: np.array([reference is not None for reference in self.manifest.column(spectrum)], dtype=bool)
            for spectrum in self.manifest.spectra
        }

    @cached_property
    def _pictures(self) -> Pictures:
        return self._open()

    def open(self) -> None:
        """Decode the pictures now, so that damaged ones are reported before a run begins.

        Raises:
            DataError: a picture that cannot be read, or a cache that cannot be written.
        """
        _ = self._pictures

    def pixels(self, rows: Int[np.ndarray, "n"], spectrum: Spectrum) -> UInt8[np.ndarray, "n height width 3"]:
        """Pictures of a spectrum as they are stored, at the size of the preprocessing; black where a row has none."""
        return np.asarray(self._pictures.images[spectrum][rows])

    def sample(self, count: int) -> Int[np.ndarray, "sampled"]:
        """At most `count` rows in ascending order, drawn by the run's seed: the same in every call."""
        return np.sort(np.random.default_rng(self._seed).permutation(len(self))[:count])

    def batches(self, rows: Int[np.ndarray, "n"] | None = None) -> Iterator[Batch]:
        """Batches of rows without augmentation, the same on every process; labels are -1.

        Args:
            rows: which; by default all, in order.
        """
        rows = np.arange(len(self)) if rows is None else np.asarray(rows)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise ContractError(
                "batches of a training set",
                found=f"row {rows.min() if rows.min() < 0 else rows.max()}",
                expected=f"rows from 0 to {len(self) - 1}",
                remedy="Ask for rows of the training set.",
            )
        return evaluation_batches(
            self._pictures, rows, self.cameras, self._preprocessing, self._device, self._annotations
        )

    @overload
    def embed(self, function: ToTensor) -> Tensor: ...

    @overload
    def embed(self, function: ToTensors) -> dict[str, Tensor]: ...

    def embed(self, function: ToTensor | ToTensors) -> Tensor | dict[str, Tensor]:
        """The values of a function for every row; processes share the work.

        Args:
            function: a batch of B observations to (B, ...) values, or to several of them by name, such as a method's
                own ``embed``.

        Returns:
            (N, ...) on the CPU in manifest order, floating-point values in 32 bit; or a dictionary of these.

        Raises:
            ContractError: values of another number of rows than the batch, or of a shape that changes.
        """
        share = _share_of(np.arange(len(self)))
        with self._autocast():
            made = outputs_of(function, self.batches(share), len(share), self._progress())
        if len(share) == len(self):
            return made
        return gathered(made) if isinstance(made, Tensor) else {name: gathered(part) for name, part in made.items()}

    @overload
    def class_means(self, function: ToTensor, labels: Int[np.ndarray, "rows"]) -> Tensor: ...

    @overload
    def class_means(self, function: ToTensors, labels: Int[np.ndarray, "rows"]) -> dict[str, Tensor]: ...

    @torch.inference_mode()
    def class_means(
        self, function: ToTensor | ToTensors, labels: Int[np.ndarray, "rows"]
    ) -> Tensor | dict[str, Tensor]:
        """The mean of a function's values over the rows of each class; no more than C means are held at a time.

        For values that are too large to be held for every row: the raw pixels of Market-1501 are 5 GB, their class
        means 300 MB.

        Args:
            function: as in :meth:`embed`; values are taken as floating-point numbers.
            labels: (N,) classes from 0 up; rows of label -1 belong to no class and are not loaded.

        Returns:
            (C, ...) on the CPU in 32 bit, C = the largest label + 1, zero for a class without rows; or a dictionary.

        Raises:
            ContractError: another number of labels than of rows, no row with a class, or values of another number of
                rows than the batch.
        """
        labels = np.asarray(labels)
        classes, rows = int(labels.max(initial=-1)) + 1, np.flatnonzero(labels >= 0)
        if labels.shape != (len(self),) or not classes:
            raise ContractError(
                "class_means of a training set",
                found=f"labels of shape {labels.shape}" if classes else "no row with a class: every label is -1",
                expected=f"({len(self)},) labels, at least one of them 0 or more",
                remedy="Pass a label for every row; where no row has a class, there are no means to ask for.",
            )
        share = _share_of(rows)
        progress, done, alone = self._progress(), 0, True
        sums: dict[str, Tensor] = {}
        for batch in self.batches(share):
            with self._autocast():
                made = function(batch)
            alone = isinstance(made, Tensor)
            group = torch.from_numpy(labels)[batch.index.cpu()].to(batch.index.device)
            for name, values in ({"": made} if isinstance(made, Tensor) else made).items():
                if values.ndim == 0 or len(values) != len(batch):
                    raise ContractError(
                        "class_means of a training set",
                        found=f"values of shape {tuple(values.shape)} for a batch of {len(batch)}",
                        expected="one row of values for every observation",
                        remedy="Correct what the function returns.",
                    )
                if name not in sums:
                    sums[name] = torch.zeros(classes, *values.shape[1:], device=values.device)
                sums[name].index_add_(0, group.to(values.device), values.float())
            done += len(batch)
            progress(done, len(share))
        counts = torch.from_numpy(np.bincount(labels[rows], minlength=classes)).clamp(min=1)
        totals = sums if len(share) == len(rows) else {name: summed(total) for name, total in sums.items()}
        means = {name: total.cpu() / counts.view(-1, *[1] * (total.ndim - 1)) for name, total in totals.items()}
        return means[""] if alone else means

    def training_batches(
        self,
        batches: list[Int[np.ndarray, "_"]],
        labels: Int[np.ndarray, "rows"],
        augmentation: Augmentation,
        *,
        seed: tuple[int, ...],
        start: int,
        shares: list[slice],
    ) -> Iterator[Batch]:
        """Augmented batches, for the loop; arguments as in :func:`reknow.data.loading.load_batches`."""
        return load_batches(
            self._pictures,
            batches,
            labels=labels,
            cameras=self.cameras,
            preprocessing=self._preprocessing,
            augmentation=augmentation,
            seed=seed,
            device=self._device,
            start=start,
            shares=shares,
            annotations=self._annotations,
        )

    def _progress(self) -> Progress:
        return self._watch("embedding") if self._watch else lambda done, total: None


def _share_of(rows: Int[np.ndarray, "n"]) -> Int[np.ndarray, "share"]:
    """The rows that this process works on; all of them where there are fewer than processes."""
    return rows if len(rows) < processes() else np.array_split(rows, processes())[rank()]
