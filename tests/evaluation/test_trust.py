"""Trust: the sentence and what contradicts groups, on groups whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reknow.clustering.dbscan import PseudoLabels
from reknow.clustering.final_groups import FinalGroups, Halves, final_groups
from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.data.picture_measures import PictureMeasures
from reknow.errors import EvaluationError
from reknow.evaluation.trust import Expected, trust_in


def grouped(labels, agreement=0.8, share=0.9, reason="") -> FinalGroups:
    labels = np.array(labels, dtype=np.int64)
    groups = PseudoLabels(labels, int(labels.max(initial=-1)) + 1, int((labels < 0).sum()), 0.5)
    return FinalGroups(groups, None if agreement is None else Halves(0.5, agreement, share), (), reason)


def embedded(rows: int, measures: PictureMeasures | None = None, **columns) -> Embeddings:
    manifest = Manifest.from_columns({"rgb": [f"{row}.png" for row in range(rows)]} | columns, root=Path(), name="made")
    vectors = np.zeros((rows, 8), np.float32)
    vectors[:, 0] = 1
    return Embeddings(vectors, manifest, measures=measures)


@pytest.mark.parametrize(
    ("agreement", "beginning"),
    [
        (0.9, "Most of these groups can be believed: support 0.81 of 1"),
        (0.6, "About half of what these groups say can be believed: support 0.54"),
        (0.3, "Little of what these groups say can be believed: support 0.27"),
        (0.1, "Do not believe these groups: support 0.09"),
        (-0.1, "Do not believe these groups: support 0.00"),
    ],
)
def test_one_honest_sentence_with_a_number(agreement, beginning):
    trust = trust_in(grouped([0] * 5 + [1] * 5, agreement), embedded(10))
    assert trust.sentence.startswith(beginning)
    assert f"agree to {agreement:.2f}, and 100 % of the pictures are in a group" in trust.sentence
    assert trust.warnings == ()


def test_what_cannot_be_said_is_said_with_its_reason():
    trust = trust_in(final_groups(np.ones((30, 1), np.float32)), embedded(30))
    assert trust.sentence == (
        "How far to believe these groups cannot be said: features of less than 4 numbers cannot be halved."
    )
    assert trust.as_json()["support"] is None
    empty = trust_in(final_groups(np.empty((0, 8), np.float32)), embedded(1).select(np.array([], int)))
    assert "0 distinct pictures, not enough" in empty.sentence


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("1:3", None),
        ("2", None),
        ("100:300", "2 groups where 100 to 300 individuals are expected: groups may hold several individuals"),
        ("1", "2 groups where 1 individuals are expected: individuals may be split"),
    ],
)
def test_what_the_user_expects(text, warning):
    warnings = trust_in(grouped([0, 0, 1, 1]), embedded(4), Expected.of(text)).warnings
    assert [said.startswith(warning) for said in warnings] == ([True] if warning else [])


@pytest.mark.parametrize("text", ["", "a", "3:1", "0", "1:2:3", "-1", "1.5", "100-300", "²", "1:", "9999999999"])
def test_an_expectation_that_is_none_is_refused(text):
    with pytest.raises(EvaluationError, match="--expect-individuals"):
        Expected.of(text)


def test_pictures_of_one_moment_and_split_tracklets_are_named():
    columns = {
        "camera": ["a"] * 6,
        "time": [0.0, 0.4, 0.0, 0.4, 9.5, 9.9],
        "tracklet": ["p", "p", "q", "q", "r", "r"],
    }
    trust = trust_in(grouped([0, 0, 0, 0, 1, 2]), embedded(6, **columns))
    moment, split = trust.warnings
    assert "hold two pictures of one moment at one place, so two individuals" in moment
    assert trust.sentence.startswith("Do not believe these groups: support 0.72")
    assert "1 of 1 groups are contradicted" in trust.sentence
    assert split.startswith("1 of 3 tracklets are split between groups")
    assert trust.as_json()["conflicts"]["split_tracklets"] == {"count": 1, "among": 3}


def test_groups_of_light_are_told_from_groups_of_individuals():
    random = np.random.default_rng(0)
    labels, light = np.repeat(np.arange(4), 50), np.repeat(np.arange(4), 50) * 40.0

    def measured(brightness):
        color = random.normal(size=(200, 4))
        color += brightness[:, None] + random.normal(size=(200, 4))
        return PictureMeasures(
            np.full((200, 2), 64, np.float32), color.astype(np.float32), random.normal(size=200).astype(np.float32)
        )

    (said,) = trust_in(grouped(labels), embedded(200, measured(light))).warnings
    assert said.startswith("Size, color and sharpness of the pictures alone explain ")
    assert "unless individuals have colors of their own" in said
    assert trust_in(grouped(labels), embedded(200, measured(random.permutation(light)))).warnings == ()
    sharp = measured(random.permutation(light))
    sharp = PictureMeasures(sharp.size, sharp.color, (labels + 0.1 * random.normal(size=200)).astype(np.float32))
    (said,) = trust_in(grouped(labels), embedded(200, sharp)).warnings
    assert said.startswith("The sharpness of the pictures alone explains")


def test_groups_of_other_rows_are_refused():
    with pytest.raises(EvaluationError, match="4 rows for 5 embeddings"):
        trust_in(grouped([0, 0, 1, 1]), embedded(5))
