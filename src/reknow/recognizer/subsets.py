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
from reknow.errors import EvaluationError
from reknow.evaluation.protocols import Protocol
from reknow.evaluation.ranking import evaluate
from reknow.observation import Spectrum
from reknow.progress import Display
from reknow.recognizer.evaluation import evaluation_split
from reknow.recognizer.recognizer import Recognizer


@dataclass(frozen=True)
class SubsetScore:
    """One subset's scores, in percent; NaN where no query has a match.

    Attributes:
        spectra: which were used.
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


def subset_scores(
    recognizer: Recognizer, data: str, *, protocol: str | None = None, display: Display
) -> list[SubsetScore]:
    """Score a recognizer on a data set with every subset of the spectra that both know.

    Args:
        recognizer: of several spectra.
        data: ``FORMAT:PATH`` of a data set with identities.
        protocol: another one than the data set's own.
        display: what the user sees.

    Raises:
        EvaluationError: no identity that a query could be matched by, or no two spectra in common.
    """
    split = evaluation_split(open_dataset(data), data, protocol)
    manifest, recognizer = split.manifest, recognizer.for_scores()
    spectra: list[Spectrum] = [name for name in manifest.spectra if name in recognizer.network.spectra]
    if len(spectra) < 2:
        raise EvaluationError(
            data,
            found=f"{', '.join(manifest.spectra)}; the recognizer uses {', '.join(recognizer.network.spectra)}",
            expected="two spectra or more that both have",
            remedy="Name a recognizer and data of several spectra, or leave subsets out.",
        )
    pictures, cameras = recognizer.pictures_of(manifest, display.bar("reading")), recognizer.camera_codes(manifest)

    annotations, pixels = recognizer.annotations(manifest), pictures.hashes()

    def embedded(chosen: tuple[Spectrum, ...]) -> tuple[Embeddings, Embeddings]:
        """Query and gallery by these spectra alone, without the rows that have none of them."""
        reduced = Pictures(
            {name: pictures.images[name] for name in chosen}, {name: pictures.present[name] for name in chosen}
        )
        present = np.logical_or.reduce(list(reduced.present.values()))
        rows = np.flatnonzero(present)
        vectors = np.zeros((len(pictures), recognizer.dim), np.float32)
        advance = display.bar(f"embedding by {'+'.join(chosen)}")
        vectors[rows] = recognizer.embed_pictures(
            reduced, cameras, annotations=annotations, rows=rows, progress=advance
        )
        embeddings = Embeddings(vectors, manifest, pixels=pixels)
        query, gallery = (part[present[part]] for part in (split.query, split.gallery))
        return embeddings.select(query), embeddings.select(gallery)

    *smaller, everything = subsets(spectra)
    query, gallery = embedded(everything)
    scored = [_scored(chosen, *embedded(chosen), gallery, split.protocol) for chosen in smaller]
    return [*scored, _scored(everything, query, gallery, gallery, split.protocol)]


def _scored(
    spectra: tuple[Spectrum, ...], query: Embeddings, gallery: Embeddings, whole: Embeddings, protocol: Protocol
) -> SubsetScore:
    """Of a reduced query, against the gallery that is reduced like it and against the whole one."""
    numbers = []
    for against in (gallery, whole):
        scores = evaluate(query, against, protocol).as_percent() if len(query) and len(against) else {}
        numbers += [float(scores.get("mAP", np.nan)), float(scores.get("rank1", np.nan))]
    return SubsetScore(spectra, len(query), *numbers)
