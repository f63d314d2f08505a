"""Merge, split, retire and pull: the plain references, what triggers them, and where the paper's own test cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from plain_memory import plain_children, plain_pairs
from reknow.errors import DataError, RecipeError
from reknow.methods.firm import cluster_memory, evolution
from reknow.methods.firm.memory import (
    ClusterMemory,
    Merging,
    Splitting,
    bootstrap,
    confidence_variance,
    dispersion,
    merge,
    mergeable_pairs,
    pulled_to_fusion,
    relabelled,
    retire,
    split,
)

close = torch.testing.assert_close
SEEDS = st.integers(0, 10**6)


def memory_of(prototypes: torch.Tensor, valid: torch.Tensor | None = None, counts: list[int] | None = None):
    """A memory of (K, 3, D) vectors of any length."""
    clusters = len(prototypes)
    valid = torch.ones(clusters, 3, dtype=torch.bool) if valid is None else valid
    return ClusterMemory(
        normalize(prototypes, dim=2) * valid[..., None],
        valid,
        torch.ones(clusters, dtype=torch.long) if counts is None else torch.tensor(counts, dtype=torch.long),
        torch.rand(clusters, generator=torch.Generator().manual_seed(0)),
        torch.full((clusters,), -1),
        torch.zeros(clusters, dtype=torch.long),
    )


def alike(seed: int, clusters: int, noise: float = 0.25, dim: int = 8) -> ClusterMemory:
    """Clusters of which many are near another, some without a view."""
    random = torch.Generator().manual_seed(seed)
    centers = torch.randn(max(1, clusters // 3), 1, dim, generator=random)
    near = centers[torch.randint(len(centers), (clusters,), generator=random)]
    valid = torch.rand(clusters, 3, generator=random) < 0.9
    counts = torch.randint(0, 9, (clusters,), generator=random).tolist()
    return memory_of(near + noise * torch.randn(clusters, 3, dim, generator=random), valid, counts)


def groups(seed: int, members: list[int], noise: float = 0.3, dim: int = 16):
    """Rows of groups far from each other, mixed up: fusion, visual, infrared and each row's group."""
    random = torch.Generator().manual_seed(seed)
    centers = torch.linalg.qr(torch.randn(dim, dim, generator=random))[0]
    group = torch.arange(len(members)).repeat_interleave(torch.tensor(members))
    group = group[torch.randperm(len(group), generator=random)]
    noise_scale = noise / dim**0.5
    fusion, visual = centers[group] + noise_scale * torch.randn(2, len(group), dim, generator=random)
    return fusion, visual, torch.arange(len(group)) % 2 == 1, group


# --- merge ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [(2_000_000, 512), (3, 2)], ids=["whole", "in pieces"])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, clusters=st.integers(0, 14), noise=st.sampled_from([0.02, 0.15, 0.25]))
def test_merging_is_the_plain_greedy_one(blocks, seed, clusters, noise):
    memory = alike(seed, clusters, noise)
    expected = plain_pairs(memory, Merging())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evolution, "PAIRS_AT_ONCE", blocks[0])
        patch.setattr(evolution, "CLUSTERS_AT_ONCE", blocks[1])
        merged, old_to_new = merge(memory)
    assert len(merged) == clusters - len(expected)
    survivors = [cluster for cluster in range(clusters) if cluster not in [second for _, second in expected]]
    for first, second in expected:
        assert old_to_new[first] == old_to_new[second]
    assert old_to_new[survivors].tolist() == list(range(len(survivors)))
    close(merged.prototypes.norm(dim=2), merged.valid.float(), atol=1e-6, rtol=0)
    assert merged.counts.sum() == memory.counts.sum()
    close(merged.confidence_sums.sum(), memory.confidence_sums.sum())
    alone = [cluster for cluster in survivors if cluster not in [first for first, _ in expected]]
    assert torch.equal(merged.prototypes[old_to_new[alone]], memory.prototypes[alone])


def test_a_duplicated_cluster_is_merged():
    fusion, visual, infrared, group = groups(0, [8, 8])
    labels = group.clone()
    labels[group == 1] = torch.tensor([1, 2]).repeat(4)  # one identity, two clusters
    merged, old_to_new = merge(bootstrap(fusion, visual, infrared, labels))
    assert old_to_new.tolist() == [0, 1, 1]
    whole = bootstrap(fusion, visual, infrared, group)
    close(merged.prototypes[:, 0], whole.prototypes[:, 0], atol=0.02, rtol=0)
    assert merged.counts.tolist() == [8, 8]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, clusters=st.integers(0, 8))
def test_far_prototypes_stay_as_they_are(seed, clusters):
    random = torch.Generator().manual_seed(seed)
    far = torch.linalg.qr(torch.randn(3, 9, 9, generator=random))[0].transpose(0, 1)[:clusters]
    memory = memory_of(far)
    merged, old_to_new = merge(memory)
    assert torch.equal(merged.prototypes, memory.prototypes) and old_to_new.tolist() == list(range(clusters))
    again, _ = merge(merged)
    assert torch.equal(again.prototypes, merged.prototypes)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_other_numbers_of_the_clusters_merge_the_same_ones(seed):
    memory = alike(seed, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
    _, plain = merge(memory)
    _, renumbered = merge(memory[order])
    together = plain[order][:, None] == plain[order]
    assert torch.equal(renumbered[:, None] == renumbered, together)


def test_equal_clusters_are_merged_in_pairs_in_the_order_of_their_numbers(monkeypatch):
    memory = memory_of(torch.ones(5, 3, 4))
    for pairs_at_once in (100, 2):
        monkeypatch.setattr(evolution, "PAIRS_AT_ONCE", pairs_at_once)
        assert merge(memory)[1].tolist() == [0, 0, 1, 1, 2]
    assert len(mergeable_pairs(memory)) == 2


def test_prototypes_are_averaged_by_n_or_plainly():
    near = normalize(torch.tensor([[1.0, 0.0], [1.0, 0.4]]), dim=1)
    memory = memory_of(near[:, None].expand(2, 3, 2).contiguous(), counts=[3, 1])
    by_members, _ = merge(memory)
    plain, _ = merge(memory, Merging(average="plain"))
    close(by_members.prototypes[0, 0], normalize(3 * near[0] + near[1], dim=0))
    close(plain.prototypes[0, 0], normalize(near[0] + near[1], dim=0))
    empty = replace(memory, counts=torch.zeros(2, dtype=torch.long))
    close(merge(empty)[0].prototypes, plain.prototypes)


def test_a_missing_view_drops_its_condition_and_asks_more_of_fusion():
    def pair(cosine: float, visual_cosine: float, valid: list[list[bool]]) -> int:
        turned = [torch.tensor([value, (1 - value**2) ** 0.5]) for value in (cosine, visual_cosine, visual_cosine)]
        start = torch.tensor([1.0, 0.0]).expand(3, 2)
        return len(merge(memory_of(torch.stack([start, torch.stack(turned)]), torch.tensor(valid)))[0])

    whole, without = [True, True, True], [True, True, False]
    assert pair(0.87, 0.8, [whole, whole]) == 1 and pair(0.87, 0.7, [whole, whole]) == 2
    assert pair(0.87, 0.8, [whole, without]) == 2 and pair(0.91, 0.8, [whole, without]) == 1
    assert pair(0.91, 0.7, [whole, without]) == 2  # the view that both have still counts
    assert pair(0.91, 0.0, [[True, True, False], [True, False, True]]) == 1
    assert pair(1.0, 1.0, [whole, [False, True, True]]) == 2


def test_a_view_of_either_side_is_in_the_merged_cluster():
    valid = torch.tensor([[True, True, False], [True, False, True]])
    memory = memory_of(torch.eye(4)[:3].expand(2, 3, 4), valid, counts=[0, 5])
    merged, _ = merge(memory)
    assert merged.valid.all()
    close(merged.prototypes[0], torch.eye(4)[:3])


def test_a_merged_cluster_is_nobodys_child_and_begins_to_count_its_cycles():
    memory = memory_of(torch.eye(4)[[0, 0, 1]][:, None].expand(3, 3, 4))
    memory = replace(memory, parents=torch.tensor([2, 2, 1]), low_cycles=torch.tensor([1, 1, 1]))
    merged, _ = merge(memory)
    assert merged.parents.tolist() == [-1, 1] and merged.low_cycles.tolist() == [0, 1]


# --- split ------------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_dispersion_is_the_mean_distance_of_members(seed):
    fusion, visual, infrared, group = groups(seed, [7, 1, 5], noise=1.0)
    labels = torch.where(torch.rand(13, generator=torch.Generator().manual_seed(seed)) < 0.2, -1, group)
    memory = bootstrap(2 * fusion, visual, infrared, labels, clusters=4)
    spread = dispersion(memory, fusion, 5 * visual, infrared, labels)
    for cluster in range(4):
        for view, features, present in ((0, fusion, infrared | True), (1, visual, ~infrared), (2, visual, infrared)):
            rows = normalize(features[present & (labels == cluster)], dim=1)
            distances = 1 - rows @ memory.prototypes[cluster, view]
            expected = float(distances.mean()) if len(rows) else 0.0
            assert float(spread[cluster, view]) == pytest.approx(expected, abs=1e-6)


def test_dispersion_of_more_rows_than_are_taken_at_once(monkeypatch):
    fusion, visual, infrared, group = groups(0, [20, 9], noise=1.0)
    memory = bootstrap(fusion, visual, infrared, group)
    whole = dispersion(memory, fusion, visual, infrared, group)
    monkeypatch.setattr(cluster_memory, "ROWS_AT_ONCE", 4)
    close(dispersion(memory, fusion, visual, infrared, group), whole)


def test_a_cluster_of_two_identities_is_split():
    fusion, visual, infrared, group = groups(1, [9, 6, 8])
    labels = group.clamp(max=1)  # the last two in one cluster
    labels[0] = -1
    before = bootstrap(fusion, visual, infrared, labels)
    memory, after = split(before, fusion, visual, infrared, labels)
    assert len(memory) == 3 and after[0] == -1
    assert torch.equal(after == 0, labels == 0)
    first = int(group[labels == 1][0])  # the child with the first member keeps the number
    assert torch.equal(after[1:] == 1, (group == first)[1:])
    assert torch.equal(memory.prototypes[0], before.prototypes[0])
    close(memory.prototypes, bootstrap(fusion, visual, infrared, after).prototypes)
    assert memory.counts.tolist() == after[after >= 0].bincount().tolist()
    assert memory.parents.tolist() == [-1, 0, 0] and not memory.confidence_sums[1:].any()
    assert torch.equal(labels, group.clamp(max=1).index_fill(0, torch.tensor(0), -1))  # not changed in place


def test_children_of_children_have_a_new_parent():
    fusion, visual, infrared, group = groups(2, [8, 8, 8])
    memory = replace(bootstrap(fusion, visual, infrared, group.clamp(max=1)), parents=torch.tensor([4, 4]))
    memory, labels = split(memory, fusion, visual, infrared, group.clamp(max=1))
    assert memory.parents.tolist() == [4, 5, 5] and len(labels.unique()) == 3


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, noise=st.sampled_from([0.3, 1.0, 2.0]))
def test_children_are_those_of_a_new_tree_for_every_cut(seed, noise):
    fusion, visual, infrared, _ = groups(seed, [9, 12, 4, 11], noise)
    labels = torch.zeros(36, dtype=torch.long)
    memory, made = split(bootstrap(fusion, visual, infrared, labels), fusion, visual, infrared, labels)
    of_32_bit, same = split(bootstrap(fusion, visual, infrared, labels.int()), fusion, visual, infrared, labels.int())
    assert torch.equal(same, made) and torch.equal(of_32_bit.prototypes, memory.prototypes)
    expected = plain_children(normalize(fusion.double(), dim=1).numpy(), Splitting())
    children = [np.flatnonzero(made.numpy() == child).tolist() for child in range(int(made.max()) + 1)]
    assert children == expected


def test_no_child_is_smaller_than_allowed_and_tight_clusters_stay():
    fusion, visual, infrared, group = groups(3, [9, 4])
    together = torch.zeros_like(group)
    memory = bootstrap(fusion, visual, infrared, together)
    assert len(split(memory, fusion, visual, infrared, together)[0]) == 1
    assert len(split(memory, fusion, visual, infrared, together, Splitting(smallest_child=4))[0]) == 2
    tight = bootstrap(fusion, visual, infrared, group)
    assert len(split(tight, fusion, visual, infrared, group, Splitting(smallest_child=1))[0]) == 2


def test_both_visual_views_together_split_and_a_missing_one_does_not():
    fusion, visual, infrared, group = groups(4, [8, 8], noise=0.6)
    fusion = fusion + 4 * torch.eye(16)[0]  # near each other
    together = torch.zeros_like(group)
    memory = bootstrap(fusion, visual, infrared, together)
    spread = dispersion(memory, fusion, visual, infrared, together)[0]
    assert spread[0] < 0.25 and spread[1] > 0.3 and spread[2] > 0.3
    assert len(split(memory, fusion, visual, infrared, together)[0]) == 2
    visible = torch.zeros_like(infrared)
    memory = bootstrap(fusion, visual, visible, together)
    assert len(split(memory, fusion, visual, visible, together)[0]) == 1


def test_of_a_cluster_too_large_for_a_tree_some_members_are_taken(monkeypatch):
    fusion, visual, infrared, group = groups(5, [40, 25, 35])
    monkeypatch.setattr(evolution, "LARGEST_TREE", 30)
    together = torch.zeros_like(group)
    memory, labels = split(bootstrap(fusion, visual, infrared, together), fusion, visual, infrared, together)
    assert len(memory) == 3
    assert torch.equal(labels[:, None] == labels, group[:, None] == group)


def test_features_that_point_nowhere_and_equal_ones_are_no_trouble():
    rows = torch.eye(4)[[0, 1]].repeat_interleave(6, 0)
    rows = torch.cat([rows, torch.zeros(2, 4)])
    infrared, together = torch.zeros(14, dtype=torch.bool), torch.zeros(14, dtype=torch.long)
    memory = bootstrap(rows, rows, infrared, together)
    assert float(dispersion(memory, rows, rows, infrared, together)[0, 0]) == pytest.approx(1 - 0.5**0.5, abs=1e-6)
    memory, labels = split(memory, rows, rows, infrared, together)
    assert len(memory) == 2 and (labels[:6] == 0).all() and (labels[6:12] == 1).all()
    equal = torch.ones(12, 4)
    memory = bootstrap(equal, equal, infrared[:12], together[:12])
    far = torch.ones(1, 3)
    _, labels = split(memory, equal, equal, infrared[:12], together[:12], spread=far)
    assert labels.bincount().min() >= 5 or not labels.any()


@settings(max_examples=40, deadline=None)
@given(
    confidences=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=12),
    ends=st.booleans(),
    seed=SEEDS,
)
def test_the_papers_variance_is_never_above_a_quarter_and_splits_nothing(confidences, ends, seed):
    values = torch.tensor(confidences).expand(3, -1).clone()
    values = values.round() if ends else values  # zeros and ones vary most
    fusion, visual, infrared, _ = groups(seed, [len(confidences)], noise=3.0)
    together = torch.zeros(len(confidences), dtype=torch.long)
    variance = confidence_variance(values, infrared, together, clusters=1)
    close(variance[0, 0], values[0].double().var(correction=0))
    assert (variance <= 0.25).all()
    memory = bootstrap(fusion, visual, infrared, together)
    assert len(split(memory, fusion, visual, infrared, together, spread=variance)[0]) == 1


def test_the_papers_variance_reaches_a_quarter_and_not_more():
    values = torch.tensor([0.0, 1.0] * 6).expand(3, -1)
    infrared, labels = torch.zeros(12, dtype=torch.bool), torch.tensor([0] * 12)
    assert confidence_variance(values, infrared, labels, clusters=2).tolist() == [[0.25, 0.25, 0.0], [0.0, 0.0, 0.0]]
    assert not confidence_variance(values, infrared, labels - 1, clusters=2).any()


# --- retire, relabel, pull --------------------------------------------------------------------------------------------


def test_a_small_cluster_is_dropped_after_two_cycles_on_end():
    fusion, visual, infrared, group = groups(6, [5, 3, 4])
    memory = bootstrap(fusion, visual, infrared, group)
    memory, kept = retire(memory, group)
    assert kept.tolist() == [0, 1, 2] and memory.low_cycles.tolist() == [0, 1, 0]
    grown = group.clone()
    grown[(group == 0).nonzero()[0]] = 1  # four of each: it has recovered
    recovered, kept = retire(memory, grown)
    assert kept.tolist() == [0, 1, 2] and not recovered.low_cycles.any()
    dropped, kept = retire(memory, group)
    assert kept.tolist() == [0, -1, 1] and len(dropped) == 2
    labels = relabelled(group, kept)
    assert torch.equal(labels == -1, group == 1) and torch.equal(labels == 1, group == 2)
    assert torch.equal(dropped.prototypes, memory.prototypes[[0, 2]])


def test_all_clusters_may_go():
    fusion, visual, infrared, group = groups(7, [2, 2])
    memory = bootstrap(fusion, visual, infrared, group)
    noise = torch.full_like(group, -1)
    memory, _ = retire(memory, noise)
    memory, kept = retire(memory, noise)
    assert len(memory) == 0 and kept.tolist() == [-1, -1]
    for changed, old_to_new in (merge(memory), retire(memory, noise)):
        assert len(changed) == 0 and torch.equal(relabelled(noise, old_to_new), noise)
    assert torch.equal(split(memory, fusion, visual, infrared, noise)[1], noise)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, clusters=st.integers(1, 6))
def test_labels_name_clusters_that_exist_through_a_whole_cycle(seed, clusters):
    fusion, visual, infrared, _ = groups(seed, [7, 3, 9, 6], noise=1.5)
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, clusters, (25,), generator=random)
    memory = bootstrap(fusion, visual, infrared, labels, clusters)
    for _ in range(3):
        memory, old_to_new = merge(memory, Merging(fusion=0.5, rgb=0.3, infrared=0.3, fusion_alone=0.6))
        labels = relabelled(labels, old_to_new)
        memory, labels = split(memory, fusion, visual, infrared, labels, Splitting(fusion=0.1, smallest_child=2))
        memory, old_to_new = retire(memory, labels)
        labels = relabelled(labels, old_to_new)
        assert int(labels.min()) >= -1 and int(labels.max()) < len(memory)
        close(memory.prototypes.norm(dim=2), memory.valid.float(), atol=1e-5, rtol=0)
        siblings = memory.parents[memory.parents >= 0]
        assert len(memory.valid) == len(memory.counts) == len(memory.low_cycles) and (siblings < 100).all()


@pytest.mark.parametrize("label", [-2, 2])
def test_labels_of_another_memory_are_refused(label):
    fusion, visual, infrared, group = groups(8, [5, 5])
    memory, wrong = bootstrap(fusion, visual, infrared, group), group.index_fill(0, torch.tensor(3), label)
    for use in (
        lambda: dispersion(memory, fusion, visual, infrared, wrong),
        lambda: split(memory, fusion, visual, infrared, wrong, spread=torch.zeros(2, 3)),
        lambda: retire(memory, wrong),
        lambda: relabelled(wrong, torch.tensor([0, 1])),
        lambda: confidence_variance(torch.rand(3, 10), infrared, wrong, 2),
    ):
        with pytest.raises(DataError, match=f"cluster {label}"):
            use()


def test_features_that_are_not_finite_are_refused():
    fusion, visual, infrared, group = groups(9, [6, 6])
    memory = bootstrap(fusion, visual, infrared, group)
    fusion[4, 0] = torch.nan
    with pytest.raises(DataError, match="1 of 12 rows hold NaN"):
        split(memory, fusion, visual, infrared, group)


def test_the_pull_moves_visual_prototypes_toward_fusion_and_leaves_invalid_ones():
    memory = alike(0, 12, noise=2.0)
    pulled = pulled_to_fusion(memory)
    both = memory.valid & memory.valid[:, :1]
    expected = normalize(0.9 * memory.prototypes + 0.1 * memory.prototypes[:, :1], dim=2)
    close(pulled.prototypes[both], expected[both])
    assert torch.equal(pulled.prototypes[~both], memory.prototypes[~both])
    close(pulled.prototypes[:, 0], memory.prototypes[:, 0])


def test_settings_that_make_no_sense_are_refused():
    for make in (
        lambda: Merging(fusion=1.5),
        lambda: Splitting(smallest_child=0),
        lambda: Splitting(rgb=-0.1),
    ):
        with pytest.raises(RecipeError, match="method"):
            make()
