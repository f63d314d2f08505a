"""Contrast with prototypes against the golden step of cluster-contrast's released memory."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional

from reknow.losses.contrastive import prototype_contrast

CASE = Path(__file__).parent.parent / "golden" / "data" / "tcmm_prototype_memory.safetensors"


def test_loss_and_gradient_of_the_released_memory() -> None:
    case = load_file(CASE)
    features = case["features_step1"].requires_grad_()
    unit = functional.normalize(features, dim=1)
    loss = prototype_contrast(unit, case["prototypes_init"], case["labels_step1"])
    loss.backward()
    torch.testing.assert_close(loss, case["expected/hard/step1/loss"], rtol=0, atol=1e-5)
    torch.testing.assert_close(features.grad, case["expected/hard/step1/grad_features"], rtol=0, atol=1e-6)


def test_a_colder_softmax_trusts_the_nearest_prototype_more() -> None:
    features = functional.normalize(torch.tensor([[1.0, 0.2]]), dim=1)
    cold, warm = (prototype_contrast(features, torch.eye(2), torch.tensor([0]), t) for t in (0.05, 1.0))
    assert cold < warm
