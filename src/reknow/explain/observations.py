"""Observations: which ones are looked at, and what the networks select in them.

A random sample of the rows that nobody trained on, the same for everybody who asks; nothing is picked by its result.
They are seen as in evaluation: eval mode, no augmentation, cameras by name where the recognizer knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reknow.data.cache import Pictures
from reknow.data.loading import EVALUATION_BATCH_SIZE, evaluation_batches
from reknow.data.manifest import Manifest
from reknow.errors import DataError, RunError
from reknow.explain.explanation import Explanation
from reknow.explain.measures import measured
from reknow.explain.truth import is_known, truth_of
from reknow.methods.method import MethodConfig
from reknow.methods.selected import SelectedPatches, joined
from reknow.observation import Spectrum
from reknow.recognizer import Recognizer

Progress = Callable[[int, int], None]

MEASURED_AT_MOST = 512
"""Observations behind the shares: enough that their intervals are some points wide, and seconds on two cores."""


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
        return sample.select(np.arange(min(max(self.shown, EVALUATION_BATCH_SIZE), len(sample))))

    def pictures(self, sample: Manifest) -> Pictures:
        """Its pictures as the networks see them, before normalization."""
        return self.recognizers["after"].pictures_of(sample)

    @torch.inference_mode()
    def selected(self, sample: Manifest, pictures: Pictures, method: MethodConfig) -> dict[str, SelectedPatches]:
        """What a method selects with each network.

        Args:
            sample: the observations.
            pictures: theirs.
            method: of the run.

        Raises:
            RunError: the method says that it selects patches, and then has none or not those of the batch.
        """
        rows = np.arange(len(pictures))
        found: dict[str, SelectedPatches] = {}
        for moment, recognizer in self.recognizers.items():
            batches, done = [], 0
            cameras, annotations = recognizer.camera_codes(sample), recognizer.annotations(sample)
            for batch in evaluation_batches(
                pictures, rows, cameras, recognizer.preprocessing, recognizer.device, annotations
            ):
                with recognizer.precision():
                    selected = method.selected_patches(recognizer.network, batch)
                if selected is None or len(selected) != len(batch):
                    raise _unsound(method, selected, len(batch))
                batches.append(selected)
                done += len(batch)
                if self.progress is not None:
                    self.progress(done, len(pictures))
            found[moment] = joined(batches)
        return found


def explain(method: MethodConfig, looking: Looking) -> Explanation:
    """Let networks select patches, and measure these where the pictures say what they show.

    Args:
        method: that selects patches.
        looking: who looks at what.

    Raises:
        DataError: see :meth:`Looking.sample`, and :class:`~reknow.methods.selected.SelectedPatches`.
        RunError: see :meth:`Looking.selected`.
    """
    sample, network = looking.sample(), looking.recognizers["after"].network
    known = is_known(sample, network.spectra)
    sample = sample if known else looking.few(sample)
    pictures = looking.pictures(sample)
    selected = looking.selected(sample, pictures, method)
    after, nowhere = selected["after"], np.zeros(len(sample), dtype=bool)
    present: dict[Spectrum, np.ndarray] = {name: pictures.present.get(name, nowhere) for name in after.spectra}
    truth = truth_of(sample, after.spectra, after.grid) if known else None
    one = next(iter(pictures.images.values()))
    return Explanation(
        names=tuple(sample.column("observation")),
        pictures={name: np.asarray(pictures.images.get(name, np.zeros_like(one))) for name in after.spectra},
        present=present,
        selected=selected,
        object_share=None if truth is None else truth.object_share,
        shares=() if truth is None else measured(selected, truth.object_share, present, truth.groups()),
        notes=looking.notes,
    )


def _unsound(method: MethodConfig, selected: SelectedPatches | None, observations: int) -> RunError:
    return RunError(
        f"{type(method).__module__}.{type(method).__name__}.selected_patches",
        found="nothing" if selected is None else f"patches of {len(selected)} observations",
        expected=f"patches of the batch's {observations} observations, since selects_patches says that there are some",
        remedy="Correct the method, or report it to its authors.",
    )


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
