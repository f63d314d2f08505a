"""Subsets of the spectra: what a recognizer of several spectra is worth with only some of them.

Every subset is scored twice: with query and gallery both reduced to it, as if the other cameras did not exist, and with
the query alone reduced, as if one camera had failed for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from reknow.data.cache import Pictures
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.data.manifest import Spectrum
from reknow.errors import EvaluationError
from reknow.evaluation.ranking import evaluate
from reknow.recognizer import Recognizer
from reknow.training.assessment import Examination, examination_of
from reknow.training.progress import Display


@dataclass(frozen=True)
class SubsetScore:
    """One subset's scores, in percent; NaN where no query has a match.

    Attributes:
        spectra: what was looked at.
        queries: that have any of it.
        both: mAP with query and gallery reduced to it.
        both_rank1: likewise.
        query: mAP with the query reduced and the gallery whole.
        query_rank1: likewise.
    """

    spectra: tuple[Spectrum, ...]
    queries: int
    both: float
    both_rank1: float
    query: float
    query_rank1: float

    @property
    def name(self) -> str:
        """Such as ``rgb+tir``."""
        return "+".join(self.spectra)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not known is null."""
        numbers = {name: getattr(self, name) for name in ("both", "both_rank1", "query", "query_rank1")}
        known = {name: None if np.isnan(value) else value for name, value in numbers.items()}
        return {"spectra": list(self.spectra), "queries": self.queries, **known}


def subsets(spectra: Sequence[Spectrum]) -> list[tuple[Spectrum, ...]]:
    """All that are not empty, smaller ones first.

    Example:
        >>> subsets(("rgb", "tir"))
        [('rgb',), ('tir',), ('rgb', 'tir')]
    """
    return [chosen for count in range(1, len(spectra) + 1) for chosen in combinations(spectra, count)]


def subset_scores(recognizer: Recognizer, data: str, *, display: Display) -> list[SubsetScore]:
    """Score a recognizer on a data set with every subset of the spectra that both know.

    Args:
        recognizer: of several spectra.
        data: ``FORMAT:PATH`` of a data set with identities.
        display: what the user sees.

    Raises:
        EvaluationError: no identity that a query could be matched by, or no two spectra in common.
    """
    examination = examination_of(open_dataset(data), data)
    manifest, preprocessing = examination.manifest, recognizer.preprocessing
    spectra: list[Spectrum] = [name for name in manifest.spectra if name in recognizer.network.spectra]
    if len(spectra) < 2:
        raise EvaluationError(
            data,
            found=f"{', '.join(manifest.spectra)}; the recognizer looks at {', '.join(recognizer.network.spectra)}",
            expected="two spectra or more that both have",
            remedy="Name a recognizer and data of several spectra, or leave subsets out.",
        )
    pictures = Pictures.open(
        manifest, preprocessing.size, interpolation=preprocessing.interpolation, progress=display.bar("reading")
    )
    whole = _embedded(recognizer, pictures, examination, tuple(spectra), display)
    return [_scored(recognizer, pictures, examination, chosen, whole, display) for chosen in subsets(spectra)]


def _scored(
    recognizer: Recognizer,
    pictures: Pictures,
    examination: Examination,
    chosen: tuple[Spectrum, ...],
    whole: tuple[Embeddings, Embeddings],
    display: Display,
) -> SubsetScore:
    query, gallery = _embedded(recognizer, pictures, examination, chosen, display)
    found = []
    for against in (gallery, whole[1]):
        there = len(query) and len(against)
        scores = evaluate(query, against, examination.protocol).as_percent() if there else {}
        found += [float(scores.get("mAP", np.nan)), float(scores.get("rank1", np.nan))]
    return SubsetScore(chosen, len(query), *found)


def _embedded(
    recognizer: Recognizer,
    pictures: Pictures,
    examination: Examination,
    chosen: tuple[Spectrum, ...],
    display: Display,
) -> tuple[Embeddings, Embeddings]:
    """Query and gallery by these spectra alone, without the rows that have none of them."""
    reduced = Pictures(
        {name: pictures.images[name] for name in chosen}, {name: pictures.present[name] for name in chosen}
    )
    there = np.logical_or.reduce(list(reduced.present.values()))
    rows = np.flatnonzero(there)
    vectors = np.zeros((len(pictures), recognizer.dim), np.float32)
    advance = display.bar(f"embedding by {'+'.join(chosen)}")
    cameras = recognizer.camera_codes(examination.manifest)
    vectors[rows] = recognizer.embed_pictures(reduced, cameras, rows=rows, progress=advance)
    embeddings = Embeddings(vectors, examination.manifest)
    query, gallery = (part[there[part]] for part in (examination.query, examination.gallery))
    return embeddings.select(query), embeddings.select(gallery)
