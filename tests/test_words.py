"""The words that readers meet: the field's own, no dialect, nothing that only its first authors understand."""

from __future__ import annotations

import ast
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from reknow import cli

ROOT = Path(__file__).resolve().parent.parent
SOURCE = sorted((ROOT / "src").rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

DIALECT = re.compile(
    r"\b(examin\w+|assess\w*|evaluated|settled?|settles|settling|look|looks|looked|looking|few|fewest|seen"
    r"|foreign|sorted_out|portraits?|strangers?|picks?|picked)\b"
    r"|pixels speak|kinds of patience|much better than",
    re.IGNORECASE,
)
# Notes on a paper that are not in this repository: a reader cannot follow them.
NOTES = re.compile(r"\[[A-D]\]|\bspecs?\b", re.IGNORECASE)
# What these hold has a name of its own. The errors' keyword `found=` is no variable, and the modules that make errors
# pass it on.
VAGUE = {"found", "one", "few", "seen", "look", "looking", "evaluated"}
PASSING_ON = {"errors.py", "packages.py", "fields.py"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("pattern", [DIALECT, NOTES], ids=["dialect", "notes"])
def test_no_word_of_a_dialect_and_no_note_that_points_at_nothing(pattern: re.Pattern[str]) -> None:
    places = [
        f"{name_of(path)}:{number}: {match[0]}"
        for path in [*SOURCE, *PAGES]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in pattern.finditer(line)
    ]
    assert not places, "\n".join(places)


def vague_names(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        if name in VAGUE and not (name == "found" and path.name in PASSING_ON):
            names.append(f"{name_of(path)}:{node.lineno}: {name}")
    return names


def test_a_variable_is_named_by_what_it_holds() -> None:
    names = [place for path in SOURCE for place in vague_names(path)]
    assert not names, "\n".join(names)


def test_a_vague_name_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_words.ROOT" if "tests.test_words" in sys.modules else f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "module.py"
    file.write_text("found = [one for one in range(3)]\nlabels = found\n")
    assert len(vague_names(file)) == 2


COMMANDS = [
    ["--help"],
    *([command, "--help"] for command in ("demo", "train", "evaluate", "embed", "cluster", "audit", "export")),
    *([command, "--help"] for command in ("recipes", "study", "caption")),
    *(["train", recipe, "--help"] for recipe in ("supervised", "cluster_contrast", "tcmm", "editor")),
    *(["data", command, "--help"] for command in ("check", "import", "show")),
    *(["explain", command, "--help"] for command in ("attention", "ranks", "tokens")),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_plain_text(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No markup of another program, no reference that a terminal cannot follow."""
    with suppress(SystemExit):  # tyro leaves this way; the help of `train` without a recipe returns
        assert cli.main(command) == 0
    text = re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out)
    assert len(text) > 200
    for pattern in (r":(class|func|mod|meth|data|attr):", "``", "::", r"\bP times K\b", r"\(default: \)"):
        assert not re.search(pattern, text), (pattern, text)
    assert not DIALECT.search(text), DIALECT.findall(text)
    assert not NOTES.search(text), NOTES.findall(text)
