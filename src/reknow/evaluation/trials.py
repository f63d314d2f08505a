"""Trials: a protocol applied to rows, as what searches in what.

A protocol first says which of the rows are queries and which are gallery. Then each trial has a gallery of its own,
which the protocol draws or the caller hands in. Last, where the protocol exchanges the sides, the drawn pictures search
among all of the queries. A protocol without these rules is one trial of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from reknow.data.embeddings import Embeddings
from reknow.errors import EvaluationError
from reknow.evaluation.draws import checked_draws, has_published_draws
from reknow.evaluation.protocols import Protocol, Side


@dataclass(frozen=True)
class Trials:
    """What searches in what.

    Attributes:
        query: what searches, in all trials together.
        gallery: what is searched, in all trials together.
        draws: for each trial the rows of the drawn side, which is the gallery, or the query where sides are
            exchanged; None for one trial of all rows.
        protocol: the rules that remain: those of :class:`~reknow.evaluation.protocols.Protocol` that are not applied
            yet.
        name: the protocol's name, with the kind of draw in brackets where it is not the seeded one.
        notes: sentences for the user.
        exchanged: whether the drawn rows are those that search.
    """

    query: Embeddings
    gallery: Embeddings
    draws: tuple[Int[np.ndarray, "_"], ...] | None
    protocol: Protocol
    name: str
    notes: tuple[str, ...] = ()
    exchanged: bool = False

    def first(self) -> tuple[Embeddings, Embeddings]:
        """Query and gallery of the first trial, for what shows single rankings."""
        if self.draws is None:
            return self.query, self.gallery
        if self.exchanged:
            return self.query.select(self.draws[0]), self.gallery
        return self.query, self.gallery.select(self.draws[0])


def trials_of(
    query: Embeddings,
    gallery: Embeddings,
    protocol: Protocol,
    draws: Sequence[Int[np.ndarray, "_"]] | None = None,
) -> Trials:
    """Apply a protocol's choice of rows, and its draws.

    Args:
        query, gallery: candidates for both sides, with their manifest rows.
        protocol: which of them it has, and how it draws.
        draws: for each trial, rows of `gallery`, in place of the protocol's own draws.

    Raises:
        EvaluationError: a spectrum, a camera or a trial that the data lack, or draws that name rows that are not there.
    """
    notes: list[str] = []
    sides = []
    for side, rule, embeddings in (("query", protocol.query, query), ("gallery", protocol.gallery, gallery)):
        rows = np.arange(len(embeddings))
        if rule != Side() and len(embeddings):
            rows = rule.rows(embeddings.manifest, f"{protocol.name}, {side}")
        if len(rows) < len(embeddings):
            notes.append(f"{len(rows):,} of {len(embeddings):,} {side} rows are those that '{protocol.name}' has.")
        sides.append((rows, embeddings if len(rows) == len(embeddings) else embeddings.select(rows)))
    (_, query_side), (allowed, gallery_side) = sides
    drawn, name = None, protocol.name
    if draws is not None:
        drawn, name = checked_draws(draws, allowed, gallery.manifest, protocol.name), f"{protocol.name} (given draws)"
    elif protocol.draw is not None and len(gallery_side):
        drawn = protocol.draw.rows(gallery_side.manifest)
        if has_published_draws(gallery_side.manifest):
            name = f"{protocol.name} (published draws)"
    if protocol.exchanged:
        _check_equal_lengths(drawn, protocol.name)
        query_side, gallery_side = gallery_side, query_side
    rules = replace(protocol, query=Side(), gallery=Side(), draw=None, exchanged=False)
    draws_or_none = None if drawn is None else tuple(drawn)
    return Trials(query_side, gallery_side, draws_or_none, rules, name, tuple(notes), protocol.exchanged)


def _check_equal_lengths(draws: Sequence[np.ndarray] | None, protocol: str) -> None:
    lengths = [len(rows) for rows in draws or ()]
    if len(set(lengths)) > 1:
        raise EvaluationError(
            f"{protocol}, draws",
            found=f"trials of {min(lengths)} to {max(lengths)} rows",
            expected="equally many in each, since the drawn pictures are the queries here",
            remedy="Draw one picture of each individual and camera in every trial.",
        )
