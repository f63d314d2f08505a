"""The audit of a grouping: `reknow cluster --audit` writes the pairs to compare, `reknow audit` reads the answers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from reknow.cli.options import Json, check_new_file
from reknow.cli.printing import notes, print_facts
from reknow.errors import ReknowError, RunError

if TYPE_CHECKING:
    import numpy as np

    from reknow.data.embeddings import Embeddings
    from reknow.data.manifest import Manifest
    from reknow.evaluation.audit import AuditResult

PAIRS_AT_MOST = 1_000
"""All pictures of a sheet are in memory at once: up to 0.8 MB each."""

AuditPairs = Annotated[
    int | None,
    arg(help="Also write so many pairs to compare by eye beside the CSV, for `reknow audit`; 50 are usual."),
]


def audit_files(groups_file: Path) -> tuple[Path, Path]:
    """The sheet and the CSV of an audit, beside the groups."""
    beside = groups_file.with_name(f"{groups_file.stem}-audit")
    return beside.with_name(f"{beside.name}.html"), beside.with_name(f"{beside.name}.csv")


def check_audit(count: int | None, groups_file: Path, manifest: Manifest) -> None:
    """Before any work is done: so many pairs can be shown, both files are new, and pictures are where they were.

    Raises:
        RunError: a count out of range, or a file that exists or cannot be written.
        DataError: the first picture cannot be read.
    """
    from reknow.report.images import observation_image

    if count is None:
        return
    if not 1 <= count <= PAIRS_AT_MOST:
        raise RunError(
            "--audit",
            found=f"{count} pairs",
            expected=f"1 to {PAIRS_AT_MOST:,}",
            remedy="With 50 the interval of a good grouping is about 0.15 wide.",
        )
    for file in audit_files(groups_file):
        check_new_file(file)
    if len(manifest):
        observation_image(manifest, 0)


def write_audit(count: int | None, embeddings: Embeddings, labels: np.ndarray, groups_file: Path) -> dict[str, Any]:
    """Draw pairs of these groups, and write the sheet and the CSV to fill; returns the facts to print, under "audit".

    Raises:
        RunError: no pair to compare, a picture that cannot be read, or a full disk. The groups are written by then,
            and the message says so.
    """
    from reknow.data.groups import Groups
    from reknow.evaluation.audit import audit_pairs
    from reknow.evaluation.audit_file import audit_lines
    from reknow.report.audit_sheet import audit_sheet
    from reknow.writing import write_file

    if count is None:
        return {}
    sheet, table = audit_files(groups_file)
    groups = Groups.of(embeddings.manifest, labels)
    try:
        audit = audit_pairs(labels, count, vectors=embeddings.vectors)
        page = audit_sheet(audit, groups, embeddings.manifest, groups_file, table)
        write_file(table, "\r\n".join([*audit_lines(audit, groups), ""]))
        write_file(sheet, page)
    except ReknowError as error:
        raise RunError(
            error.where,
            found=f"{error.found}. {groups_file} is written, the audit is not",
            expected=error.expected,
            remedy=f"{error.remedy} Then run the command again with another --out.",
        ) from error
    return {"audit": {"pairs": len(audit.pairs), "sheet": str(sheet), "file": str(table)}}


def audit_in_words(facts: dict[str, Any]) -> list[str]:
    """What to do with the files of an audit; nothing where none was asked for."""
    if "audit" not in facts:
        return []
    drawn = facts["audit"]
    read_back = shlex.join(["reknow", "audit", drawn["file"], "--groups", facts["file"]])
    return [
        f"{drawn['pairs']} pairs to compare: open {drawn['sheet']}, or fill {drawn['file']}",
        f"then: {read_back}",
    ]


def audit(
    answers: Annotated[Positional[Path], arg(help="The CSV with the answers: GROUPS-audit.csv, filled.")],
    groups: Annotated[
        Path | None, arg(help="The CSV of the groups; by default GROUPS.csv beside a file GROUPS-audit.csv.")
    ] = None,
    json: Json = False,
) -> int:
    """Say how good groups are, from the answers to `reknow cluster --audit`: precision of pairs, with its interval."""
    from reknow.data.groups import read_groups
    from reknow.evaluation.audit import audit_result
    from reknow.evaluation.audit_file import read_audit

    if not answers.is_file():
        raise RunError(
            answers, found="no such file", remedy="Name the CSV with the answers, which reknow cluster --audit wrote."
        )
    groups_file = answers.with_name(f"{answers.stem.removesuffix('-audit')}.csv") if groups is None else groups
    if groups_file.resolve() == answers.resolve():
        raise RunError(
            answers,
            found="one file both as the answers and as the groups"
            if groups is not None
            else "a name that does not end with -audit.csv, so that the groups are not known",
            expected="the answers in GROUPS-audit.csv, the groups in GROUPS.csv",
            remedy="Name first the CSV with the answers, and the CSV of the groups with --groups.",
        )
    known = read_groups(groups_file, "Name the CSV of the groups with --groups.")
    result = audit_result(read_audit(answers, known, groups_file))
    facts = {
        "file": str(answers),
        "groups": str(groups_file),
        "precision": result.precision,
        "interval": list(result.interval),
        "unsure_as_no": result.unsure_as_no,
        "unsure_as_yes": result.unsure_as_yes,
        "answered": result.answered,
        **{answer: getattr(result, answer) for answer in ("yes", "no", "unsure", "empty")},
        "strata": [
            {
                "name": part.stratum.name,
                "pairs": part.stratum.pairs,
                "sampled": part.sampled,
                "answered": part.answered,
                "yes": part.yes,
            }
            for part in result.strata
        ],
        "notes": list(result.notes),
    }
    print_facts(facts, json, lines=[*notes(facts), *_in_words(result)])
    return 0


def _in_words(result: AuditResult) -> list[str]:
    """The precision, what unsure pairs could change, and the answers by stratum."""
    (low, high), rest = result.interval, f"{result.unsure} unsure, {result.empty} empty"
    lines = [
        f"precision of pairs {result.precision:.2f}, 95 % interval {low:.2f} to {high:.2f} "
        f"({result.answered} answered; {rest})"
    ]
    if result.unsure:
        lines.append(f"if all unsure were no {result.unsure_as_no:.2f}, if all were yes {result.unsure_as_yes:.2f}")
    widest = max(len(part.stratum.name) for part in result.strata)
    for part in result.strata:
        share = 100 * part.stratum.pairs / sum(other.stratum.pairs for other in result.strata)
        answers = f"{part.yes:>3} of {part.answered:>3} one individual"
        lines.append(f"{part.stratum.name:<{widest}}  {answers}, {share:3.0f} % of all pairs")
    return lines
