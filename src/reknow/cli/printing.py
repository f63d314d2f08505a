"""What commands print: one JSON object, or the same facts in words."""

from __future__ import annotations

import json as json_format
from collections import Counter
from collections.abc import Sequence
from typing import Any

from reknow.cli.terminal import say


def print_facts(facts: dict[str, Any], json: bool, lines: list[str]) -> None:
    """The facts as one JSON object if that was asked for, else these lines."""
    say(json_format.dumps(facts, default=str) if json else "\n".join(lines))


def notes(facts: dict[str, Any]) -> list[str]:
    """What readers and methods want the user to know."""
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


def shares(explanation: Any) -> list[str]:
    """How many patches were chosen, and how often well: in percent with intervals, and what chance would reach."""
    lines = [explanation.summary]
    if not explanation.shares:
        lines.append("no shares: of these pictures nobody knows which pixels show the object")
    for share in explanation.leading:
        found = [
            f"{moment} {100 * one.mean:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"
            for moment, one in share.value.items()
        ]
        chances = dict.fromkeys(f"{100 * chance:.1f}" for chance in share.chance.values())
        lines.append(f"{share.title}, percent: {', '.join(found)}; by chance {' and '.join(chances)}")
    return lines


def found(row: Any) -> str:
    """A query of a rank sheet: how well it does, and how many of the pictures beside it match."""
    matches = sum(result.match for result in row.results)
    return f"{row.kind}: {row.name}, AP {100 * row.average_precision:.1f} %, {matches} of {len(row.results)} match"


def first_of_each_kind(findings: Sequence[Any], shown: int = 10) -> list[str]:
    """At most ten findings of a kind in full: a wrong root would print one for every picture."""
    lines, count = [], Counter(finding.kind for finding in findings)
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= shown:
            lines.append(f"{finding.severity}: {finding.where}: {finding.message}. {finding.remedy}")
        elif seen[finding.kind] == count[finding.kind]:
            lines.append(f"{finding.severity}: {finding.kind}: {count[finding.kind] - shown:,} more (all with --json)")
    return lines
