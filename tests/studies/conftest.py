"""A study that takes a second: two variants of the tiny recipe on the crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reknow.progress import Display
from reknow.studies.study import Study, Variant

LABELLED = r"?identity_pattern=(person\d+)&camera=_c(\d)_"


@pytest.fixture
def quiet() -> Display:
    return Display(quiet=True)


@pytest.fixture
def small(tiny, crops: Path) -> Study:
    return Study(
        name="small",
        scale="quick",
        question="Does a smaller learning rate matter?",
        base=replace(tiny, data=f"folder:{crops}{LABELLED}", epochs=2),
        variants=(Variant("base"), Variant("slower", {"optimizer.lr": 1e-5})),
        columns=("mAP", "clusters"),
    )
