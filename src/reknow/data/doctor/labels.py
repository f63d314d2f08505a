"""Faults of splits, identities and cameras, which the columns alone show.

What concerns hundreds of rows alike (identities with a single camera) is one finding that counts them and names the
first row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from reknow.data.columns import SPLITS, is_unknown
from reknow.data.doctor.findings import TEST, Finding, Rows, Severity
from reknow.errors import nearest


def label_findings(rows: Rows) -> Iterator[Finding]:
    """Every finding about splits, identities, cameras and queries without a match."""
    yield from _splits(rows)
    yield from _identities(rows)
    yield from _cameras(rows)
    yield from _queries(rows)


def _splits(rows: Rows) -> Iterator[Finding]:
    known = [split for split in rows.split if split is not None]
    if not known:
        return  # no splits at all is a legal manifest: every row trains
    for row, split in enumerate(rows.split):
        if split is not None and split not in SPLITS:
            yield rows.finding("split", "error", row, f"unknown split '{split}'", nearest(split, SPLITS))
    nowhere = [row for row, split in enumerate(rows.split) if split is None]
    if nowhere:
        message = f"{len(nowhere):,} rows have no split and are used by nothing"
        yield rows.finding("split", "warning", nowhere[0], message, "Write train, query or gallery, or remove them.")
    for split, other in (("query", "gallery"), ("gallery", "query")):
        if split in known and other not in known and not rows.closed:
            message = f"there are rows of the split {split} but none of the split {other}"
            remedy = f"Evaluation needs both: give some rows the split {other}."
            yield rows.finding("split", "error", rows.split.index(split), message, remedy)
    if "train" not in known:
        remedy = "That is right for evaluation only; to train, give rows the split train."
        yield rows.finding("no_training_rows", "warning", -1, "no row has the split train", remedy)


def _identities(rows: Rows) -> Iterator[Finding]:
    by_identity = rows.by_identity()
    unknown = [row for row, identity in enumerate(rows.identity) if identity is None]
    if not by_identity:
        message = "no row has an identity"
        remedy = "Nothing to do for training without labels; to measure a recognizer, fill the column."
        yield rows.finding("identity", "warning", -1, message, remedy)
        return
    if unknown:
        message = f"{len(unknown):,} of {len(rows.identity):,} rows have no identity"
        remedy = "Give them one, or leave them out of the split train for supervised training, which refuses them."
        yield rows.finding("identity", "warning", unknown[0], message, remedy)
    for identity, members in by_identity.items():
        train = [row for row in members if rows.split[row] == "train"]
        test = [row for row in members if rows.split[row] in TEST]
        if train and test and not rows.closed:
            message = (
                f"identity '{identity}' is in train ({len(train)} rows, the first is row {train[0]}) "
                f"and in {rows.split[test[0]]}"
            )
            remedy = (
                "If they are two individuals, give them two names; otherwise move all their rows to one side, or, "
                "where the individuals to know again are those of training, declare it: gallery=train."
            )
            yield rows.finding("identity_in_train_and_test", "error", test[0], message, remedy)
    unknown_words = {identity: members for identity, members in by_identity.items() if is_unknown(identity)}
    for identity, members in unknown_words.items():
        message = f"{len(members):,} rows have the identity '{identity}', and count as one individual of that name"
        remedy = "If it means an unknown identity, empty these cells; folder: and table: do so without unknown=keep."
        yield rows.finding("identity", "warning", members[0], message, remedy)
    single = {identity: members for identity, members in by_identity.items() if len(members) == 1}
    if single:
        message = f"{_count(single, len(by_identity))} have a single picture, which cannot be matched"
        remedy = "Add pictures of them, or leave them as distractors."
        yield rows.finding("single_picture", "warning", _first(single), message, remedy)


def _cameras(rows: Rows) -> Iterator[Finding]:
    unknown = [row for row, camera in enumerate(rows.camera) if camera is None]
    if len(unknown) == len(rows.camera):
        message = "no row says which camera took it (no camera is known)"
        remedy = (
            "Evaluation then also counts matches from the same camera, which are easier; "
            "if file names tell the camera, read the folder with ?camera=REGEX."
        )
        yield rows.finding("camera", "warning", -1, message, remedy)
        return
    if unknown:
        message = f"{len(unknown):,} of {len(rows.camera):,} rows do not say which camera took them"
        remedy = "Fill the column camera; the same-camera rule does not hold for these rows."
        yield rows.finding("camera", "warning", unknown[0], message, remedy)
    single: dict[str, list[int]] = {}
    by_identity = rows.by_identity()
    for identity, members in by_identity.items():
        if len(members) > 1 and len({rows.camera[row] for row in members}) == 1:
            single[identity] = members
    if single:
        message = f"{_count(single, len(by_identity))} with several pictures are recorded by one camera only"
        remedy = "Nothing can be learned from them about other cameras; add such pictures where you can."
        yield rows.finding("single_camera", "warning", _first(single), message, remedy)


def _queries(rows: Rows) -> Iterator[Finding]:
    """Queries that the protocol leaves without a match: same identity, and not the same known camera (or scene)."""
    queries = [row for row, split in enumerate(rows.split) if split == "query"]
    gallery: dict[str, list[int]] = defaultdict(list)
    for row, identity in enumerate(rows.identity):
        if identity is not None and rows.split[row] in (("gallery", "train") if rows.closed else ("gallery",)):
            gallery[identity].append(row)
    if not queries or not gallery:
        return  # reported by the checks of splits and identities
    lost: list[tuple[int, str]] = []
    for row in queries:
        identity, group = rows.identity[row], rows.group[row]
        matches = gallery.get(identity, []) if identity is not None else []
        if identity is None:
            lost.append((row, "the query does not say whom it shows"))
        elif not matches:
            lost.append((row, f"no gallery row shows identity '{identity}'"))
        elif group is not None and all(rows.group[match] == group for match in matches):
            where = f"the query's {rows.group_name} '{group}'"
            lost.append((row, f"all gallery rows of identity '{identity}' are from {where}"))
    severity: Severity = "error" if len(lost) == len(queries) else "warning"
    for row, reason in lost:
        remedy = f"Add a gallery row from another {rows.group_name}; evaluation counts this query but cannot score it."
        yield rows.finding("query_without_match", severity, row, f"query without a match: {reason}", remedy)


def _count(some: dict[str, list[int]], total: int) -> str:
    """ "3 of 751 identities (0007, 0012, 0040)"."""
    listing = ", ".join(list(some)[:5]) + (", ..." if len(some) > 5 else "")
    return f"{len(some):,} of {total:,} identities ({listing})"


def _first(some: dict[str, list[int]]) -> int:
    return min(members[0] for members in some.values())
