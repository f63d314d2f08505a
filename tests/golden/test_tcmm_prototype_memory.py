"""Golden case ``tcmm_prototype_memory``: both update rules of cluster-contrast's and TCMM's released memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import normalize

from reknow.losses.prototype_memory import PrototypeMemory

CASE = load_file(Path(__file__).parent / "data" / "tcmm_prototype_memory.safetensors")


@pytest.mark.parametrize(("rule", "update"), [("hard", "hard"), ("sequential", "plain")])
def test_loss_gradient_and_prototypes_over_two_steps(rule, update):
    memory = PrototypeMemory(32, momentum=0.2, temperature=0.05, update=update)
    memory.prototypes = CASE["prototypes_init"].clone()
    before = CASE["prototypes_init"]
    for step in ("step1", "step2"):
        features = CASE[f"features_{step}"].clone().requires_grad_()
        labels = CASE[f"labels_{step}"]
        embeddings = normalize(features, dim=1)
        loss = memory(embeddings, labels)
        loss.backward()
        memory.update(embeddings.detach(), labels)
        expected = {
            name: CASE[f"expected/{rule}/{step}/{name}"] for name in ("loss", "grad_features", "prototypes_after")
        }
        torch.testing.assert_close(loss.detach(), expected["loss"], atol=1e-5, rtol=0)
        torch.testing.assert_close(features.grad, expected["grad_features"], atol=1e-6, rtol=0)
        torch.testing.assert_close(memory.prototypes, expected["prototypes_after"], atol=1e-6, rtol=0)
        absent = sorted(set(range(12)) - set(labels.tolist()))
        assert torch.equal(memory.prototypes[absent], before[absent])
        before = memory.prototypes.clone()
