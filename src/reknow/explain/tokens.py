"""Tokens: what a method's networks choose in the pictures of a data set, and how often they choose well.

One network or two, before and after training, look at the same pictures in eval mode, as in evaluation: no
augmentation, camera unknown. The pictures are a random sample of the rows that nobody trained on, the same for
everybody who asks; nothing is picked by its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest, Spectrum
from reknow.errors import DataError
from reknow.evaluation.intervals import Interval
from reknow.explain.choice import PatchChoice, PatchChooser, joined
from reknow.explain.patches import covered
from reknow.explain.shares import Share, person_mask, shares
from reknow.recognizer import EMBEDDED_AT_ONCE, Recognizer, evaluation_batches

Progress = Callable[[int, int], None]

MEASURED_AT_MOST = 512
"""Pictures behind the shares: enough that their intervals are some points wide, and seconds on two cores."""


@dataclass(frozen=True)
class Explanation:
    """Pictures with the patches that were chosen in them.

    Attributes:
        names: observation ids of P pictures.
        pictures: (P, H, W, 3) as the network sees them, before normalization.
        person: (P, N) of every patch, the share of its pixels that show the person; None where nobody knows.
        choices: "before" and "after" training, or "after" alone.
        shares: empty where nobody knows what the pixels show.
        notes: sentences for the user.
    """

    names: tuple[str, ...]
    pictures: UInt8[np.ndarray, "pictures height width 3"]
    person: Float[np.ndarray, "pictures patches"] | None
    choices: Mapping[str, PatchChoice]
    shares: tuple[Share, ...] = ()
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Numbers for JSON; shares in percent with their 95 % intervals."""
        choice = self.choices["after"]
        return {
            "pictures": len(self.names),
            "grid": list(choice.grid),
            "patches": choice.similarity.shape[1],
            "positives": int(choice.positive[0].sum()),
            "negatives": int(choice.negative[0].sum()),
            "shares": {share.name: _percent(share) for share in self.shares},
            "notes": list(self.notes),
        }


def explain_tokens(
    recognizers: Mapping[str, Recognizer],
    chooser: PatchChooser,
    manifest: Manifest,
    *,
    shown: int,
    notes: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Explanation:
    """Let networks choose, and measure the choice where the pictures say what they show.

    Args:
        recognizers: "before" and "after" training, of one preprocessing; "after" must be there.
        chooser: how the method chooses.
        manifest: any data set; its test rows are looked at, without these its training rows.
        shown: pictures that will be looked at one by one; at least so many are in the result, if there are.
        notes: what is known already.
        progress: called with (pictures done, pictures in all), once for each network.

    Raises:
        DataError: `shown` below 1, or no picture of the spectrum that the network looks at.
    """
    if shown < 1:
        raise DataError("count of pictures", found=str(shown), expected="1 or more", remedy="Correct the value.")
    spectrum, preprocessing = recognizers["after"].network.spectra[0], recognizers["after"].preprocessing
    sample = manifest.select(_sample(manifest, spectrum, max(shown, MEASURED_AT_MOST)))
    masks = [mask for mask in map(person_mask, sample.column(spectrum)) if mask is not None]
    known = len(masks) == len(sample) and not sample.has("crop")
    if not known:
        # Nothing to measure, so one batch is enough; not less, since TCMM as released normalizes over a batch.
        sample = sample.select(np.arange(min(max(shown, EMBEDDED_AT_ONCE), len(sample))))
    pictures = Pictures.open(sample, preprocessing.size, interpolation=preprocessing.interpolation)
    choices = {moment: _choose(recognizer, chooser, pictures, progress) for moment, recognizer in recognizers.items()}
    person = np.stack([covered(mask, choices["after"].grid) for mask in masks]) if known else None
    return Explanation(
        tuple(sample.column("observation")),
        np.asarray(pictures.images[spectrum]),
        person,
        choices,
        () if person is None else shares(choices, person),
        notes,
    )


def _sample(manifest: Manifest, spectrum: Spectrum, count: int) -> Int[np.ndarray, "sampled"]:
    """At most so many of the test rows, or else of the training rows, in random order."""
    test = np.concatenate([manifest.rows_of("query"), manifest.rows_of("gallery")])
    rows = test if len(test) else manifest.rows_of("train") if manifest.has("split") else np.arange(len(manifest))
    there = np.array([reference is not None for reference in manifest.column(spectrum)], dtype=bool)
    rows = rows[there[rows]]
    if not len(rows):
        raise DataError(
            manifest.name,
            found=f"no picture in the column '{spectrum}', which the network looks at",
            remedy="Name other data with --data.",
        )
    return np.random.default_rng(0).permutation(rows)[:count]


@torch.inference_mode()
def _choose(
    recognizer: Recognizer, chooser: PatchChooser, pictures: Pictures, progress: Progress | None
) -> PatchChoice:
    rows = np.arange(len(pictures))
    unknown = np.full(len(pictures), -1)
    made: list[PatchChoice] = []
    for batch in evaluation_batches(pictures, rows, unknown, recognizer.preprocessing, recognizer.device):
        with recognizer.precision():
            made.append(chooser(recognizer.network, batch))
        if progress is not None:
            progress(sum(len(choice.similarity) for choice in made), len(pictures))
    return joined(made)


def _percent(share: Share) -> dict[str, Any]:
    def pair(interval: Interval) -> dict[str, float]:
        return {name: 100 * getattr(interval, name) for name in ("mean", "low", "high")}

    return {
        "chance": 100 * share.chance,
        **{moment: pair(found) for moment, found in share.found.items()},
        "over_chance": {moment: pair(found) for moment, found in share.over_chance.items()},
        "change": None if share.change is None else pair(share.change),
    }
