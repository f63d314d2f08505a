"""Loading: the same batches whatever the threads, resumable, and nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reknow.data.augmentation import apply_draws
from reknow.data.cache import Pictures
from reknow.data.loading import load_batches, sequential_batches
from reknow.data.transforms import Augmentation, Preprocessing, draw
from reknow.observation import Batch

PREPROCESSING = Preprocessing(size=(12, 8))
LABELS = np.arange(20) // 2
CAMERAS = np.arange(20) % 3 - 1
ROWS = [np.array(rows) for rows in ([3, 1, 3], [0, 19], [5, 6, 7], [8], [9, 10, 11, 12])]


def made(spectra: tuple[str, ...] = ("rgb",)) -> Pictures:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 12, 8, 3), dtype=np.uint8)
    return Pictures.from_arrays(dict.fromkeys(spectra, pixels))  # type: ignore[misc]


def load(pictures: Pictures | None = None, **changed: Any) -> Generator[Batch, None, None]:
    settings: dict[str, Any] = {
        "labels": LABELS,
        "cameras": CAMERAS,
        "preprocessing": PREPROCESSING,
        "augmentation": Augmentation(pad=2),
        "seed": (1, 2),
    }
    settings.update(changed)
    return load_batches(pictures or made(), settings.pop("batches", ROWS), **settings)


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.images["rgb"], other.images["rgb"])
        assert torch.equal(one.index, other.index)


def loading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("loading")]


def test_a_batch_keeps_rows_labels_and_cameras_together():
    for rows, batch in zip(ROWS, load(), strict=True):
        assert batch.images["rgb"].shape == (len(rows), 3, 12, 8)
        assert batch.present["rgb"].all()
        np.testing.assert_array_equal(batch.index, rows)
        np.testing.assert_array_equal(batch.label, LABELS[rows])
        np.testing.assert_array_equal(batch.camera, CAMERAS[rows])


def test_evaluation_batches_are_normalized_pictures_in_order():
    pictures = made()
    batches = list(load(pictures, batches=sequential_batches(20, 6), augmentation=None, labels=np.full(20, -1)))
    assert [len(batch) for batch in batches] == [6, 6, 6, 2]
    expected = PREPROCESSING.normalize(torch.from_numpy(pictures.images["rgb"]))
    assert torch.equal(torch.cat([batch.images["rgb"] for batch in batches]), expected)


def test_the_random_numbers_of_a_batch_come_from_the_seed_and_its_number():
    pictures = made()
    third = list(load(pictures))[2]
    pixels = torch.from_numpy(pictures.images["rgb"][ROWS[2]])
    augmentation = Augmentation(pad=2)
    numbers = draw(len(pixels), PREPROCESSING.size, augmentation, np.random.default_rng((1, 2, 2)))
    expected = apply_draws(pixels, PREPROCESSING, augmentation, numbers)
    assert torch.equal(third.images["rgb"], expected)
    assert not torch.equal(third.images["rgb"], list(load(seed=(1, 3)))[2].images["rgb"])


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 1), (3, 2), (4, 50), (2, 0)])
def test_batches_do_not_depend_on_the_threads(workers, prefetch):
    assert_same(list(load(workers=workers, prefetch=prefetch)), list(load()))


@pytest.mark.parametrize("start", [0, 2, 5])
def test_starting_later_gives_the_same_batches(start):
    assert_same(list(load(start=start)), list(load())[start:])


def test_spectra_are_drawn_independently_or_together():
    pictures = made(("rgb", "nir"))
    for apart, together in zip(
        load(pictures), load(pictures, augmentation=Augmentation(pad=2, synchronized=True)), strict=True
    ):
        assert not torch.equal(apart.images["rgb"], apart.images["nir"])
        assert torch.equal(together.images["rgb"], together.images["nir"])
        assert torch.equal(apart.images["rgb"], together.images["rgb"])


@pytest.mark.parametrize("augmentation", [None, Augmentation()])
def test_absent_spectra_are_zero_after_normalization(augmentation):
    pictures = made(("rgb", "nir"))
    present = {**pictures.present, "nir": np.arange(20) % 2 == 0}
    for rows, batch in zip(ROWS, load(replace(pictures, present=present), augmentation=augmentation), strict=True):
        np.testing.assert_array_equal(batch.present["nir"], rows % 2 == 0)
        seen = batch.images["nir"].abs().sum((1, 2, 3)) > 0
        np.testing.assert_array_equal(seen, rows % 2 == 0)
        assert (batch.images["rgb"].abs().sum((1, 2, 3)) > 0).all()


def test_the_plain_transform_on_another_device_gives_the_same_batches(monkeypatch):
    from reknow.data import loading
    from reknow.data.augmentation import apply_draws_plainly

    expected = list(load())
    monkeypatch.setattr(loading, "apply_draws", apply_draws_plainly)
    for one, other in zip(load(), expected, strict=True):
        torch.testing.assert_close(one.images["rgb"], other.images["rgb"], atol=1e-5, rtol=0)


@pytest.mark.cuda
def test_a_gpu_gets_the_same_batches():
    for one, other in zip(load(device="cuda"), load(), strict=True):
        assert one.images["rgb"].is_cuda and one.label.is_cuda
        torch.testing.assert_close(one.to("cpu").images["rgb"], other.images["rgb"], atol=1e-5, rtol=0)


def test_a_consumer_that_stops_early_leaves_no_threads():
    batches = load(batches=ROWS * 20, workers=3)
    next(batches)
    assert loading_threads()
    batches.close()
    assert not loading_threads()
    for _ in load(batches=ROWS * 20):
        break
    assert not loading_threads()


def test_an_error_in_a_thread_reaches_the_consumer():
    broken = load(batches=[np.array([0]), np.array([20]), np.array([1])], augmentation=None)
    assert len(next(broken)) == 1
    with pytest.raises(IndexError, match="20"):
        next(broken)
    assert not loading_threads()


def test_outliers_never_reach_a_training_batch():
    labels = np.where(LABELS == 3, -1, LABELS)
    with pytest.raises(ValueError, match="training batch 2 has a row with label -1"):
        load(labels=labels)
    assert len(list(load(labels=labels, augmentation=None))) == 5


def test_arguments_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match=r"\(12, 8\).*\(8, 12\)"):
        load(preprocessing=Preprocessing(size=(8, 12)))
    with pytest.raises(ValueError, match="20 pictures, 21 labels and 21 cameras"):
        load(labels=np.zeros(21, dtype=np.int64), cameras=np.zeros(21, dtype=np.int64))


@given(rows=st.integers(0, 40), batch_size=st.integers(1, 12))
def test_sequential_batches_are_every_row_in_order(rows, batch_size):
    made = sequential_batches(rows, batch_size)
    np.testing.assert_array_equal(np.concatenate([*made, np.zeros(0, dtype=np.int64)]), np.arange(rows))
    assert all(len(batch) == batch_size for batch in made[:-1])
