"""Evaluation protocols: which gallery rows are removed from a query's ranking, and which average precision is used.

A protocol is a value with a name, and results have that name. Most data sets share Market-1501's rule: a gallery
picture of the query's own identity *and* camera is removed from that query's ranking, because it may be the next frame
of the same video. MSVR310 uses the scene instead of the camera (Zheng et al. 2022). If the column that a rule needs is
empty, the rule is off; the protocol's name in the result and a note say so.

A picture that is a query and also in the gallery finds itself, which measures nothing, so it is not ranked for that
query. If cameras and scenes are known, the rule above removes it. If a row's group is not known, a picture on both
sides gets a group of its own, and the same rule removes it. Neither its rank nor its match counts; for all other
queries it stays in the gallery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int, Int64

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest, encode
from reknow.errors import EvaluationError, nearest
from reknow.evaluation.scores import AveragePrecision
from reknow.observation import SPECTRA


@dataclass(frozen=True)
class EvaluationRows:
    """A protocol applied to the rows of one query set and one gallery.

    Attributes:
        query_identity: (Q,) codes, shared with the gallery; -1 if unknown.
        gallery_identity: (G,) codes; -1 if unknown, and then it matches nothing.
        query_group: (Q,) camera or scene codes; -1 if unknown, and then nothing is removed.
        gallery_group: (G,) the same for the gallery.
        protocol: the protocol's name, with a rule that is off in brackets.
        notes: sentences for the user.
    """

    query_identity: Int[np.ndarray, "queries"]
    gallery_identity: Int[np.ndarray, "gallery"]
    query_group: Int[np.ndarray, "queries"]
    gallery_group: Int[np.ndarray, "gallery"]
    protocol: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """Rules of an evaluation.

    Attributes:
        name: the name that results have.
        description: one sentence for listings.
        group: the manifest column that, together with the identity, removes a gallery row; None removes nothing.
        average_precision: ``exact`` or ``trapezoid``.
        max_rank: length of the CMC.
    """

    name: str
    description: str
    group: Literal["camera", "scene"] | None = "camera"
    average_precision: AveragePrecision = "exact"
    max_rank: int = 50

    def for_rows(self, query: Manifest, gallery: Manifest) -> EvaluationRows:
        """Codes for these rows, and notes on missing values.

        Args:
            query: Q rows.
            gallery: G rows.

        Raises:
            EvaluationError: no rows, or no identities, on either side.
        """
        for side, manifest in (("query", query), ("gallery", gallery)):
            if not len(manifest):
                raise EvaluationError(
                    f"{manifest.name}, {side}",
                    found="no rows",
                    remedy="Give it rows, or let split_queries draw queries.",
                )
            if not manifest.has("identity"):
                notes = f" ({' '.join(manifest.notes)})" if manifest.notes else ""
                raise EvaluationError(
                    f"{manifest.name}, {side}, column 'identity'",
                    found=f"no row has an identity{notes}",
                    expected="names of identities",
                    remedy="Evaluation needs labels: fill the column, or group the pictures with: reknow cluster",
                )
        query_identity, gallery_identity = _joint_codes(query, gallery, "identity")
        notes = [
            f"{int((codes < 0).sum())} of {len(codes)} {side} rows have no identity: {consequence}."
            for side, codes, consequence in (
                ("query", query_identity, "they count as queries without a match"),
                ("gallery", gallery_identity, "they match no query"),
            )
            if (codes < 0).any()
        ]
        off = next(
            (side for side, manifest in (("query", query), ("gallery", gallery)) if not self._rule_on(manifest)), ""
        )
        name = self.name
        if self.group is None or off:
            groups = np.full(len(query), -1), np.full(len(gallery), -1)
        else:
            groups = _joint_codes(query, gallery, self.group)
            notes += [
                f"{int((codes < 0).sum())} of {len(codes)} {side} rows have no {self.group}: "
                f"the same-{self.group} rule does not reach them."
                for side, codes in zip(("query", "gallery"), groups, strict=True)
                if (codes < 0).any()
            ]
        if off:
            name = f"{self.name} (same-{self.group} rule off)"
            notes.append(
                f"The {off} rows name no {self.group}, so the same-{self.group} rule of '{self.name}' is off: "
                "near-duplicates of a query may count as matches."
            )
        return EvaluationRows(query_identity, gallery_identity, *groups, protocol=name, notes=tuple(notes))

    def _rule_on(self, manifest: Manifest) -> bool:
        return self.group is None or manifest.has(self.group)


market = Protocol(
    "market", "Gallery pictures of the query's identity and camera are removed (Market-1501 and most others)."
)
msvr310 = Protocol(
    "msvr310", "Gallery pictures of the query's identity and scene are removed (MSVR310).", group="scene"
)
no_camera = Protocol("no_camera", "Nothing is removed: for pictures of unknown cameras.", group=None)

PROTOCOLS = (market, msvr310, no_camera)


def protocol_named(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        EvaluationError: there is none; the message names the nearest.

    Example:
        >>> protocol_named("msvr310").group
        'scene'
    """
    by_name = {protocol.name: protocol for protocol in PROTOCOLS}
    if name not in by_name:
        raise EvaluationError(f"protocol '{name}'", found="no protocol of this name", remedy=nearest(name, by_name))
    return by_name[name]


def without_themselves(rows: EvaluationRows, query: Embeddings, gallery: Embeddings) -> EvaluationRows:
    """The rows of a protocol, changed so that no query finds its own picture.

    Args:
        rows: codes of these queries and this gallery.
        query, gallery: pictures are compared by their pixels if these are known on both sides, else by their
            references.
    """
    query_pictures, gallery_pictures = _pictures(query, gallery)
    both = np.intersect1d(query_pictures, gallery_pictures)
    if not len(both):
        return rows
    in_query, in_gallery = np.isin(query_pictures, both), np.isin(gallery_pictures, both)
    # Larger than every existing group, so that no group of the data changes.
    beyond = 1 + max(rows.query_group.max(), rows.gallery_group.max())
    alone_in_query, alone_in_gallery = in_query & (rows.query_group < 0), in_gallery & (rows.gallery_group < 0)
    query_group, gallery_group = rows.query_group.copy(), rows.gallery_group.copy()
    query_group[alone_in_query] = beyond + np.searchsorted(both, query_pictures[alone_in_query])
    gallery_group[alone_in_gallery] = beyond + np.searchsorted(both, gallery_pictures[alone_in_gallery])
    row = int(in_query.argmax())
    note = (
        f"{int(in_query.sum())} of {len(query_pictures)} queries stand in the gallery as well, as the same picture "
        f"(for example {query.manifest.column('observation')[row]}); no query is matched with itself."
    )
    return replace(rows, query_group=query_group, gallery_group=gallery_group, notes=(*rows.notes, note))


def split_queries(
    manifest: Manifest, *, seed: int = 0
) -> tuple[Int[np.ndarray, "queries"], Int[np.ndarray, "gallery"]]:
    """Draw queries from rows that have identities but no query and gallery of their own.

    The rule: every identity with at least two pictures gives one query per camera with at least two pictures of it, so
    that this camera stays in the gallery. If no camera has two (or no cameras are known) the identity gives one query.
    All other rows of known identity are the gallery. Rows without identity are left out: they may show any individual.

    Args:
        manifest: N rows; their splits are not used.
        seed: of the draw; the same rows and seed give the same queries.

    Returns:
        Query rows and gallery rows, ascending; no query where no identity has two pictures.
    """
    generator = np.random.default_rng(seed)
    identity, camera = manifest.codes("identity"), manifest.codes("camera")
    order = np.lexsort((camera, identity))
    order = order[identity[order] >= 0]
    queries: list[int] = []
    for rows in _runs(order, identity):
        if len(rows) < 2:
            continue
        repeated = [shots for shots in _runs(rows, camera) if len(shots) >= 2]
        queries.extend(int(generator.choice(shots)) for shots in repeated or [rows])
    query = np.array(sorted(queries), dtype=np.int64)
    return query, np.setdiff1d(order, query)


def _runs(rows: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    """Consecutive `rows` of equal code, as one array each."""
    return np.split(rows, np.flatnonzero(np.diff(codes[rows])) + 1) if len(rows) else []


def _joint_codes(query: Manifest, gallery: Manifest, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes of one column with one vocabulary: equal names have equal codes on both sides."""
    names = [*query.column(column), *gallery.column(column)]
    codes, _ = encode(names)
    return codes[: len(query)], codes[len(query) :]


def _pictures(query: Embeddings, gallery: Embeddings) -> tuple[Int64[np.ndarray, "queries"], Int64[np.ndarray, "rows"]]:
    """Codes of pictures, equal for equal pictures."""
    if query.pixels is not None and gallery.pixels is not None:
        return query.pixels, gallery.pixels
    names = []
    for manifest in (query.manifest, gallery.manifest):
        columns = [manifest.column(column) for column in (*SPECTRA, "crop")]
        names += [repr((str(manifest.root), *cells)) for cells in zip(*columns, strict=True)]
    codes, _ = encode(names)
    return codes[: len(query)], codes[len(query) :]
