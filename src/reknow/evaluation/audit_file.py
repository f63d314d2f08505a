"""The CSV of an audit: one line for each pair of pictures, with an empty column ``same`` for the answers.

The file is read back after a person has filled it, in a spreadsheet or with the sheet's buttons, so it may come with
semicolons, a byte-order mark, other line ends and its lines in another order. Every line names the number of pairs and
the fingerprint of the groups: a line that is lost or stands twice is noticed, and so are other groups. How many pairs a
stratum has is computed from the groups again and not read.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from pathlib import Path

from reknow.data.formats.table_cells import named_cells
from reknow.data.groups import Groups
from reknow.errors import DataError
from reknow.evaluation.audit import Answer, Audit, AuditPair, Stratum, audit_strata

COLUMNS = ("pair", "group", "stratum", "image_a", "image_b", "same", "audit")
"""The columns: the pair's number from 1, its group and stratum, both pictures, the answer, and which audit it is."""

WORDS: dict[str, Answer] = {"yes": "yes", "y": "yes", "no": "no", "n": "no", "unsure": "unsure", "u": "unsure", "": ""}
"""What may stand in the column ``same``, in capitals too."""

_AGAIN = "Take the CSV as it was written, fill the column 'same' alone, and keep every line."


def audit_name(audit: Audit, groups: Groups) -> str:
    """The name of an audit in the column ``audit``: how many pairs, of which groups; for a spreadsheet it is text.

    Example:
        >>> import numpy as np
        >>> from reknow.evaluation.audit import audit_pairs
        >>> groups = Groups(("a.jpg", "b.jpg"), np.array([0, 0]))
        >>> audit_name(audit_pairs(groups.labels, 50), groups)
        '1-pairs-of-groups-...'
    """
    return f"{len(audit.pairs)}-pairs-of-groups-{groups.fingerprint()}"


def audit_lines(audit: Audit, groups: Groups) -> list[str]:
    """The lines of the CSV without line ends, the header first.

    Args:
        audit: pairs of the groups' rows, and the answers so far.
        groups: their names.
    """
    name = audit_name(audit, groups)
    rows: list[tuple[object, ...]] = [COLUMNS]
    for number, (pair, answer) in enumerate(zip(audit.pairs, audit.answers, strict=True), start=1):
        images = groups.images[pair.first], groups.images[pair.second]
        rows.append((number, pair.group, audit.strata[pair.stratum].name, *images, answer, name))
    return [_line(row) for row in rows]


def _line(cells: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def read_audit(path: Path, groups: Groups, groups_path: Path) -> Audit:
    """Read an audit's CSV after it was filled, whole or in part.

    Args:
        path: the CSV.
        groups: the groups of which it is an audit.
        groups_path: their file, for messages.

    Raises:
        DataError: no such file, a missing column, an audit of other groups, a line that is lost or stands twice, a
            picture that is not in its group, another word than yes, no and unsure, or no answer at all.
    """
    cells = named_cells(Path(path), COLUMNS, _AGAIN)
    count = _count(path, cells["audit"], groups, groups_path)
    rows = _rows_of_pairs(path, cells["pair"], count)
    named: dict[str, list[int]] = defaultdict(list)
    for row, (image, label) in enumerate(zip(groups.images, groups.labels.tolist(), strict=True)):
        if label >= 0:
            named[f"{label} {image.strip()}"].append(row)
    halved = any(name.endswith((": near", ": far")) for name in cells["stratum"])
    strata = audit_strata(groups.labels, count, halved=halved)
    sizes = Counter(groups.labels.tolist())
    pairs, answers = [], []
    for number, row in enumerate(rows, start=1):
        line = {name: column[row] for name, column in cells.items()}
        where = f"{path}, pair {number}"
        first, second = _pictures(where, line, named, groups_path)
        place = _stratum(where, line["stratum"], strata, sizes[int(line["group"])])
        pairs.append(AuditPair(int(line["group"]), place, first, second))
        answers.append(_answer(where, line["same"]))
    if not any(answers):
        raise DataError(
            path,
            found=f"no answer: the column 'same' is empty in all {count} lines",
            expected="yes, no or unsure",
            remedy="Answer some pairs, or save what the sheet's button gives in place of this file.",
        )
    return Audit(strata, tuple(pairs), tuple(answers))


def _count(path: Path, names: list[str], groups: Groups, groups_path: Path) -> int:
    """How many pairs the audit has; that every line is of it, and it is of these groups."""
    if not names:
        raise DataError(path, found="no line below the header", remedy=_AGAIN)
    for row, name in enumerate(names, start=1):
        if name != names[0] or not re.fullmatch(r"[1-9][0-9]{0,8}-pairs-of-groups-[0-9a-f]{16}", name):
            raise DataError(
                f"{path}, row {row} below the header, column 'audit'",
                found=f"'{name}'",
                expected="one name such as 50-pairs-of-groups-0123456789abcdef in all lines",
                remedy=_AGAIN,
            )
    count, _, fingerprint = names[0].partition("-pairs-of-groups-")
    if fingerprint != groups.fingerprint():
        raise DataError(
            path,
            found=f"an audit of the groups {fingerprint}, and {groups_path} holds the groups {groups.fingerprint()}",
            expected="the groups from which its pairs were drawn, unchanged",
            remedy="Name their file with --groups, or make a new audit: reknow cluster EMBEDDINGS --audit 50",
        )
    return int(count)


def _rows_of_pairs(path: Path, numbers: list[str], count: int) -> list[int]:
    """The row of each pair, from pair 1 on."""
    rows: dict[str, int] = {}
    for row, number in enumerate(numbers):
        if not re.fullmatch(r"[1-9][0-9]{0,8}", number) or int(number) > count:
            raise DataError(
                f"{path}, row {row + 1} below the header, column 'pair'",
                found=f"'{number}'",
                expected=f"a number from 1 to {count}",
                remedy=_AGAIN,
            )
        if number in rows:
            raise DataError(
                f"{path}, row {row + 1} below the header, column 'pair'",
                found=f"pair {number} a second time, after row {rows[number] + 1}",
                expected="each pair once",
                remedy="Remove the line that is wrong.",
            )
        rows[number] = row
    lost = [number for number in map(str, range(1, count + 1)) if number not in rows]
    if lost:
        raise DataError(
            path,
            found=f"no line for pair {', '.join(lost[:10])}{' and others' if len(lost) > 10 else ''}",
            expected=f"{count} lines, one for each pair",
            remedy="Put it back; a pair that cannot be answered keeps an empty cell or says unsure.",
        )
    return [rows[str(number)] for number in range(1, count + 1)]


def _pictures(where: str, line: dict[str, str], named: dict[str, list[int]], groups_path: Path) -> tuple[int, int]:
    """The two rows of the groups that a line names."""
    first, second = (named.get(f"{line['group']} {line[column]}", []) for column in ("image_a", "image_b"))
    for column, rows in (("image_a", first), ("image_b", second)):
        if not rows:
            raise DataError(
                f"{where}, column '{column}'",
                found=f"'{line[column]}', which is not in group {line['group']} of {groups_path}",
                expected="the picture's name as it was written",
                remedy=_AGAIN,
            )
    if first[0] != second[-1]:  # rows that are copies have one name
        return first[0], second[-1]
    raise DataError(where, found=f"the picture '{line['image_a']}' twice", expected="two pictures", remedy=_AGAIN)


def _stratum(where: str, name: str, strata: tuple[Stratum, ...], size: int) -> int:
    """The position of the stratum that a line names, in which its group must be."""
    for place, stratum in enumerate(strata):
        if stratum.name == name and stratum.sizes[0] <= size <= stratum.sizes[1]:
            return place
    raise DataError(
        f"{where}, column 'stratum'",
        found=f"'{name}'",
        expected=" or ".join(part.name for part in strata if part.sizes[0] <= size <= part.sizes[1]),
        remedy=_AGAIN,
    )


def _answer(where: str, word: str) -> Answer:
    answer = WORDS.get(word.lower())
    if answer is None:
        raise DataError(
            f"{where}, column 'same'",
            found=f"'{word}'",
            expected="yes, no, unsure or an empty cell",
            remedy="Write yes if both pictures show one individual; other remarks belong in a column of their own.",
        )
    return answer
