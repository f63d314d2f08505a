"""Instance memory beside its golden case: a plain reference, epochs, and the corners where the released code fails."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from reknow.errors import RunError
from reknow.methods.tcmm.instance_memory import InstanceMemory


def unit(rows, dim=5, seed=0):
    return normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def filled(labels, **settings):
    memory = InstanceMemory(len(labels), 5, **settings)
    memory.begin_epoch(unit(len(labels)), torch.tensor(labels))
    return memory


def plain_loss(memory, embeddings, labels):
    """Picture by picture, with sorting, as a reader of the paper would write it."""
    losses = []
    for vector, label in zip(embeddings, labels.tolist(), strict=True):
        same = memory.labels == label
        if not same.any():
            continue
        similarity = memory.vectors @ vector
        positive = similarity[same].min()
        others = similarity[~same].sort(descending=True).values[: memory.negatives]
        logits = torch.cat([positive[None], others]) / memory.temperature
        losses.append(cross_entropy(logits[None], torch.tensor([0])))
    return torch.stack(losses).mean()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 30))
def test_equals_the_plain_form(seed, negatives, rows):
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 4, (rows,), generator=random)
    labels[0] = 0
    memory = filled(labels.tolist(), negatives=negatives)
    batch = labels[labels >= 0][:6]
    embeddings = unit(len(batch), seed=seed + 1)
    torch.testing.assert_close(memory(embeddings, batch), plain_loss(memory, embeddings, batch), atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_the_update_is_the_sequential_one_and_keeps_unit_length(index):
    memory, embeddings = filled([0, 0, 1, 1, -1]), unit(len(index), seed=3)
    expected = memory.vectors.clone()
    for row, vector in zip(index, embeddings, strict=True):
        expected[row] = normalize(0.2 * expected[row] + 0.8 * vector, dim=0)
    memory.update(embeddings, torch.tensor(index))
    torch.testing.assert_close(memory.vectors, expected)
    torch.testing.assert_close(memory.vectors.norm(dim=1), torch.ones(5))


def test_an_epoch_brings_labels_and_leaves_the_vectors():
    memory = filled([0, 0, -1])
    first = memory.vectors.clone()
    memory.begin_epoch(unit(3, seed=9), torch.tensor([1, -1, 0]))
    assert torch.equal(memory.vectors, first)
    assert memory.labels.tolist() == [1, -1, 0]


def test_outliers_rows_are_renewed_where_that_is_wanted():
    memory = filled([0, 0, -1], refresh_outliers=True)
    first, later = memory.vectors.clone(), unit(3, seed=9)
    memory.begin_epoch(later, torch.tensor([0, -1, 0]))
    assert torch.equal(memory.vectors, torch.stack([first[0], later[1], first[2]]))


def test_outliers_are_negatives_unless_left_out():
    batch = torch.tensor([0])
    with_outlier, without = (filled([0, -1], temperature=1.0, outliers=there) for there in (True, False))
    vector = with_outlier.vectors[:1]
    assert with_outlier(vector, batch) > 0
    assert without(vector, batch) == 0


def test_fewer_negatives_than_wanted_are_all_taken():
    memory, exact = filled([0, 0, 1], negatives=50), filled([0, 0, 1], negatives=1)
    batch, labels = unit(2, seed=4), torch.tensor([0, 0])
    torch.testing.assert_close(memory(batch, labels), exact(batch, labels))


def test_one_cluster_alone_costs_nothing_and_has_a_gradient():
    memory, batch = filled([0, 0, 0]), unit(2, seed=4).requires_grad_()
    loss = memory(batch, torch.tensor([0, 0]))
    loss.backward()
    assert loss == 0
    assert torch.equal(batch.grad, torch.zeros_like(batch))


def test_labels_that_nobody_has_take_no_part():
    memory, batch = filled([0, 1, 1]), unit(2, seed=4).requires_grad_()
    torch.testing.assert_close(memory(batch, torch.tensor([0, 7])), memory(batch[:1], torch.tensor([0])))
    nobody = memory(batch, torch.tensor([7, 8]))
    nobody.backward()
    assert nobody == 0


def test_a_cluster_of_one_row_is_its_own_positive():
    memory = filled([0, 1, 1])
    chosen, there = memory.choose(memory.vectors[:1], torch.tensor([0]))
    assert chosen[0, 0] == 0
    assert there[0].tolist() == [True, True, True, False]


def test_a_memory_of_other_rows_is_refused():
    with pytest.raises(RunError, match=r"instance memory.*\(3, 5\) vectors.*\(4, 5\)"):
        filled([0, 0, 1, 1]).load_state_dict(filled([0, 0, 1]).state_dict())


def test_a_resumed_memory_is_not_filled_again():
    memory, resumed = filled([0, 1]), InstanceMemory(2, 5)
    resumed.load_state_dict(memory.state_dict())
    resumed.begin_epoch(unit(2, seed=8), torch.tensor([0, 0]))
    assert torch.equal(resumed.vectors, memory.vectors)
