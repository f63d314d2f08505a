"""The state of FIRM's memory: means of views, what is invalid, what is refused, and what a checkpoint keeps."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plain_memory import plain_means
from reknow.errors import DataError
from reknow.methods.firm import cluster_memory
from reknow.methods.firm.cluster_memory import check_rows
from reknow.methods.firm.memory import ClusterMemory, StoredMemory, bootstrap, recounted

close = torch.testing.assert_close
DRAWN = {"seed": st.integers(0, 10**6), "rows": st.integers(0, 30), "clusters": st.integers(1, 6)}


def drawn(seed: int, rows: int, clusters: int, dim: int = 5):
    """Fusion, visual, infrared, labels; of any length, some of them noise."""
    random = torch.Generator().manual_seed(seed)
    fusion, visual = 3 * torch.randn(2, rows, dim, generator=random)
    labels = torch.randint(-1, clusters, (rows,), generator=random)
    return fusion, visual, torch.rand(rows, generator=random) < 0.5, labels


def same(first: ClusterMemory, second: ClusterMemory) -> None:
    for field in fields(ClusterMemory):
        close(getattr(first, field.name), getattr(second, field.name))


@settings(max_examples=25, deadline=None)
@given(**DRAWN)
def test_prototypes_are_the_means_of_each_view(seed, rows, clusters):
    fusion, visual, infrared, labels = drawn(seed, rows, clusters)
    memory = bootstrap(fusion, visual, infrared, labels, clusters)
    prototypes, valid = plain_means(fusion, visual, infrared, labels, clusters)
    close(memory.prototypes, prototypes, atol=1e-5, rtol=0)
    assert torch.equal(memory.valid, valid)
    close(memory.prototypes.norm(dim=2), valid.float(), atol=1e-6, rtol=0)
    assert memory.counts.tolist() == [(labels == cluster).sum() for cluster in range(clusters)]
    assert not memory.confidence_sums.any() and (memory.parents == -1).all() and not memory.low_cycles.any()


@settings(max_examples=20, deadline=None)
@given(**DRAWN)
def test_the_order_of_rows_and_their_lengths_do_not_matter(seed, rows, clusters):
    fusion, visual, infrared, labels = drawn(seed, rows, clusters)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    moved = bootstrap(7 * fusion[order], 0.01 * visual[order], infrared[order], labels[order], clusters)
    same(moved, bootstrap(fusion, visual, infrared, labels, clusters))


def test_more_rows_than_are_taken_at_once(monkeypatch):
    rows = drawn(0, 50, 4)
    whole = bootstrap(*rows)
    monkeypatch.setattr(cluster_memory, "ROWS_AT_ONCE", 7)
    same(bootstrap(*rows), whole)


def test_labels_decide_the_number_of_clusters_and_clusters_may_be_empty():
    fusion, visual, infrared, _ = drawn(0, 4, 1)
    memory = bootstrap(fusion, visual, infrared, torch.tensor([3, -1, 3, 3]))
    assert len(memory) == 4 and memory.counts.tolist() == [0, 0, 0, 3]
    assert not memory.valid[:3].any() and not memory.prototypes[:3].any()
    assert len(bootstrap(fusion, visual, infrared, torch.full((4,), -1))) == 0
    assert len(bootstrap(fusion[:0], visual[:0], infrared[:0], torch.zeros(0, dtype=torch.long), clusters=2)) == 2
    assert len(bootstrap(fusion, visual, infrared, torch.zeros(4, dtype=torch.long))) == 1


def test_a_feature_that_points_nowhere_counts_in_no_mean_and_opposite_ones_make_no_prototype():
    visual = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8], [-0.6, -0.8]])
    memory = bootstrap(visual, visual, torch.tensor([False, False, True, True]), torch.tensor([0, 0, 0, 0]))
    assert memory.prototypes[0].tolist() == [[1, 0], [1, 0], [0, 0]]
    assert memory.valid[0].tolist() == [True, True, False]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_features_that_are_not_finite_are_refused(bad, side):
    fusion, visual, infrared, labels = drawn(0, 6, 1)
    (fusion, visual)[side][2, 1] = bad
    with pytest.raises(DataError, match=r"(fusion|visual) features: 1 of 6 rows hold NaN, infinity .*: rows 2"):
        bootstrap(fusion, visual, infrared, torch.zeros_like(labels))


@pytest.mark.parametrize("label", [-2, 3])
def test_a_label_that_is_no_cluster_is_refused(label):
    rows = drawn(0, 4, 3)
    with pytest.raises(DataError, match=f"cluster {label}; expected -1 for noise, or 0 to 2"):
        bootstrap(*rows[:3], torch.tensor([0, label, 1, 2]), clusters=3)
    with pytest.raises(DataError, match=f"cluster {label}"):
        recounted(bootstrap(*rows[:3], torch.tensor([0, 1, 1, 2])), torch.tensor([label]))


def test_half_precision_is_computed_in_32_bit_and_64_bit_is_kept():
    fusion, visual, infrared, labels = drawn(1, 20, 3)
    for kind in (torch.float16, torch.bfloat16):
        half = bootstrap(fusion.to(kind), visual.to(kind), infrared, labels)
        same(half, bootstrap(fusion.to(kind).float(), visual.to(kind).float(), infrared, labels))
    assert bootstrap(fusion.double(), visual.double(), infrared, labels).prototypes.dtype == torch.float64


def test_counts_begin_anew():
    memory = bootstrap(*drawn(0, 20, 3))
    memory.counts.add_(100)
    memory.confidence_sums.add_(1.0)
    again = recounted(memory, torch.tensor([0, 0, 2, -1]))
    assert again.counts.tolist() == [2, 0, 1] and not again.confidence_sums.any()
    assert again.prototypes is memory.prototypes


def test_a_checkpoint_brings_the_memory_back_whatever_its_size():
    stored = StoredMemory(5)
    assert len(stored.memory) == 0
    stored.memory = bootstrap(*drawn(0, 20, 3))
    stored.memory.parents[1] = 7
    for clusters in (0, 2, 6):
        resumed = StoredMemory(5)
        resumed.memory = bootstrap(*drawn(1, 20, 1)[:3], torch.full((20,), -1), clusters)
        resumed.load_state_dict({name: value.clone() for name, value in stored.state_dict().items()})
        same(resumed.memory, stored.memory)
        assert resumed.memory.parents[1] == 7


def test_what_is_done_to_a_stored_memory_is_kept_and_the_given_one_stays_as_it_was():
    given, stored = bootstrap(*drawn(0, 20, 3)), StoredMemory(5)
    stored.memory = given
    stored.memory.prototypes[0, 0] = 1.0
    assert (stored.state_dict()["prototypes"][0, 0] == 1).all()
    assert not (given.prototypes[0, 0] == 1).any()


def test_rows_that_do_not_belong_together_are_refused():
    rows, infrared, labels = torch.eye(4), torch.zeros(4, dtype=torch.bool), torch.tensor([0, 1, 1, -1])
    check_rows(rows, rows, infrared, labels)
    with pytest.raises(DataError, match=r"labels: shape \(3,\).*\(4,\)"):
        check_rows(rows, rows, infrared, labels[:3])
    with pytest.raises(DataError, match=r"visual features: shape \(4, 3\).*\(4, 4\)"):
        check_rows(rows, rows[:, :3], infrared, labels)
    with pytest.raises(DataError, match=r"fusion features: shape \(4, 4\).*\(4, 5\)"):
        check_rows(rows, rows, infrared, dim=5)
    with pytest.raises(DataError, match=r"labels: torch.float32"):
        check_rows(rows, rows, infrared, labels.float())
    with pytest.raises(DataError, match=r"infrared: torch.int64.*torch.bool"):
        check_rows(rows, rows, infrared.long(), labels)
