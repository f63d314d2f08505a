"""The page on adding a method shows the example's own text, and quotes what the loop says of real mistakes.

The example's own tests lie with it, as those of any package.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reknow.errors import ReknowError
from reknow.methods.catalog import listing
from reknow.methods.method import EpochPlan
from reknow.methods.optimization import ParameterGroup
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.training.contract import check_groups, check_plan, check_terms
from reknow_momentum_contrast import recipes
from reknow_momentum_contrast.method import MomentumContrast, MomentumContrastConfig

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/extending/add-a-method.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "examples/momentum_contrast"


def test_the_page_shows_what_the_example_has():
    files = [path.read_text(encoding="utf-8") for path in [PACKAGE / "pyproject.toml", *PACKAGE.rglob("src/*/*.py")]]
    blocks = re.findall(r"^```python\n(.*?)\n```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^```text\n(\[project.*?)\n```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    excerpts = [block for block in blocks if not block.startswith("# Not of the example.\n")]
    assert len(excerpts) > 10
    for excerpt in excerpts:
        for piece in excerpt.split("\n\n\n"):
            forms = [textwrap.indent(piece, depth) for depth in ("", "    ")]
            assert any(form in file for form in forms for file in files), piece


@pytest.fixture
def method():
    trunk = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2, patch_size=8, stride=8)
    return MomentumContrast(EmbedderConfig(trunk=trunk).build(), MomentumContrastConfig())


def grouped(method, *left_out, twice=False):
    named = [(name, p) for name, p in method.named_parameters() if p.requires_grad and name not in left_out]
    groups = [ParameterGroup("all", [parameter for _, parameter in named])]
    return groups + [ParameterGroup("neck", [method.online.neck.weight])] * twice


def uneven():
    """A plan that checked shapes, which only tests have, would not let be made."""
    plan = EpochPlan(ROWS, ROWS)
    object.__setattr__(plan, "rows", ROWS[:3])
    return plan


ROWS = np.arange(4)
MISTAKES = {
    "outliers": lambda method: check_plan(method, EpochPlan(ROWS, ROWS - 1), 4),
    "lengths": lambda method: check_plan(method, uneven(), 4),
    "no plan": lambda method: check_plan(method, ROWS, 4),
    "no mean": lambda method: check_terms(method, {"queue": torch.zeros(4, requires_grad=True)}),
    "no gradient": lambda method: check_terms(method, {"queue": torch.zeros(())}),
    "no group": lambda method: check_groups(method, grouped(method, "online.neck.weight")),
    "two groups": lambda method: check_groups(method, grouped(method, twice=True)),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_the_page_quotes_what_the_loop_says(method, mistake):
    with pytest.raises(ReknowError) as caught:
        mistake(method)
    hook = caught.value.where.removeprefix("MomentumContrast of the package 'reknow_momentum_contrast', ")
    (said,) = [line for line in quoted() if line.startswith(f"{hook}: {caught.value.found}")]
    assert said in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Kept(MomentumContrastConfig):
    """Settings that no file can hold."""

    how: object = print


@pytest.mark.parametrize("change", [{"name": "moco"}, {"method": Kept()}], ids=["another name", "not for a file"])
def test_the_page_quotes_what_the_catalog_says(install, monkeypatch, change):
    changed = replace(recipes.own_data(), **change)

    def own_data():
        return changed

    monkeypatch.setattr(recipes, "own_data", own_data)
    monkeypatch.setattr(recipes, "__all__", ["own_data"])
    install("reknow-momentum-contrast", {}, methods={"momentum_contrast": "reknow_momentum_contrast.recipes"})
    (error,) = listing().refused
    assert any(said in str(error) for said in quoted())


def quoted() -> list[str]:
    """The right column of the page's table of mistakes."""
    table = PAGE.partition("| you did | it says |\n|---|---|\n")[2].partition("\n\n")[0]
    return [row.split(" | ")[1].removesuffix(" |") for row in table.splitlines()]
