"""The prototype memory: laws that hold for every batch. Parity with the authors' code is in tests/golden."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn import functional
from torch.nn.functional import normalize

from reknow.losses.prototype_memory import PrototypeMemory, prototype_contrast


def made(update="hard", clusters=5, dim=4, momentum=0.2):
    torch.manual_seed(0)
    memory = PrototypeMemory(dim, momentum, update=update)
    memory.rebuild(normalize(torch.randn(20, dim), dim=1), torch.arange(20) % clusters)
    return memory


def test_rebuild_is_the_normalized_mean_and_leaves_outliers_out():
    memory = PrototypeMemory(2)
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.6, 0.8]])
    memory.rebuild(embeddings, torch.tensor([0, 0, 1, -1]))
    assert torch.allclose(memory.prototypes, torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))


@settings(max_examples=30, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=12), update=st.sampled_from(["hard", "plain"]))
def test_an_update_keeps_unit_length_and_touches_only_clusters_in_the_batch(labels, update):
    memory = made(update)
    before = memory.prototypes.clone()
    embeddings = normalize(torch.randn(len(labels), 4), dim=1)
    memory.update(embeddings, torch.tensor(labels))
    assert torch.allclose(memory.prototypes.norm(dim=1), torch.ones(5), atol=1e-6)
    absent = sorted(set(range(5)) - set(labels))
    assert torch.equal(memory.prototypes[absent], before[absent])
    assert not torch.equal(memory.prototypes[labels], before[labels])


@settings(max_examples=30, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_both_rules_equal_their_plain_loops(labels):
    embeddings = normalize(torch.randn(len(labels), 4), dim=1)
    hard, plain = made("hard"), made("plain")
    expected_hard, expected_plain = hard.prototypes.clone(), plain.prototypes.clone()
    for label in set(labels):
        members = [i for i, other in enumerate(labels) if other == label]
        least = min(members, key=lambda i: float(embeddings[i] @ hard.prototypes[label]))
        expected_hard[label] = normalize(0.2 * hard.prototypes[label] + 0.8 * embeddings[least], dim=0)
    for i, label in enumerate(labels):
        expected_plain[label] = normalize(0.2 * expected_plain[label] + 0.8 * embeddings[i], dim=0)
    hard.update(embeddings, torch.tensor(labels))
    plain.update(embeddings, torch.tensor(labels))
    assert torch.allclose(hard.prototypes, expected_hard, atol=1e-6)
    assert torch.allclose(plain.prototypes, expected_plain, atol=1e-6)


def test_gradient_uses_the_prototypes_from_before_the_update():
    memory = made()
    embeddings = normalize(torch.randn(6, 4), dim=1).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    (expected,) = torch.autograd.grad(memory(embeddings, labels), embeddings)
    loss = memory(embeddings, labels)
    memory.update(embeddings.detach(), labels)
    (late,) = torch.autograd.grad(loss, embeddings)
    assert torch.equal(late, expected)


def test_a_stored_memory_decides_the_number_of_prototypes():
    stored = made(clusters=3).state_dict()
    memory = made(clusters=5)
    memory.load_state_dict(stored)
    assert memory.prototypes.shape == (3, 4)


def test_an_unlike_pair_costs_more():
    memory = PrototypeMemory(2, temperature=0.5)
    memory.rebuild(torch.eye(2), torch.tensor([0, 1]))
    right = memory(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    wrong = memory(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert wrong.item() == pytest.approx(right.item() + 2.0, abs=1e-5)


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


def test_under_autocast_logits_are_in_32_bit() -> None:
    torch.manual_seed(0)
    features, prototypes = (functional.normalize(torch.randn(rows, 32), dim=1) for rows in (6, 4))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    exact = prototype_contrast(features, prototypes, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(prototype_contrast(features, prototypes, labels), exact)
