"""Commands that show what a run has learned: ``reknow explain attention``, ``tokens`` and ``ranks``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from reknow.cli.options import Json, check_count, check_new_file
from reknow.cli.printing import notes, print_facts, query_in_words, scores, shares

OtherData = Annotated[str | None, arg(help="Other data, as FORMAT:PATH; by default the run's own.")]


def explain_tokens(
    run: Annotated[Positional[Path], arg(help="A finished run whose method selects patches, such as tcmm or editor.")],
    data: OtherData = None,
    count: Annotated[int, arg(help="Observations on the sheet.")] = 6,
    out: Annotated[Path, arg(help="The PNG to write; must be new.")] = Path("tokens.png"),
    json: Json = False,
) -> int:
    """Show which patches a run's method selects, before and after training.

    On the synthetic world, where the object's pixels are known, it also counts how many are selected correctly.
    """
    from reknow.explain.run import explain_run
    from reknow.explain.sheet import save_token_sheet
    from reknow.progress import Display
    from reknow.training.run import Run

    check_new_file(out)
    check_count(count)
    with Display() as display:
        explanation = explain_run(Run.open(run), data, shown=count, progress=display.bar("choosing"))
    save_token_sheet(explanation, out, shown=count)
    facts = {**explanation.facts(), "file": str(out)}
    print_facts(facts, json, lines=[*notes(facts), *shares(explanation), f"sheet: {out}"])
    return 0


def explain_attention(
    run: Annotated[Positional[Path], arg(help="A finished run.")],
    other: Annotated[Positional[Path | None], arg(metavar="[RUN]", help="Another, to compare it with.")] = None,
    data: Annotated[str | None, arg(help="Other data, as FORMAT:PATH; by default the runs' own.")] = None,
    count: Annotated[int, arg(help="Observations on the sheet.")] = 6,
    layer: Annotated[
        str | None, arg(help="Of a convolutional network, the stage whose map is shown; by default the last.")
    ] = None,
    occluded: Annotated[bool, arg(help="Only pictures with something before the object; on the world.")] = False,
    out: Annotated[Path, arg(help="The PNG to write; must be new.")] = Path("attention.png"),
    json: Json = False,
) -> int:
    """Show what a run's network attends to, or two runs' on the same pictures, side by side.

    On the synthetic world, where the object's pixels are known, it also measures how much of the attention lies on it.
    """
    from reknow.explain.attention import explain_attention as explain
    from reknow.explain.sheet import save_attention_sheet
    from reknow.progress import Display
    from reknow.training.run import Run

    check_new_file(out)
    check_count(count)
    runs = [Run.open(folder) for folder in (run, other) if folder is not None]
    with Display() as display:
        explanation = explain(
            runs, data, layer=layer, occluded=occluded, shown=count, progress=display.bar("attention")
        )
    save_attention_sheet(explanation, out, shown=count)
    facts = {**explanation.facts(), "file": str(out)}
    print_facts(facts, json, lines=[*notes(facts), *explanation.lines, f"sheet: {out}"])
    return 0


def explain_ranks(
    run: Annotated[Positional[Path], arg(help="A finished run.")],
    data: OtherData = None,
    count: Annotated[int, arg(help="Queries of each kind: best, typical, worst.")] = 2,
    out: Annotated[Path, arg(help="The PNG to write; must be new.")] = Path("ranks.png"),
    json: Json = False,
) -> int:
    """Show the ten nearest gallery pictures of a run's best, typical and worst queries, hits and misses.

    Queries are chosen by a rule; --json lists the gallery pictures that they retrieve.
    """
    from reknow.progress import Display
    from reknow.recognizer import load
    from reknow.recognizer.evaluation import evaluate_recognizer
    from reknow.report.examples import rankings
    from reknow.report.rank_sheet import save_rank_sheet
    from reknow.training.run import Run

    check_new_file(out)
    check_count(count)
    recognizer, data = load(run), data or Run.open(run).recipe().data
    with Display() as display:
        evaluation = evaluate_recognizer(recognizer, data, display=display)
    rows = rankings(evaluation.result, count=count)
    save_rank_sheet(rows, out)
    facts = {**evaluation.numbers, "queries_shown": [row.as_json() for row in rows], "file": str(out)}
    print_facts(facts, json, lines=[*scores(facts), *map(query_in_words, rows), f"sheet: {out}"])
    return 0
