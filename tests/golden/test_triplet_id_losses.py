"""Golden case ``triplet_id_losses``: TransReID's and fast-reid's triplets, TransReID's label smoothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from reknow.losses.cross_entropy import SmoothedCrossEntropy
from reknow.losses.triplet import BatchHardTriplet, hardest_distances

FILE = Path(__file__).parent / "data" / "triplet_id_losses.safetensors"
CASE = load_file(FILE)
FORMS = pytest.mark.parametrize(("form", "margin"), [("soft", None), ("margin0.3", 0.3)])


def close(found: Tensor, name: str, tolerance: float) -> None:
    torch.testing.assert_close(found.detach(), CASE[f"expected/{name}"].to(found.dtype), rtol=0, atol=tolerance)


@FORMS
def test_balanced_batch(form: str, margin: float | None) -> None:
    features, labels = CASE["balanced/features"].clone().requires_grad_(), CASE["balanced/labels"]
    positive, negative = hardest_distances(features, labels)
    close(positive, f"balanced/{form}/dist_ap", 5e-6)
    close(negative, f"balanced/{form}/dist_an", 5e-6)
    loss = BatchHardTriplet(margin)(features, labels)
    loss.backward()
    close(loss, f"balanced/{form}/loss", 1e-5)
    close(features.grad, f"balanced/{form}/grad", 1e-6)


@FORMS
# In single precision the case allows 5e-4 for the noise of self distances; ours have none.
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 2e-6)])
def test_identities_with_one_picture(form: str, margin: float | None, precision: torch.dtype, tolerance: float) -> None:
    features = CASE["single/features"].clone().to(precision).requires_grad_()
    loss = BatchHardTriplet(margin)(features, CASE["single/labels"])
    loss.backward()
    close(loss, f"single/{form}/loss", tolerance)
    close(features.grad, f"single/{form}/grad", tolerance)


@pytest.mark.parametrize("kind", ["label_smooth", "plain_ce"])
def test_cross_entropy(kind: str) -> None:
    with safe_open(FILE, "pt") as file:
        settings = file.metadata()
    epsilon = 0.0 if kind == "plain_ce" else float(settings["epsilon"])
    logits = CASE["id/logits"].clone().requires_grad_()
    loss = SmoothedCrossEntropy(epsilon)(logits, CASE["id/targets"])
    loss.backward()
    close(loss, f"{kind}/loss", 1e-5)
    close(logits.grad, f"{kind}/grad", 1e-6)
