"""What commands print: one JSON object, or the same facts in words; on any terminal, pipe or disk."""

from __future__ import annotations

import io
import json as json_format
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from reknow.errors import RunError


def print_facts(facts: dict[str, Any], json: bool, lines: list[str]) -> None:
    """The facts as one JSON object, or else these lines."""
    say(json_format.dumps(facts, default=str) if json else "\n".join(lines))


def notes(facts: dict[str, Any]) -> list[str]:
    """Notes of data formats, recipes and methods."""
    return [f"note: {note}" for note in facts.get("notes", ())]


def own_columns(facts: dict[str, Any]) -> list[str]:
    """What the columns hold that a manifest keeps for the user, one line each.

    Example:
        >>> own_columns({"own_columns": {"breed": {"filled": 3, "distinct": 2, "examples": ["Saanen", "Boer"]}}})
        ["own column 'breed': 3 cells filled, 2 different: Saanen | Boer"]
    """
    lines = []
    for name, column in facts["own_columns"].items():
        line = f"own column '{name}': {column['filled']:,} cells filled"
        if column["filled"]:
            some = "" if column["distinct"] == len(column["examples"]) else ", such as"
            line += f", {column['distinct']:,} different{some}: {' | '.join(column['examples'])}"
        lines.append(line)
    return lines


def scores(numbers: dict[str, Any]) -> list[str]:
    """Numbers in words: with intervals, before and after where both exist, and what they were made with."""
    lines = [*notes(numbers), *_metrics(numbers, numbers.get("start") or {})]
    if numbers.get("reranked") and numbers["reranked"].get("mAP") is not None:
        lines += ["after k-reciprocal re-ranking:", *_metrics(numbers["reranked"], {})]
    lines += [
        f"{spectrum} queries: mAP {row['mAP']:.1f}, rank1 {row['rank1']:.1f}"
        for spectrum, row in numbers.get("by_query_spectrum", {}).items()
        if row["mAP"] is not None
    ]
    if numbers.get("protocol"):
        unmatched = numbers.get("queries_without_match", 0)
        lines.append(
            f"protocol {numbers['protocol']}: {numbers['queries']} queries, {unmatched} of them without a match"
        )
        if numbers.get("score_precision"):
            made_with = in_words(numbers["score_precision"], numbers["score_size"])
            lines.append(f"scores made {made_with}; in brackets 95 % intervals over queries")
    return lines


def in_words(precision: str, size: Sequence[int]) -> str:
    """What vectors were made with.

    Example:
        >>> in_words("32", (256, 128))
        'in 32 bit from pictures of 256 x 128'
    """
    return f"in {'32 bit' if precision == '32' else precision} from pictures of {size[0]} x {size[1]}"


def _metrics(numbers: dict[str, Any], start: dict[str, Any]) -> list[str]:
    lines = []
    for name in ("mAP", "rank1", "rank5", "rank10", "mINP"):
        value, earlier = numbers.get(name), start.get(name)
        if value is not None:
            low, high = numbers.get("intervals", {}).get(name) or (None, None)
            interval = "" if low is None else f" [{low:.1f}, {high:.1f}]"
            before = "" if earlier is None else f"  (before training {earlier:.1f})"
            lines.append(f"{name:>7} {value:5.1f}{interval}{before}")
    return lines


def by_subset(numbers: dict[str, Any]) -> list[str]:
    """A table of what each subset of the spectra scores, in query and gallery and in the query alone."""
    rows = numbers.get("subsets")
    if not rows:
        return []
    lines = [f"{'':<12} query and gallery reduced     query reduced, gallery whole"]
    for row in rows:
        values = [row[name] for name in ("both", "both_rank1", "query", "query_rank1")]
        both, both_rank1, query, query_rank1 = ("    -" if value is None else f"{value:5.1f}" for value in values)
        name = "+".join(row["spectra"])
        lines.append(f"{name:<12} mAP {both}  rank1 {both_rank1}       mAP {query}  rank1 {query_rank1}")
    return lines


def by_split(numbers: dict[str, Any]) -> list[str]:
    """A line for each split, before their means."""
    return [
        f"{row['dataset']}: "
        + ", ".join(f"{name} {row[name]:.1f}" for name in ("mAP", "rank1") if row[name] is not None)
        for row in numbers["splits"]
    ]


def by_occlusion(numbers: dict[str, Any]) -> list[str]:
    """A line for each share of the queries that was hidden."""
    return [
        f"{row['hidden']:4.0%} hidden  mAP {row['mAP']:5.1f}  rank1 {row['rank1']:5.1f}"
        for row in numbers.get("occlusion", ())
    ]


def shares(explanation: Any) -> list[str]:
    """How many patches were selected, how many of them correctly in percent with intervals, and by chance."""
    lines = [explanation.summary]
    if not explanation.shares:
        lines.append("no shares: which pixels show the object is known on the synthetic world alone")
    for share in explanation.leading:
        measured = [
            f"{moment} {100 * interval.mean:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
            for moment, interval in share.value.items()
        ]
        chances = dict.fromkeys(f"{100 * chance:.1f}" for chance in share.chance.values())
        lines.append(f"{share.title}, percent: {', '.join(measured)}; by chance {' and '.join(chances)}")
    return lines


def query_in_words(row: Any) -> str:
    """A query of a rank sheet: how well it does, and how many of the pictures beside it match."""
    matches = sum(result.match for result in row.results)
    return f"{row.kind}: {row.name}, AP {100 * row.average_precision:.1f} %, {matches} of {len(row.results)} match"


def first_of_each_kind(findings: Sequence[Any], shown: int = 10) -> list[str]:
    """At most ten findings of a kind in full: a wrong root would print one for every picture."""
    lines, count = [], Counter(finding.kind for finding in findings)
    printed: Counter[str] = Counter()
    for finding in findings:
        printed[finding.kind] += 1
        if printed[finding.kind] <= shown:
            lines.append(f"{finding.severity}: {finding.where}: {finding.message}. {finding.remedy}")
        elif printed[finding.kind] == count[finding.kind]:
            lines.append(f"{finding.severity}: {finding.kind}: {count[finding.kind] - shown:,} more (all with --json)")
    return lines


@contextmanager
def empty_defaults_named() -> Iterator[None]:
    """What the block prints, with empty defaults in words: tyro writes nothing for a list and '' for a text."""
    # tyro draws its lines by the encoding, and in colors for a terminal.
    printed = io.TextIOWrapper(io.BytesIO(), encoding=sys.stdout.encoding, errors="backslashreplace")
    printed.isatty = sys.stdout.isatty
    try:
        with redirect_stdout(printed):
            yield
    finally:
        printed.seek(0)
        if text := printed.read():
            # The words take the place of as many of the blanks that fill the line.
            text = re.sub(r"\(default:((?:\x1b\[[\d;]*m)*) \)(?: {4})?", r"(default:\1 none)", text)
            text = re.sub(r"\(default:((?:\x1b\[[\d;]*m)*) ''\)(?: {3})?", r"(default:\1 empty)", text)
            say(text.rstrip("\n"))


def open_closed_streams() -> None:
    """Let what is printed to a closed stream disappear; Python has none there, and other code expects one."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (for the rest of the process)


def show_any_letter() -> None:
    """Print as its code what the terminal's encoding lacks, instead of ending with an error; UTF-8 shows all as before.

    File names of the user's may have any letter, and even bytes that are none.
    """
    for stream in (sys.stdout, sys.stderr):
        # Under UTF-8 with surrogateescape, as in the locale C, even such bytes come out as they went in.
        if isinstance(stream, io.TextIOWrapper) and (stream.encoding, stream.errors) != ("utf-8", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print, at once.

    Raises:
        BrokenPipeError: the reader has gone.
        RunError: it goes to a file on a full disk, or to something that was closed.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        forget_output()
        raise RunError(
            "standard output",
            found=f"cannot be written ({error.strerror})",
            remedy="Free space where it goes; files that the command wrote are whole.",
        ) from error


def forget_output() -> None:
    """Drop what standard output still holds, or Python would complain of it once more at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
