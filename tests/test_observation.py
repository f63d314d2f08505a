"""Batch: its length, its move to a device, and that shapes which contradict each other are refused."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from reknow.observation import Batch


def made(images: int = 3, labels: int = 3) -> Batch:
    return Batch(
        images={"rgb": torch.zeros(images, 3, 4, 2)},
        present={"rgb": torch.ones(images, dtype=torch.bool)},
        index=torch.arange(labels),
        label=torch.arange(labels),
        camera=torch.arange(labels),
    )


def test_length_is_the_number_of_observations():
    assert len(made()) == 3


def test_moving_moves_everything():
    moved = made().to("meta")
    tensors = [*moved.images.values(), *moved.present.values(), moved.index, moved.label, moved.camera]
    assert len(tensors) == 5
    assert all(tensor.device.type == "meta" for tensor in tensors)


def test_contradictory_shapes_are_refused():
    with pytest.raises(TypeCheckError):
        made(images=3, labels=2)
