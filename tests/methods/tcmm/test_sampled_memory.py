"""Sampled memory: every cluster is there, draws repeat, and with room for all it is the full memory."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from reknow.methods.tcmm.instance_memory import InstanceMemory
from reknow.methods.tcmm.sampled_memory import SampledMemory, one_of_each_first


def unit(rows, seed=0):
    return normalize(torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed)), dim=1)


def sampled(rows, capacity):
    return SampledMemory(rows, InstanceMemory(capacity, 4, negatives=3))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1, 5), min_size=1, max_size=40), st.integers(0, 99), st.data())
def test_the_draw_holds_one_of_each_before_anything_else(labels, seed, data):
    labels = torch.tensor(labels)
    count = data.draw(st.integers(1, len(labels)))
    kept = one_of_each_first(labels, count, torch.Generator().manual_seed(seed))
    assert len(kept) == len(kept.unique()) == count
    clusters = set(labels[labels >= 0].tolist())
    there = set(labels[kept].tolist()) - {-1}
    assert len(there) == min(len(clusters), count) or there == clusters


def test_with_room_for_all_it_is_the_full_memory():
    labels, embeddings, batch = torch.tensor([0, 0, 1, 1, -1, 2]), unit(6), unit(3, seed=1)
    full, all_kept = InstanceMemory(6, 4, negatives=3), sampled(6, 6)
    index = torch.tensor([0, 2, 5])
    for memory in (full, all_kept):
        memory.begin_epoch(embeddings, labels)
        memory.update(batch, index)
    torch.testing.assert_close(full(batch, labels[index]), all_kept(batch, labels[index]))


def test_only_kept_rows_follow_and_every_epoch_draws_anew():
    labels, embeddings = torch.tensor([0] * 20), unit(20)
    memory = sampled(20, 3)
    memory.begin_epoch(embeddings, labels)
    first = memory.place.clone()
    kept, lost = int((first >= 0).nonzero()[0]), int((first < 0).nonzero()[0])
    before = memory.memory.vectors.clone()
    memory.update(unit(2, seed=5), torch.tensor([lost, kept]))
    changed = (memory.memory.vectors != before).any(1).nonzero()[:, 0].tolist()
    assert changed == [int(first[kept])]
    memory.begin_epoch(embeddings, labels)
    assert not torch.equal(memory.place, first)


def test_a_resumed_memory_draws_what_the_unbroken_one_would():
    labels, embeddings = torch.tensor([0, 0, 1, 1, -1, 2]), unit(6)
    memory, resumed = sampled(6, 4), sampled(6, 4)
    memory.begin_epoch(embeddings, labels)
    resumed.load_state_dict(memory.state_dict())
    for one in (memory, resumed):
        one.begin_epoch(embeddings, labels)
    assert torch.equal(memory.place, resumed.place)
