"""Commands that look at what a run has learned to look at: ``reknow explain tokens``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from reknow.cli.options import Json, refuse_existing
from reknow.cli.printing import notes, print_facts, shares


def explain_tokens(
    run: Annotated[Positional[Path], arg(help="A finished run whose method chooses patches, such as tcmm or editor.")],
    data: Annotated[str | None, arg(help="Look at other data, as FORMAT:PATH; by default the run's own.")] = None,
    count: Annotated[int, arg(help="Observations on the sheet.")] = 6,
    out: Annotated[Path, arg(help="The PNG to write; must be new.")] = Path("tokens.png"),
    json: Json = False,
) -> int:
    """Show which patches a run's method takes for the object or keeps, before and after training, and for which reason.

    On the synthetic world, where each pixel is known, it also says how well they cover the object.
    """
    from reknow.explain.run import explain_run
    from reknow.explain.sheet import save_token_sheet
    from reknow.training.progress import Display
    from reknow.training.run import Run

    refuse_existing(out)
    with Display() as display:
        explanation = explain_run(Run.open(run), data, shown=count, progress=display.bar("choosing"))
    save_token_sheet(explanation, out, shown=count)
    facts = {**explanation.facts(), "file": str(out)}
    print_facts(facts, json, lines=[*notes(facts), *shares(explanation), f"sheet: {out}"])
    return 0
