"""The sample: which observations are looked at, and the networks that look at them.

A random sample of the rows that nobody trained on, the same for everybody who asks; nothing is picked by its result.
They are seen as in evaluation: eval mode, no augmentation, cameras by name where the recognizer knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from reknow.data.cache import Pictures
from reknow.data.loading import EVALUATED_AT_ONCE, evaluation_batches
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import Batch, Spectrum
from reknow.recognizer import Recognizer

Progress = Callable[[int, int], None]

MEASURED_AT_MOST = 512
"""Observations behind the shares: enough that their intervals are some points wide, and seconds on two cores."""

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Looking:
    """Who looks at what.

    Attributes:
        recognizers: "before" and "after" training, of one preprocessing; "after" must be there.
        manifest: any data set; its test rows are looked at, without these its training rows.
        shown: observations that will be looked at one by one; at least so many are in the result, if there are.
        notes: what is known already.
        progress: called with (observations done, observations in all), once for each network.
    """

    recognizers: Mapping[str, Recognizer]
    manifest: Manifest
    shown: int
    notes: tuple[str, ...] = ()
    progress: Progress | None = None

    def sample(self) -> Manifest:
        """At most :data:`MEASURED_AT_MOST` of the rows, in random order.

        Raises:
            DataError: `shown` below 1, or no picture of a spectrum that the network looks at.
        """
        if self.shown < 1:
            raise DataError(
                "count of pictures", found=str(self.shown), expected="1 or more", remedy="Correct the value."
            )
        rows = _rows(self.manifest, self.recognizers["after"].network.spectra)
        chosen = np.random.default_rng(0).permutation(rows)[: max(self.shown, MEASURED_AT_MOST)]
        return self.manifest.select(chosen)

    def few(self, sample: Manifest) -> Manifest:
        """Of a sample in which nothing can be measured, one batch.

        Not less, since TCMM as released normalizes over a batch.
        """
        return sample.select(np.arange(min(max(self.shown, EVALUATED_AT_ONCE), len(sample))))

    def pictures(self, sample: Manifest) -> Pictures:
        """Its pictures as the networks see them, before normalization."""
        return self.recognizers["after"].pictures_of(sample)

    @torch.inference_mode()
    def choices(
        self, sample: Manifest, pictures: Pictures, choose: Callable[[Any, Batch], Choice]
    ) -> dict[str, list[Choice]]:
        """What each network chooses, batch by batch.

        Args:
            sample: the observations.
            pictures: theirs.
            choose: a network and a batch to what it chooses there.
        """
        rows = np.arange(len(pictures))
        made: dict[str, list[Choice]] = {}
        for moment, recognizer in self.recognizers.items():
            made[moment], done = [], 0
            cameras, annotations = recognizer.camera_codes(sample), recognizer.annotations(sample)
            for batch in evaluation_batches(
                pictures, rows, cameras, recognizer.preprocessing, recognizer.device, annotations
            ):
                with recognizer.precision():
                    made[moment].append(choose(recognizer.network, batch))
                done += len(batch)
                if self.progress is not None:
                    self.progress(done, len(pictures))
        return made


def _rows(manifest: Manifest, spectra: Sequence[Spectrum]) -> np.ndarray:
    """The test rows, or else the training rows, that have a picture for the network."""
    test = np.concatenate([manifest.rows_of("query"), manifest.rows_of("gallery")])
    rows = test if len(test) else manifest.rows_of("train") if manifest.has("split") else np.arange(len(manifest))
    columns = [manifest.column(spectrum) for spectrum in spectra]
    there = np.array([any(references) for references in zip(*columns, strict=True)], dtype=bool)
    rows = rows[there[rows]]
    if not len(rows):
        names = f"column '{spectra[0]}'" if len(spectra) == 1 else f"columns {', '.join(spectra)}"
        raise DataError(
            manifest.name,
            found=f"no picture in the {names}, which the network looks at",
            remedy="Name other data with --data.",
        )
    return rows
