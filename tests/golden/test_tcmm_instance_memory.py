"""Golden case ``tcmm_instance_memory``: hardest rows, loss, gradient, and the sequential update with repeated rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import normalize

from reknow.methods.tcmm import instance_memory
from reknow.methods.tcmm.instance_memory import InstanceMemory

CASE = load_file(Path(__file__).parent / "data" / "tcmm_instance_memory.safetensors")


@pytest.mark.parametrize("rows_at_once", [65_536, 50, 7], ids=["one piece", "three pieces", "pieces below K"])
@pytest.mark.parametrize("negatives", [4, 8])
def test_choice_loss_gradient_and_update(negatives, rows_at_once, monkeypatch):
    monkeypatch.setattr(instance_memory, "ROWS_AT_ONCE", rows_at_once)
    expected = {name.split("/")[-1]: tensor for name, tensor in CASE.items() if f"K{negatives}/" in name}
    memory = InstanceMemory(120, 32, negatives=negatives)
    memory.begin_epoch(CASE["memory_init"], CASE["memory_labels"])
    features = CASE["features"].clone().requires_grad_()
    embeddings = normalize(features, dim=1)

    chosen, there = memory.choose(embeddings, CASE["batch_labels"])
    assert there.all()
    assert torch.equal(chosen[:, 0], expected["positive_index"])
    assert torch.equal(chosen[:, 1:], expected["negative_indices"])
    logits = torch.einsum("bd,bkd->bk", embeddings, memory.vectors[chosen]) / 0.05
    torch.testing.assert_close(logits.detach(), expected["logits"], atol=2e-5, rtol=0)

    loss = memory(embeddings, CASE["batch_labels"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), expected["loss"], atol=1e-5, rtol=0)
    torch.testing.assert_close(features.grad, expected["grad_features"], atol=2e-6, rtol=0)

    memory.update(embeddings.detach(), CASE["global_indices"])
    torch.testing.assert_close(memory.vectors, expected["memory_after"], atol=1e-6, rtol=0)
    untouched = sorted(set(range(120)) - set(CASE["global_indices"].tolist()))
    assert torch.equal(memory.vectors[untouched], CASE["memory_init"][untouched])
