"""The training set: rows in order, sampled alike, means per class, and nothing that a method must not see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reknow.data import loading
from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.errors import ContractError
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch

ROWS = 10
SIZE = (8, 4)


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(loading, "EVALUATION_BATCH_SIZE", 4)  # ten rows are three batches
    return np.random.default_rng(0).integers(0, 256, (ROWS, *SIZE, 3), dtype=np.uint8)


@pytest.fixture
def made(pixels: np.ndarray) -> Callable[..., TrainingSet]:
    columns = {
        "rgb": [f"{row:04}_c{row % 2}.png" for row in range(ROWS)],
        "identity": [str(row // 2) for row in range(ROWS)],
        "camera": [f"c{row % 2}" for row in range(ROWS)],
    }
    manifest = Manifest.from_columns(columns, root=Path(), name="made")
    return lambda **settings: TrainingSet(
        manifest, lambda: Pictures.from_arrays({"rgb": pixels}), Preprocessing(size=SIZE), **settings
    )


def mean_color(batch: Batch) -> torch.Tensor:
    return batch.images["rgb"].mean((2, 3))


def expected(pixels: np.ndarray) -> torch.Tensor:
    return Preprocessing(size=SIZE).normalize(torch.from_numpy(pixels)).mean((2, 3))


def test_embed_gives_a_row_of_values_for_every_row_in_order(made, pixels) -> None:
    torch.testing.assert_close(made().embed(mean_color), expected(pixels))


def test_embed_gives_several_values_by_name_at_once(made, pixels) -> None:
    found = made().embed(lambda batch: {"color": mean_color(batch), "row": batch.index})
    torch.testing.assert_close(found["color"], expected(pixels))
    assert found["row"].tolist() == list(range(ROWS)) and found["row"].dtype == torch.int64


def test_batches_are_those_of_evaluation(made, pixels) -> None:
    (batch,) = made().batches(np.array([7, 2, 5]))
    assert batch.index.tolist() == [7, 2, 5] and batch.label.tolist() == [-1, -1, -1]
    assert batch.camera.tolist() == [1, 0, 1]
    torch.testing.assert_close(mean_color(batch), expected(pixels)[[7, 2, 5]])
    assert [len(batch) for batch in made().batches()] == [4, 4, 2]


def test_class_means_are_those_of_the_rows_kept_whole(made, pixels) -> None:
    labels = np.array([0, 0, 2, 2, 2, -1, 0, -1, 2, 0])
    means = made().class_means(lambda batch: batch.images["rgb"], labels)
    pictures = Preprocessing(size=SIZE).normalize(torch.from_numpy(pixels))
    assert means.shape == (3, 3, *SIZE)
    for label in (0, 2):
        torch.testing.assert_close(means[label], pictures[labels == label].mean(0))
    assert not means[1].any()  # a class without rows
    both = made().class_means(lambda batch: {"a": mean_color(batch), "b": batch.camera}, labels)
    torch.testing.assert_close(both["b"], torch.tensor([0.5, 0.0, 0.25]))


def test_class_means_of_what_has_no_class_or_no_label_are_refused(made) -> None:
    with pytest.raises(ContractError, match="every label is -1"):
        made().class_means(mean_color, np.full(ROWS, -1))
    with pytest.raises(ContractError, match=r"labels of shape \(3,\); expected \(10,\) labels"):
        made().class_means(mean_color, np.zeros(3, int))
    with pytest.raises(ContractError, match=r"shape \(3, 3\) for a batch of 4"):
        made().class_means(lambda batch: mean_color(batch)[1:], np.zeros(ROWS, int))


def test_rows_beyond_the_set_are_refused(made) -> None:
    for wrong in (-1, ROWS):
        with pytest.raises(ContractError, match=f"row {wrong}; expected rows from 0 to 9"):
            made().batches(np.array([0, wrong]))


def test_a_sample_is_the_same_whenever_it_is_asked_for_and_depends_on_the_seed(made) -> None:
    first, again, other = made(seed=3), made(seed=3), made(seed=4)
    first.embed(mean_color)
    assert first.sample(4).tolist() == again.sample(4).tolist() != other.sample(4).tolist()
    assert made().sample(99).tolist() == list(range(ROWS))


def test_a_method_without_labels_gets_none_and_pictures_all_the_same(made, pixels) -> None:
    hidden, whole = made(), made(names=True)
    assert not hidden.manifest.has("identity") and whole.manifest.has("identity")
    assert hidden.manifest.column("rgb")[3] == "row-3"
    torch.testing.assert_close(hidden.embed(mean_color), whole.embed(mean_color))


def test_steps_of_the_run_are_known_where_the_recipe_fixes_them(made) -> None:
    assert made(epochs=5, iterations=7).steps == 35
    assert made(epochs=5).steps is None and made(epochs=5).epochs == 5


def test_annotations_travel_with_their_rows(made) -> None:
    words = torch.arange(2 * ROWS).view(ROWS, 2)
    found = made(annotations={"words": words}).embed(lambda batch: batch.annotations["words"])
    assert torch.equal(found, words)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda batch: batch.images["rgb"].mean(), "one value for a whole batch"),
        (lambda batch: batch.images["rgb"].mean((2, 3))[:-1], r"shape \(3, 3\) for a batch of 4; expected shape \(4,"),
        (
            lambda batch: torch.zeros(len(batch), len(batch)),
            r"shape \(2, 2\) for a batch of 2; expected",
        ),
        (lambda batch: {f"n{len(batch)}": batch.camera}, r"named \['n2'\]; expected values named \['n4'\]"),
    ],
    ids=["scalar", "rows", "shape", "names"],
)
def test_a_function_that_breaks_the_rule_is_named(made, function, message) -> None:
    with pytest.raises(ContractError, match=message):
        made().embed(function)


def test_pictures_are_opened_when_they_are_first_needed(made) -> None:
    opened = []
    training_set = TrainingSet(made().manifest, lambda: opened.append(1) or Pictures({}, {}), Preprocessing(size=SIZE))
    assert len(training_set) == ROWS and training_set.cameras.tolist() == [0, 1] * 5 and not opened
    training_set.open()
    training_set.open()
    assert opened == [1]
