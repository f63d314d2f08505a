"""Conflicts: groups that contradict what cameras, times, tracklets and boxes tell, without labels.

Two of them:

**One moment.** One camera cannot have an individual twice in one moment, so a group that holds two such pictures holds
two individuals. Pictures are of one moment and of two individuals

- if they are two boxes of one picture file. Boxes of which the smaller lies in the other by more than half are not
  counted: detectors draw two boxes of one individual, and a part inside the whole;
- if they are two files of one camera with equal times, neither with a box, and the clock is finer than the pictures
  follow each other. That is not so for files that carry whole seconds, since a camera takes several pictures a second;
  then equal times say nothing. Tracklets tell which it is: if one of them has two pictures of equal time, the clock is
  coarse, otherwise it is fine. Without tracklets it is fine if any time has a fraction of a second;
- if their tracklets are two of one camera that overlap in time, by more than their ends.

**One tracklet.** A tracklet shows one individual, so its pictures should be in one group. It may be split between
groups, or lie partly in none. A tracklet is known by camera and name, as trackers count anew at each camera.

Each is counted among those that could have been in conflict, so that a share of 0 means something: groups with a
picture that another individual accompanies, and tracklets with two pictures that count.

O(N log N): every check sorts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from reknow.data.manifest import Manifest, encode
from reknow.data.pictures import Box, parse_boxes
from reknow.errors import EvaluationError
from reknow.observation import SPECTRA, Spectrum

EXAMPLES = 5


@dataclass(frozen=True)
class Conflict:
    """One kind of conflict.

    Attributes:
        count: groups or tracklets in conflict.
        among: how many could be in conflict by the columns that there are; at least 1.
        examples: up to :data:`EXAMPLES` pairs of observation names, of different groups or tracklets in conflict.
    """

    count: int
    among: int
    examples: tuple[tuple[str, str], ...]

    @property
    def share(self) -> float:
        """``count / among``, in [0, 1]."""
        return self.count / self.among


@dataclass(frozen=True)
class Conflicts:
    """What contradicts a grouping; None where the columns do not allow to say.

    Attributes:
        same_moment: groups that hold two pictures of one camera at one moment; an example is two such pictures.
        split_tracklets: tracklets whose pictures are in several groups; an example is two pictures of one tracklet.
        partly_grouped: tracklets whose pictures are partly in a group and partly in none; an example is one of each.
    """

    same_moment: Conflict | None
    split_tracklets: Conflict | None
    partly_grouped: Conflict | None


def conflicts_of(labels: Int[np.ndarray, "rows"], manifest: Manifest) -> Conflicts:
    """What contradicts groups in a manifest's cameras, times, tracklets and boxes.

    Args:
        labels: (N,) group of each row, -1 for none.
        manifest: N rows; any column may be empty.

    Raises:
        EvaluationError: another number of labels than of rows.
        DataError: a cell of the column ``crop`` that holds no boxes.
    """
    if len(labels) != len(manifest):
        raise EvaluationError(
            "conflicts",
            found=f"{len(labels)} labels for {len(manifest)} rows",
            expected="one label a row",
            remedy="Give the rows that were grouped.",
        )
    rows = _Rows(manifest)
    groups = np.where(labels >= 0, labels, -1).astype(np.int64)
    return Conflicts(_same_moment(groups, rows), _split(groups, rows), _partly_grouped(groups, rows))


class _Rows:
    """The columns that tell of moments, as arrays.

    Attributes:
        observations: (N,) names.
        pictures: (N,) codes of the first spectrum's picture file.
        boxes: (N, 4) its box; zeros where it has none.
        boxed: (N,) whether it has one.
        cameras: (N,) codes, -1 where unknown.
        times: (N,) seconds, NaN where unknown.
        tracklets: (N,) codes of camera and name, -1 where unknown.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.observations: list[str] = manifest.column("observation")
        references, boxes = _first_pictures(manifest)
        self.pictures = encode(references)[0]
        self.boxed = np.array([box is not None for box in boxes], dtype=bool)
        self.boxes = np.array([box or (0, 0, 0, 0) for box in boxes], dtype=np.int64).reshape(-1, 4)
        self.cameras = manifest.codes("camera")
        times = np.array(manifest.column("time"), dtype=np.float64)
        self.times = np.where(np.isfinite(times), times, np.nan)
        names = manifest.codes("tracklet")
        self.tracklets = np.where(names >= 0, _codes(self.cameras, names), -1)


def _first_pictures(manifest: Manifest) -> tuple[list[str], list[Box | None]]:
    """Per row, the reference of its first spectrum's picture, and its box."""
    columns: dict[Spectrum, list[str | None]] = {spectrum: manifest.column(spectrum) for spectrum in SPECTRA}
    references: list[str] = []
    boxes: list[Box | None] = []
    for row, crop in enumerate(manifest.column("crop")):
        present: list[Spectrum] = [spectrum for spectrum, column in columns.items() if column[row]]
        references.append(str(columns[present[0]][row]))
        boxes.append(parse_boxes(crop, present, f"{manifest.name}, row {row}")[present[0]])
    return references, boxes


def _codes(*columns: np.ndarray) -> Int64[np.ndarray, "rows"]:
    """One code for each combination of values that stand in one row."""
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


# --- One moment


def _same_moment(groups: Int64[np.ndarray, "rows"], rows: _Rows) -> Conflict | None:
    everywhere = _partners(np.zeros_like(groups), rows)
    inside = np.where(groups >= 0, _partners(groups, rows), -1)
    possible = np.unique(groups[(groups >= 0) & ((everywhere >= 0) | (inside >= 0))])
    if not len(possible):
        return None
    return _counted(inside, groups, len(possible), rows)


def _partners(groups: Int64[np.ndarray, "rows"], rows: _Rows) -> Int64[np.ndarray, "rows"]:
    """(N,) a row of the same group that shows another individual in the same moment; -1 where there is none."""
    partners = np.full(len(groups), -1)
    stamped = np.flatnonzero((rows.cameras >= 0) & ~np.isnan(rows.times) & ~rows.boxed)
    if not _is_clock_fine(rows):
        stamped = stamped[:0]
    tracked = np.flatnonzero((rows.cameras >= 0) & ~np.isnan(rows.times) & (rows.tracklets >= 0))
    boxed = np.flatnonzero(rows.boxed)
    for where, of_these in (
        (boxed, _other_boxes(_codes(groups[boxed], rows.pictures[boxed]), rows.boxes[boxed])),
        (stamped, _other_pictures(_moments(groups, rows, stamped), rows.pictures[stamped])),
        (tracked, _other_tracklets(groups[tracked], rows, tracked)),
    ):
        told = of_these >= 0
        partners[where[told]] = where[of_these[told]]
    return partners


def _is_clock_fine(rows: _Rows) -> bool:
    """Whether files of one camera with equal times are of one moment; see the module."""
    known = ~np.isnan(rows.times)
    tracked = known & (rows.tracklets >= 0)
    if tracked.any():
        moments = np.stack([rows.tracklets[tracked], rows.times[tracked], rows.pictures[tracked]], axis=1)
        frames = np.unique(moments, axis=0)  # a picture that is listed twice is one
        if len(np.unique(frames[:, 0])) < len(frames):
            return len(np.unique(frames[:, :2], axis=0)) == len(frames)
    return bool((rows.times[known] % 1 != 0).any())


def _moments(groups: Int64[np.ndarray, "rows"], rows: _Rows, where: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """A code for each group, camera and time."""
    return _codes(groups[where], rows.cameras[where], np.unique(rows.times[where], return_inverse=True)[1])


def _other_pictures(moments: Int64[np.ndarray, "n"], pictures: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """(n,) a position of the same moment with another picture; -1 where there is none."""
    order = np.lexsort((pictures, moments))
    first, last = _ends(moments[order])
    # The lowest and the highest picture of a moment differ, or all are one.
    partner = np.where(pictures[order] == pictures[order[first]], order[last], order[first])
    return _unsorted(np.where(pictures[order] == pictures[partner], -1, partner), order)


def _other_boxes(frames: Int64[np.ndarray, "n"], boxes: Int[np.ndarray, "n 4"]) -> Int64[np.ndarray, "n"]:
    """(n,) a position of the same frame whose box is of another individual; -1 where there is none.

    All boxes of a frame are compared with its first in order of their edges, and with the first that lies apart from
    that: a frame with k boxes takes k comparisons and not k^2.
    """
    order = np.lexsort((*boxes.T[::-1], frames))
    first, _ = _ends(frames[order])
    apart = _lie_apart(boxes[order], boxes[order[first]])
    partner = np.where(apart, order[first], -1)
    # Those that lie with the first get the frame's first that does not, if there is one.
    positions = np.where(apart, np.arange(len(order)), len(order))
    nearest = np.minimum.reduceat(positions, np.unique(first)) if len(order) else positions
    of_frame = nearest[np.unique(first, return_inverse=True)[1]]
    with_first = ~apart & (of_frame < len(order))
    partner[with_first] = order[of_frame[with_first]]
    return _unsorted(partner, order)


def _lie_apart(boxes: Int[np.ndarray, "n 4"], others: Int[np.ndarray, "n 4"]) -> Bool[np.ndarray, "n"]:
    """Whether at most half of the smaller of two boxes lies in the other one."""
    corner, end = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    shared = np.maximum(end - corner, 0).prod(axis=1)
    smaller = np.minimum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), (others[:, 2:] - others[:, :2]).prod(axis=1))
    return 2 * shared <= smaller


def _other_tracklets(
    groups: Int64[np.ndarray, "n"], rows: _Rows, where: Int64[np.ndarray, "n"]
) -> Int64[np.ndarray, "n"]:
    """(n,) a position of the same group and camera whose tracklet overlaps in time; -1 where there is none."""
    times, tracklets = rows.times[where], rows.tracklets[where]
    starts, ends = _spans(tracklets, times)
    # One entry for each tracklet in each group; its time is that of the whole tracklet.
    members = np.unique(np.stack([groups, tracklets], axis=1), axis=0, return_index=True, return_inverse=True)
    entries, of_row = members[1], members[2].reshape(-1)
    start, end, tracklet = starts[entries], ends[entries], tracklets[entries]
    places = _codes(groups[entries], rows.cameras[where][entries])
    order = np.lexsort((tracklet, end, start, places))
    start, end, place = start[order], end[order], places[order]
    latest = _latest_before(place, end)
    partner = np.full(len(order), -1)
    before = np.flatnonzero(latest >= 0)
    before = before[start[before] < end[latest[before]]]
    partner[before] = latest[before]
    # The next one begins first of all that follow: if it begins too late, none overlaps.
    after = np.arange(len(order) - 1) if len(order) else np.arange(0)
    after = after[(place[after] == place[after + 1]) & (start[after + 1] < end[after]) & (partner[after] < 0)]
    partner[after] = after + 1
    of_entry = _unsorted(np.where(partner >= 0, order[partner], -1), order)
    return np.where(of_entry[of_row] >= 0, entries[of_entry[of_row]], -1)


def _spans(
    tracklets: Int64[np.ndarray, "n"], times: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """The first and the last time of each row's tracklet."""
    order = np.lexsort((times, tracklets))
    first, last = _ends(tracklets[order])
    return _unsorted(times[order][first], order), _unsorted(times[order][last], order)


def _latest_before(places: Int64[np.ndarray, "n"], end: Float[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """(n,) of sorted places, the position before in the same place whose end is the last; -1 for the first of each."""
    if not len(end):
        return np.zeros(0, np.int64)
    # Ends as ranks above those of all places before, so that one running maximum serves all places.
    ranks = places * len(end) + np.unique(end, return_inverse=True)[1]
    running = np.maximum.accumulate(ranks)
    fresh = np.concatenate([[True], running[1:] > running[:-1]])
    holder = np.maximum.accumulate(np.where(fresh, np.arange(len(end)), 0))
    before = np.concatenate([[-1], holder[:-1]])
    return np.where((before >= 0) & (places[before] == places), before, -1)


# --- One tracklet


def _split(groups: Int64[np.ndarray, "rows"], rows: _Rows) -> Conflict | None:
    where = np.flatnonzero((rows.tracklets >= 0) & (groups >= 0))
    return _tracklets_with_two(where, groups, rows)


def _partly_grouped(groups: Int64[np.ndarray, "rows"], rows: _Rows) -> Conflict | None:
    some = np.isin(rows.tracklets, np.unique(rows.tracklets[groups >= 0]))
    where = np.flatnonzero((rows.tracklets >= 0) & some)
    return _tracklets_with_two(where, np.minimum(groups, 0), rows)


def _tracklets_with_two(
    where: Int64[np.ndarray, "n"], values: Int64[np.ndarray, "rows"], rows: _Rows
) -> Conflict | None:
    """Tracklets, of the rows `where`, whose pictures have two values; among those of two pictures."""
    tracklets = rows.tracklets[where]
    possible = int((np.unique(tracklets, return_counts=True)[1] > 1).sum())
    if not possible:
        return None
    partners = np.full(len(values), -1)
    other = _other_pictures(tracklets, values[where])
    partners[where[other >= 0]] = where[other[other >= 0]]
    return _counted(partners, rows.tracklets, possible, rows)


# --- Shared by both


def _counted(
    partners: Int64[np.ndarray, "rows"], units: Int64[np.ndarray, "rows"], among: int, rows: _Rows
) -> Conflict:
    """Count the groups or tracklets with a row that has a partner; examples in order of rows."""
    conflicting = np.flatnonzero(partners >= 0)
    named, first = np.unique(units[conflicting], return_index=True)
    shown = conflicting[np.sort(first)[:EXAMPLES]]
    names = rows.observations
    return Conflict(len(named), among, tuple((names[row], names[partners[row]]) for row in shown.tolist()))


def _ends(ordered: Int64[np.ndarray, "n"]) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
    """(n,) positions of the first and the last of each run of equal codes."""
    return np.searchsorted(ordered, ordered, "left"), np.searchsorted(ordered, ordered, "right") - 1


def _unsorted(values: np.ndarray, order: Int64[np.ndarray, "n"]) -> np.ndarray:
    """Values in sorted order, put back to where they came from."""
    result = np.empty_like(values)
    result[order] = values
    return result
