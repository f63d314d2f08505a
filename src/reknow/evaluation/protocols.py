"""Evaluation protocols: which rows are queries and gallery, what is removed from a query's ranking, what is averaged.

A protocol is a value with a name, and results have that name. Most data sets share Market-1501's rule: a gallery
picture of the query's own identity *and* camera is removed from that query's ranking, because it may be the next frame
of the same video. MSVR310 uses the scene instead of the camera (Zheng et al. 2022). If the column that a rule needs is
empty, the rule is off; the protocol's name in the result and a note say so.

A picture that is a query and also in the gallery finds itself, which measures nothing, so it is not ranked for that
query. If cameras and scenes are known, the rule above removes it. If a row's group is not known, a picture on both
sides gets a group of its own, and the same rule removes it. Neither its rank nor its match counts; for all other
queries it stays in the gallery.

The protocols of visible-infrared data sets are values of the same kind. Queries and gallery are of different spectra
(:class:`Side`); trials draw galleries (:mod:`reknow.evaluation.draws`); a query may skip gallery pictures whatever
their identity (of SYSU-MM01's cameras 2 and 3, which watch one room); and the CMC may count individuals, not pictures:
a query's rank is then the number of different individuals down to its first match. Golden case: vi_evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Int64

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest, encode
from reknow.errors import EvaluationError, nearest
from reknow.evaluation.draws import GalleryDraw, camera_numbers
from reknow.evaluation.scores import AveragePrecision
from reknow.observation import SPECTRA, Spectrum


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
        query_view: (Q,) which rows of `visible` a query has; None where every query ranks the whole gallery.
        visible: (V, G) the gallery rows that queries of each view rank; the others are not there for them.
    """

    query_identity: Int[np.ndarray, "queries"]
    gallery_identity: Int[np.ndarray, "gallery"]
    query_group: Int[np.ndarray, "queries"]
    gallery_group: Int[np.ndarray, "gallery"]
    protocol: str = ""
    notes: tuple[str, ...] = ()
    query_view: Int[np.ndarray, "queries"] | None = None
    visible: Bool[np.ndarray, "views gallery"] | None = None

    def views(self) -> list[tuple[Int[np.ndarray, "some"], Bool[np.ndarray, "gallery"]]]:
        """The queries of each view, and the gallery rows that they rank."""
        if self.query_view is None or self.visible is None:
            return [(np.arange(len(self.query_identity)), np.ones(len(self.gallery_identity), dtype=bool))]
        return [(np.flatnonzero(self.query_view == view), visible) for view, visible in enumerate(self.visible)]

    def select(self, query: Int[np.ndarray, "some"], gallery: Int[np.ndarray, "others"]) -> EvaluationRows:
        """The codes of some queries and some gallery rows, in the given order."""
        return replace(
            self,
            query_identity=self.query_identity[query],
            gallery_identity=self.gallery_identity[gallery],
            query_group=self.query_group[query],
            gallery_group=self.gallery_group[gallery],
            query_view=None if self.query_view is None else self.query_view[query],
            visible=None if self.visible is None else self.visible[:, gallery],
        )

    def removed(self, query: Int[np.ndarray, "some"]) -> Bool[np.ndarray, "some gallery"]:
        """What the protocol removes from the rankings of some queries; large, for samples."""
        same = self.query_identity[query][:, None] == self.gallery_identity[None, :]
        group = self.query_group[query][:, None]
        removed = same & (group >= 0) & (group == self.gallery_group[None, :])
        if self.query_view is None or self.visible is None:
            return removed
        return removed | ~self.visible[self.query_view[query]]


@dataclass(frozen=True)
class Side:
    """Which rows a protocol has as queries, or in its gallery.

    Attributes:
        spectrum: the spectrum of their pictures; None for any.
        cameras: the numbers of their cameras; empty for any. Each must be there.
    """

    spectrum: Spectrum | None = None
    cameras: tuple[int, ...] = ()

    def rows(self, manifest: Manifest, where: str) -> Int[np.ndarray, "some"]:
        """Ascending row numbers.

        Args:
            manifest: N rows.
            where: names protocol and side in errors.

        Raises:
            EvaluationError: a row with pictures in several spectra, no row of the spectrum, or none of a camera.
        """
        allowed = np.ones(len(manifest), dtype=bool)
        if self.spectrum is not None:
            allowed = spectrum_codes(manifest, where) == SPECTRA.index(self.spectrum)
            if not allowed.any():
                raise EvaluationError(
                    f"{manifest.name}, {where}",
                    found=f"no picture of the spectrum {self.spectrum}; its rows have {', '.join(manifest.spectra)}",
                    expected=f"rows with a picture in the column '{self.spectrum}'",
                    remedy="Name the data of both spectra, or another protocol with --protocol.",
                )
        if self.cameras:
            numbers = camera_numbers(manifest)
            lacking = sorted(set(self.cameras) - set(numbers[allowed].tolist()))
            if lacking:
                there = sorted({name for name in manifest.column("camera") if name is not None}) or ["none"]
                raise EvaluationError(
                    f"{manifest.name}, {where}, column 'camera'",
                    found=f"no row of camera {lacking[0]}; cameras here: {', '.join(there[:10])}",
                    expected=f"rows of the cameras {', '.join(map(str, self.cameras))}",
                    remedy="Complete the data, or name another protocol with --protocol.",
                )
            allowed &= np.isin(numbers, self.cameras)
        return np.flatnonzero(allowed)


def spectrum_codes(manifest: Manifest, where: str) -> Int64[np.ndarray, "rows"]:
    """The place in :data:`~reknow.observation.SPECTRA` of each row's only picture.

    Raises:
        EvaluationError: a row with pictures in several spectra.
    """
    filled = np.array([[bool(cell) for cell in manifest.column(spectrum)] for spectrum in SPECTRA]).reshape(3, -1)
    several = np.flatnonzero(filled.sum(axis=0) > 1)
    if several.size:
        row = int(several[0])
        raise EvaluationError(
            f"{manifest.name}, {where}, row {row} ('{manifest.column('observation')[row]}')",
            found=f"pictures in {' and '.join(np.array(SPECTRA)[filled[:, row]])}",
            expected="one picture in each row, as the protocol compares spectra",
            remedy="Give each picture a row of its own: reknow.data.manifest.one_spectrum_a_row does.",
        )
    return filled.argmax(axis=0)


@dataclass(frozen=True)
class Protocol:
    """Rules of an evaluation.

    Attributes:
        name: the name that results have.
        description: one sentence for listings.
        group: the manifest column that, together with the identity, removes a gallery row; None removes nothing.
        average_precision: ``exact`` or ``trapezoid``.
        max_rank: length of the CMC.
        query: which rows are queries.
        gallery: which rows the gallery has.
        skips: pairs of camera numbers; queries of the first skip the gallery pictures of the second, whatever their
            identity.
        other_spectrum: whether queries skip the gallery pictures of their own spectrum.
        draw: how trials draw their galleries; None for one trial with the whole gallery.
        counts: what the CMC counts.
        exchanged: whether, after the draw, the drawn gallery pictures search among the queries.
    """

    name: str
    description: str
    group: Literal["camera", "scene"] | None = "camera"
    average_precision: AveragePrecision = "exact"
    max_rank: int = 50
    query: Side = Side()
    gallery: Side = Side()
    skips: tuple[tuple[int, int], ...] = ()
    other_spectrum: bool = False
    draw: GalleryDraw | None = None
    counts: Literal["pictures", "individuals"] = "pictures"
    exchanged: bool = False

    @property
    def compares_spectra(self) -> bool:
        """Whether the spectrum of a row decides what it is compared with."""
        return self.other_spectrum or self.query.spectrum is not None or self.gallery.spectrum is not None

    def without_group(self) -> Protocol | None:
        """The named protocol that differs from this one in that no group removes anything; None where there is none."""
        for protocol in PROTOCOLS:
            if replace(self, name=protocol.name, description=protocol.description, group=None) == protocol:
                return protocol
        return None

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
        views = self._views(query, gallery)
        return EvaluationRows(query_identity, gallery_identity, *groups, name, tuple(notes), *views)

    def _views(
        self, query: Manifest, gallery: Manifest
    ) -> tuple[Int[np.ndarray, "queries"] | None, Bool[np.ndarray, "views gallery"] | None]:
        """Each query's view and what each view ranks; None where all rank everything."""
        if not self.skips and not self.other_spectrum:
            return None, None
        keys = np.zeros((2, len(query)), dtype=np.int64)
        query_camera, gallery_camera = (camera_numbers(manifest) for manifest in (query, gallery))
        gallery_spectrum = np.zeros(len(gallery), dtype=np.int64)
        if self.skips:
            keys[0] = np.where(np.isin(query_camera, [first for first, _ in self.skips]), query_camera, -1)
        if self.other_spectrum:
            keys[1] = spectrum_codes(query, f"{self.name}, query")
            gallery_spectrum = spectrum_codes(gallery, f"{self.name}, gallery")
            if len({*keys[1].tolist(), *gallery_spectrum.tolist()}) < 2:
                raise EvaluationError(
                    f"{query.name}, {self.name}",
                    found=f"pictures of one spectrum alone, {SPECTRA[gallery_spectrum[0]]}",
                    expected="pictures of two spectra or more",
                    remedy="Add those of another spectrum, or name another protocol with --protocol.",
                )
        views, query_view = np.unique(keys, axis=1, return_inverse=True)
        visible = np.ones((views.shape[1], len(gallery)), dtype=bool)
        for view, (camera, spectrum) in enumerate(views.T):
            visible[view] &= ~np.isin(gallery_camera, [other for first, other in self.skips if first == camera])
            if self.other_spectrum:
                visible[view] &= gallery_spectrum != spectrum
        return query_view.reshape(-1).astype(np.int64), visible

    def _rule_on(self, manifest: Manifest) -> bool:
        return self.group is None or manifest.has(self.group)


market = Protocol(
    "market", "Gallery pictures of the query's identity and camera are removed (Market-1501 and most others)."
)
msvr310 = Protocol(
    "msvr310", "Gallery pictures of the query's identity and scene are removed (MSVR310).", group="scene"
)
no_camera = Protocol("no_camera", "Nothing is removed: for pictures of unknown cameras.", group=None)

cross_spectrum = Protocol(
    "cross_spectrum",
    "Each spectrum searches in the others; gallery pictures of the query's identity and camera are removed.",
    other_spectrum=True,
)
cross_spectrum_no_camera = replace(
    cross_spectrum,
    name="cross_spectrum_no_camera",
    description="Each spectrum searches in the others, and nothing is removed: for one camera that delivers both.",
    group=None,
)

sysu_all = Protocol(
    "sysu_all",
    "Infrared of cameras 3 and 6 in rgb of cameras 1, 2, 4 and 5, one picture of an individual and camera.",
    group=None,
    max_rank=20,
    query=Side("nir", (3, 6)),
    gallery=Side("rgb", (1, 2, 4, 5)),
    skips=((3, 2),),
    draw=GalleryDraw(),
    counts="individuals",
)
sysu_indoor = replace(
    sysu_all,
    name="sysu_indoor",
    description="Infrared of cameras 3 and 6 in rgb of cameras 1 and 2, one picture of an individual and camera.",
    gallery=Side("rgb", (1, 2)),
)
sysu_all_multi, sysu_indoor_multi = (
    replace(
        single,
        name=f"{single.name}_multi",
        description=single.description.replace("one picture", "ten pictures"),
        draw=GalleryDraw(shots=10),
    )
    for single in (sysu_all, sysu_indoor)
)

regdb_v2t = Protocol(
    "regdb_v2t",
    "Visible searches in thermal infrared, nothing is removed (RegDB).",
    group=None,
    max_rank=20,
    query=Side("rgb"),
    gallery=Side("tir"),
)
regdb_t2v = replace(
    regdb_v2t,
    name="regdb_t2v",
    description="Thermal infrared searches in visible, nothing is removed (RegDB).",
    query=Side("tir"),
    gallery=Side("rgb"),
)

llcm_v2n = Protocol(
    "llcm_v2n",
    "Visible searches in near infrared, one picture of an individual and camera; same identity and camera removed.",
    max_rank=20,
    query=Side("rgb"),
    gallery=Side("nir"),
    draw=GalleryDraw(),
    counts="individuals",
)
llcm_n2v = replace(
    llcm_v2n,
    name="llcm_n2v",
    description=llcm_v2n.description.replace("Visible searches in near infrared", "Near infrared searches in visible"),
    query=Side("nir"),
    gallery=Side("rgb"),
)
# What the published test script computes for "visible to infrared": the drawn infrared pictures search among all
# visible ones. For the other direction it computes what its paper describes.
llcm_v2n_as_coded = replace(
    llcm_v2n,
    name="llcm_v2n_as_coded",
    description="As the published script has it: one infrared picture of an individual and camera in all visible.",
    exchanged=True,
)
llcm_n2v_as_coded = replace(
    llcm_n2v, name="llcm_n2v_as_coded", description="As the published script has it, which is as in llcm_n2v."
)

PROTOCOLS = (
    market,
    msvr310,
    no_camera,
    cross_spectrum,
    cross_spectrum_no_camera,
    sysu_all,
    sysu_all_multi,
    sysu_indoor,
    sysu_indoor_multi,
    regdb_v2t,
    regdb_t2v,
    llcm_v2n,
    llcm_n2v,
    llcm_v2n_as_coded,
    llcm_n2v_as_coded,
)


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
    if _share_no_reference(query, gallery):
        return rows
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


def _share_no_reference(query: Embeddings, gallery: Embeddings) -> bool:
    """Whether pictures are told apart by their references, and no reference stands on both sides."""
    if query.pixels is not None and gallery.pixels is not None:
        return False
    sides = (query.manifest, gallery.manifest)
    references = [{name for spectrum in SPECTRA for name in side.column(spectrum)} - {None} for side in sides]
    return references[0].isdisjoint(references[1])


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
