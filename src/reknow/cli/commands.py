"""All commands by name, and how one of them is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import tyro
from tyro.conf import FlagCreatePairsOff

from reknow.cli.auditing import audit
from reknow.cli.captioning import caption
from reknow.cli.data import check, import_as_table, show
from reknow.cli.explaining import explain_attention, explain_ranks, explain_tokens
from reknow.cli.printing import forget_output, open_closed_streams, show_any_letter
from reknow.cli.training import demo, list_recipes, study, train_by
from reknow.cli.using import cluster, embed, evaluate, export
from reknow.errors import ReknowError
from reknow.machine import refuse_windows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    open_closed_streams()
    show_any_letter()
    try:
        refuse_windows()
        return _run(given)
    except ReknowError as error:
        print(f"reknow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reknow: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        forget_output()  # the reader of a pipe has gone
        return 0


def _run(given: list[str]) -> int:
    if given and given[0] in _GROUPS:
        return _GROUPS[given[0]](given[1:])
    return _choose(
        COMMANDS, given, "reknow", "Know the same individual again: re-identification, mostly without labels."
    )


def _choose(commands: dict[str, Callable[..., int]], arguments: list[str], prog: str, description: str) -> int:
    return tyro.extras.subcommand_cli_from_dict(
        commands, args=arguments, prog=prog, description=description, config=(FlagCreatePairsOff,)
    )


def _explain(arguments: list[str]) -> int:
    return _choose(EXPLAIN_COMMANDS, arguments, "reknow explain", "Show what a run has learned.")


def _data(arguments: list[str]) -> int:
    return _choose(DATA_COMMANDS, arguments, "reknow data", "Check, show or convert a data set before it is used.")


def train() -> int:
    """Train with a recipe: `reknow train --help` lists the recipes, `reknow train RECIPE --help` its settings."""
    return train_by([])


def explain() -> int:
    """Show what a run has learned: `reknow explain ranks`, `explain tokens`, `explain attention`."""
    return _explain([])


def data() -> int:
    """Check, show or convert a data set: `reknow data show`, `data check`, `data import`."""
    return _data([])


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "train": train,
    "evaluate": evaluate,
    "embed": embed,
    "cluster": cluster,
    "audit": audit,
    "caption": caption,
    "explain": explain,
    "export": export,
    "data": data,
    "recipes": list_recipes,
    "study": study,
}
DATA_COMMANDS: dict[str, Callable[..., int]] = {"check": check, "import": import_as_table, "show": show}
EXPLAIN_COMMANDS: dict[str, Callable[..., int]] = {
    "attention": explain_attention,
    "ranks": explain_ranks,
    "tokens": explain_tokens,
}

# Each reads the rest of the line itself: a recipe with its fields, or a command of its own. Its function among the
# commands above takes nothing and is there for `reknow --help`.
_GROUPS: dict[str, Callable[[list[str]], int]] = {"train": train_by, "explain": _explain, "data": _data}
