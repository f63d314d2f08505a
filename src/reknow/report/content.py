"""What a report shows, as plain values: no file is read here and nothing is computed.

Everything but the title is optional, because reports are made of whole runs, of an evaluation alone and of data
without labels. A part that has no data has no section on the page. ``build.py`` fills it, ``page.py`` lays it out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, UInt8

from reknow.evaluation.trust import Trust
from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.explanation import Explanation
from reknow.methods.diagnostic import Diagnostic
from reknow.training.records import Metrics

METRICS: dict[str, str] = {"mAP": "mAP", "rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "mINP": "mINP"}
"""The numbers of ``summary.json``, in the order of the page, with their usual names."""

Kind = Literal["best", "typical", "worst"]

KINDS: tuple[Kind, ...] = get_args(Kind)

RANKED_AT_MOST = 10
"""Gallery pictures that are shown beside a query."""


@dataclass(frozen=True)
class RankedPicture:
    """One gallery picture in a ranking list.

    Attributes:
        picture: (H, W, 3) RGB.
        match: whether it shows the query's identity.
        similarity: cosine with the query, in [-1, 1].
        camera: its camera's name; empty where unknown.
        name: its observation's id.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    match: bool
    similarity: float
    camera: str = ""
    name: str = ""

    def as_json(self) -> dict[str, Any]:
        """All but the picture."""
        return {"observation": self.name, "match": self.match, "similarity": self.similarity, "camera": self.camera}


@dataclass(frozen=True)
class RankRow:
    """A query and the gallery pictures nearest to it, best first.

    Attributes:
        kind: whether the query is one of the best, the typical or the worst.
        picture: (H, W, 3) RGB, the query.
        name: the query's observation id.
        average_precision: of this query, as a fraction; None where unknown.
        results: at most :data:`RANKED_AT_MOST` are drawn.
        camera: the query's camera; empty where unknown.
        spectra: that each of the pictures shows, in that order; empty where each shows one.
    """

    kind: Kind
    picture: UInt8[np.ndarray, "height width 3"]
    name: str
    average_precision: float | None
    results: Sequence[RankedPicture]
    camera: str = ""
    spectra: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """All but the pictures; the average precision in percent."""
        score = self.average_precision
        return {
            "kind": self.kind,
            "query": self.name,
            "camera": self.camera,
            "average_precision": None if score is None else 100 * score,
            "found": [result.as_json() for result in self.results],
        }


@dataclass(frozen=True)
class Group:
    """A group of images that clustering assigns to one identity.

    Attributes:
        label: the group's name or number; "-1" is the images that fell into no group.
        size: how many images it has.
        pictures: (H, W, 3) RGB each: a sample.
        purity: share of the group's labelled images that show its most frequent identity; None without labels.
        impostors: for each of `pictures`, whether it shows another identity than the group's; empty without labels.
    """

    label: str
    size: int
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    purity: float | None = None
    impostors: Sequence[bool] = ()


@dataclass(frozen=True)
class GroupCounts:
    """How the whole collection was grouped, of which :class:`Group` shows a sample.

    Attributes:
        images: how many there are.
        groups: how many groups.
        in_none: images that fell into no group.
    """

    images: int
    groups: int
    in_none: int


@dataclass(frozen=True)
class PairScores:
    """Similarities of query-gallery pairs, or a sample of them.

    Attributes:
        genuine: (n,) pairs that show one identity.
        impostor: (m,) pairs that show two.
    """

    genuine: Float[np.ndarray, "genuine"]
    impostor: Float[np.ndarray, "impostor"]


@dataclass(frozen=True)
class RunReport:
    """Everything that one page shows.

    Attributes:
        title: "cluster_contrast on world:target".
        summary: what ``summary.json`` holds: method, dataset, seed, protocol, the metrics in percent, ``start`` with
            the same metrics before training, ``reranked`` with those after re-ranking, seconds, images_per_second,
            peak_memory_gb, queries, queries_without_match, notes, images.
        intervals: 95 % intervals in percent, by metric; those of the start as "start.mAP", those of the paired change
            as "change.mAP", those after re-ranking as "reranked.mAP".
        metrics: what ``metrics.jsonl`` holds.
        cmc: "before" and "after": (max_rank,) fractions.
        average_precision: "before" and "after": (Q,) fractions in the same order of queries, NaN without a match.
        scores: similarities of matching and other pairs; None where identities are unknown.
        rank_sheets: rows of any kind; the page orders them.
        groups: None where nothing was grouped.
        group_counts: of all groups, as ``groups.csv`` has them; None where nothing was grouped.
        trust: how far the groups can be believed; None where nothing was grouped.
        patches: which patches the method selected before and after training; None where it selects none.
        attention: what the trained network attends to; None where it has no attention and no maps.
        diagnostics: pictures that the method made.
        recipe: the text of ``recipe.yaml``.
        machine: what the run was made with, in the order to print.
    """

    title: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    cmc: Mapping[str, Float[np.ndarray, "_"]] = field(default_factory=dict)
    average_precision: Mapping[str, Float[np.ndarray, "_"]] = field(default_factory=dict)
    scores: PairScores | None = None
    rank_sheets: Sequence[RankRow] = ()
    groups: Sequence[Group] | None = None
    group_counts: GroupCounts | None = None
    trust: Trust | None = None
    patches: Explanation | None = None
    attention: AttentionExplanation | None = None
    diagnostics: Sequence[Diagnostic] = ()
    recipe: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)
