"""A small made report, whole, and its text taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import pytest

from reknow.explain.explanation import Explanation
from reknow.explain.precision_recall import measured
from reknow.methods.selected import PatchScores, PatchSet, SelectedPatches
from reknow.report.content import Group, PairScores, RankedPicture, RankRow, RunReport
from reknow.report.page import render
from reknow.training.records import EpochLine, EvaluationLine, Metrics, StepLine

VOID = {"meta", "link", "img", "br", "input"}


@dataclass
class Page(HTMLParser):
    """What a browser would find: tags in order, headings, texts, attributes; refuses unbalanced tags."""

    source: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self.feed(self.source)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if data.strip() and self.open:
            self.texts.append((self.open[-1], " ".join(data.split())))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]

    @property
    def sections(self) -> list[str]:
        return [attributes["id"] for attributes in self.all("section")]


@pytest.fixture
def parse():
    return Page


def picture(seed: int, height: int = 32, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.fixture(name="picture")
def picture_fixture():
    return picture


def rank_row(kind: str, name: str = "query.jpg") -> RankRow:
    results = [RankedPicture(picture(n), n % 2 == 0, 0.9 - 0.1 * n, camera=f"c{n}") for n in range(3)]
    return RankRow(kind, picture(9), name, 0.4321, results, camera="c9")


def metrics_of_a_run(*, labelled: bool = True) -> Metrics:
    lines = [EvaluationLine(-1, {"mAP": 41.3, "rank1": 58.7})] if labelled else []
    for epoch in range(3):
        known = {"purity": 0.5 + 0.1 * epoch, "identities": 12.0} if labelled else {}
        lines.append(EpochLine(epoch, {"clusters": 9.0 + epoch, "outliers": 30.0, "rows": 120.0, **known}))
        for step in range(1, 6):
            terms = {"loss/prototype": 2.0 / step, "loss/<odd> & $term": 0.25}
            lines.append(StepLine(epoch, step, {"loss": sum(terms.values()), **terms}, 100.0, 1e-4))
        if labelled:
            lines.append(EvaluationLine(epoch, {"mAP": 50.0 + epoch, "rank1": 60.0 + epoch}))
    return Metrics.of(lines)


@pytest.fixture(scope="session")
def whole() -> RunReport:
    """A run with labels: every section."""
    rng = np.random.default_rng(0)
    numbers = {"mAP": 64.94, "rank1": 78.2, "rank5": 90.4, "rank10": 94.1, "mINP": 47.7}
    return RunReport(
        title="cluster_contrast on world:target",
        summary={
            "method": "ClusterContrast",
            "dataset": "world:target",
            "seed": 3,
            **numbers,
            "start": {"mAP": 41.26, "rank1": 58.7, "rank5": 76.0, "rank10": 83.3, "mINP": 50.0},
            "seconds": 212.4,
            "images_per_second": 412.3,
            "peak_memory_gb": 2.31,
            "protocol": "market",
            "queries": 1300,
            "queries_without_match": 7,
            "notes": ["No camera column: the same-camera rule is off."],
        },
        intervals={"mAP": (61.81, 67.9), "start.mAP": (38.2, 44.5), "change.mAP": (21.4, 25.7), "rank1": (73.6, 82.7)},
        metrics=metrics_of_a_run(),
        cmc={"before": np.linspace(0.5, 0.9, 50), "after": np.linspace(0.7, 1.0, 50)},
        average_precision={"before": np.array([0.1, 0.5, 0.9, np.nan]), "after": np.array([0.4, 0.4, 0.9, np.nan])},
        scores=PairScores(rng.normal(0.6, 0.1, 500), rng.normal(0.1, 0.1, 2000)),
        rank_sheets=[rank_row("worst"), rank_row("best"), rank_row("typical")],
        groups=[
            Group("4", 12, [picture(1), picture(2)], 0.5, (False, True)),
            Group("-1", 1, [picture(3)]),
        ],
        recipe="name: made\nepochs: 3\n",
        machine={"reknow": "0.1.0", "CPU": "2 cores"},
    )


@pytest.fixture(scope="session")
def source(whole) -> str:
    """The whole run as a page, made once."""
    return render(whole)


@pytest.fixture
def unlabelled() -> RunReport:
    """A run on own pictures without any label."""
    return RunReport(
        title="cluster_contrast on folder:crops",
        summary={"dataset": "folder:crops", "seed": 0, "mAP": None, "start": {"mAP": None}, "notes": []},
        metrics=metrics_of_a_run(labelled=False),
        groups=[Group("0", 40, [picture(1)]), Group("-1", 30, [picture(2)])],
        recipe="name: made\n",
    )


@pytest.fixture(scope="session")
def chosen() -> Explanation:
    """Two pictures of 2 x 2 patches: the negative moves off the person, the positive stays where it was."""
    positive, before, after = np.zeros((3, 2, 4), dtype=bool)
    positive[:, 0], before[:, 1], after[:, 3] = True, True, True
    similarity = {"rgb": np.tile(np.array([1.0, 0.2, 0.1, 0.0], np.float32), (2, 1))}

    def selected(negative: np.ndarray) -> SelectedPatches:
        negatives = PatchSet(
            name="negatives",
            meaning="taken for something else",
            patches={"rgb": negative},
            expected="background",
            measured_as="negatives_on_background",
        )
        positives = PatchSet(
            name="positives",
            meaning="taken for the object",
            patches={"rgb": positive},
            measured_as="positives_on_person",
        )
        scores = PatchScores(name="similarity", meaning="to the picture", values=similarity)
        return SelectedPatches(grid=(2, 2), sets=(positives, negatives), scores=scores)

    moments = {"before": selected(before), "after": selected(after)}
    person = {"rgb": np.tile(np.array([0.9, 0.6, 0.1, 0.0]), (2, 1))}
    present = {"rgb": np.ones(2, dtype=bool)}
    return Explanation(
        names=("first", "second"),
        pictures={"rgb": np.stack([picture(number) for number in range(2)])},
        present=present,
        selected=moments,
        object_share=person,
        shares=measured(moments, person, present, {}),
    )


def kept_in(spectra: tuple[str, ...]) -> Explanation:
    """Six observations of 2 x 2 patches in some spectra: what is kept moves onto the object and grows."""
    on_object, there = np.tile(np.array([0.9, 0.6, 0.1, 0.0]), (6, 1)), np.ones(6, dtype=bool)
    last, upper = np.arange(4) == 3, np.arange(4) < 2

    def selected(patches: np.ndarray) -> SelectedPatches:
        mask = dict.fromkeys(spectra, np.tile(patches, (6, 1)))
        values = {name: on_object.astype(np.float32) for name in spectra}
        return SelectedPatches(
            grid=(2, 2),
            sets=tuple(PatchSet(name=name, meaning="", patches=mask) for name in ("kept", "spatial", "frequency")),
            scores=PatchScores(name="rollout", meaning="", values=values),
            drops=True,
        )

    moments = {"before": selected(last), "after": selected(upper)}
    present = dict.fromkeys(spectra, there)
    truth = dict.fromkeys(spectra, on_object)
    return Explanation(
        names=tuple(f"observation {number}" for number in range(6)),
        pictures={name: np.stack([picture(number) for number in range(6)]) for name in spectra},
        present=present,
        selected=moments,
        object_share=truth,
        shares=measured(moments, truth, present, {"small": np.arange(6) < 3}),
    )


@pytest.fixture(scope="session", name="kept_in")
def kept_in_fixture():
    return kept_in


@pytest.fixture(scope="session")
def kept() -> Explanation:
    return kept_in(("rgb", "nir"))
