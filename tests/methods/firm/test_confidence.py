"""Transport confidences, the gate and the update: their laws, the plain loop, and what balanced columns cannot do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from plain_memory import plain_update
from reknow.errors import DataError, RecipeError
from reknow.methods.firm.confidence import check_plan
from reknow.methods.firm.memory import (
    ClusterMemory,
    Transport,
    bootstrap,
    open_gate,
    transport_plans,
    update,
)

close = torch.testing.assert_close
PROBLEMS = {"seed": st.integers(0, 10**6), "batch": st.integers(0, 20), "clusters": st.integers(1, 5)}


def world(seed: int, batch: int, clusters: int, dim: int = 6, noise: float = 0.4):
    """A memory in which some views are invalid, and a batch around its clusters: fusion, visual, infrared."""
    random = torch.Generator().manual_seed(seed)
    centers = torch.randn(2, clusters, dim, generator=random)
    labels = torch.arange(4 * clusters) % clusters
    infrared = torch.rand(len(labels), generator=random) < 0.5
    rows = centers[:, labels] + noise * torch.randn(2, len(labels), dim, generator=random)
    memory = bootstrap(*rows, infrared, labels)
    own = torch.randint(clusters, (batch,), generator=random)
    fusion, visual = centers[:, own] + noise * torch.randn(2, batch, dim, generator=random)
    return memory, fusion, visual, torch.rand(batch, generator=random) < 0.5


def large(clusters: int = 400, batch: int = 64, dim: int = 48):
    """A batch of four pictures each of some of the clusters; as published."""
    random = torch.Generator().manual_seed(0)
    centers = torch.randn(clusters, dim, generator=random)
    infrared = torch.arange(2 * clusters) % 2 == 1
    own = torch.arange(2 * clusters) // 2
    memory = bootstrap(centers[own], centers[own], infrared, own)
    near = centers[torch.arange(batch) // 4 * 5] + 0.7 * torch.randn(batch, dim, generator=random)
    return memory, near, near, torch.arange(batch) % 2 == 1


@settings(max_examples=25, deadline=None)
@given(**PROBLEMS, slack=st.sampled_from([None, 0.0, 0.05]))
def test_rows_that_take_part_sum_to_1_and_others_are_zeros(seed, batch, clusters, slack):
    memory, fusion, visual, infrared = world(seed, batch, clusters)
    kept = torch.rand(batch, generator=torch.Generator().manual_seed(seed)) < 0.7
    plans = transport_plans(memory, fusion, visual, infrared, kept, Transport(column_slack=slack)).plans
    present = torch.stack([kept, kept & ~infrared, kept & infrared]) & memory.valid.any(0)[:, None]
    close(plans.sum(2), present.float(), atol=1e-5, rtol=0)
    assert not plans.transpose(0, 1).permute(0, 2, 1)[:, ~memory.valid].any()


def test_relaxed_columns_open_the_gate_with_400_clusters_and_64_pictures():
    memory, fusion, visual, infrared = large()
    plans = transport_plans(memory, fusion, visual, infrared)
    assert plans.confidences[0].mean() > 0.5
    assert open_gate(plans.confidences).float().mean() > 0.9
    assert torch.equal(plans.clusters, torch.arange(64) // 4 * 5)


@pytest.mark.parametrize("iterations", [5, 500])
def test_balanced_columns_cannot_open_it(iterations):
    memory, fusion, visual, infrared = large()
    plans = transport_plans(
        memory, fusion, visual, infrared, transport=Transport(column_slack=None, iterations=iterations)
    )
    assert not open_gate(plans.confidences).any()
    if iterations == 500:  # with columns of equal sums no entry is above one
        assert plans.confidences[0].max() <= 64 / 400 + 1e-4
        assert plans.confidences[1:].max() <= 32 / 400 + 1e-4


@pytest.mark.parametrize("case", ["no picture", "all left out", "no valid prototype", "no cluster"])
def test_nothing_to_transport_or_nothing_to_transport_to(case):
    memory, *rows = world(0, 5, 3)
    kept = torch.full((5,), case != "all left out")
    if case == "no picture":
        rows, kept = [part[:0] for part in rows], kept[:0]
    if case == "no valid prototype":
        memory = replace(memory, valid=torch.zeros_like(memory.valid))
    if case == "no cluster":
        memory = memory[torch.zeros(0, dtype=torch.long)]
    plans = transport_plans(memory, *rows, kept)
    assert plans.plans.shape == (3, len(kept), len(memory))
    assert not plans.plans.any() and not plans.confidences.any() and (plans.clusters == -1).all()
    assert not open_gate(plans.confidences, fusion=0.0, own=0.0).any()
    before = memory.prototypes.clone()
    update(memory, *rows, plans, torch.ones_like(kept))
    assert torch.equal(memory.prototypes, before) and not memory.confidence_sums.any()


def test_with_a_single_cluster_every_picture_is_sure():
    memory, fusion, visual, infrared = world(1, 6, 1)
    memory = replace(memory, valid=torch.ones_like(memory.valid))
    assert torch.equal(transport_plans(memory, fusion, visual, infrared).confidences[0], torch.ones(6))


def test_a_feature_that_points_nowhere_is_never_sure_and_changes_no_other_row():
    memory, fusion, visual, infrared = world(2, 6, 3)
    with_zeros = torch.cat([fusion, torch.zeros(1, 6)]), torch.cat([visual, torch.zeros(1, 6)])
    longer = torch.cat([infrared, torch.tensor([True])])
    plans = transport_plans(memory, *with_zeros, longer)
    close(plans.plans[:, :6], transport_plans(memory, fusion, visual, infrared).plans)
    assert not plans.plans[:, 6].any() and plans.clusters[6] == -1


@pytest.mark.parametrize("side", ["fusion", "visual"])
def test_features_that_are_not_finite_are_refused(side):
    memory, fusion, visual, infrared = world(0, 5, 3)
    plans = transport_plans(memory, fusion, visual, infrared)
    {"fusion": fusion, "visual": visual}[side][3, 0] = torch.nan
    with pytest.raises(DataError, match=f"{side} features: 1 of 5 rows"):
        transport_plans(memory, fusion, visual, infrared)
    everyone = torch.ones(5, dtype=torch.bool)
    with pytest.raises(DataError, match=f"{side} features"):
        update(memory, fusion, visual, infrared, plans, everyone)
    assert not memory.confidence_sums.any()  # nothing was changed


def test_half_precision_and_autocast_are_computed_in_32_bit():
    memory, fusion, visual, infrared = world(3, 8, 4)
    half = transport_plans(memory, fusion.half(), visual.half(), infrared)
    close(half.plans, transport_plans(memory, fusion.half().float(), visual.half().float(), infrared).plans)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = transport_plans(memory, fusion, visual, infrared)
    assert torch.equal(inside.plans, transport_plans(memory, fusion, visual, infrared).plans)


def test_there_is_no_gradient():
    memory, fusion, visual, infrared = world(0, 5, 3)
    assert not transport_plans(memory, fusion.requires_grad_(), visual.requires_grad_(), infrared).plans.requires_grad


def test_a_gate_opens_above_both_thresholds():
    confidences = torch.tensor([[0.51, 0.51, 0.5, 0.9], [0.41, 0.0, 0.9, 0.4], [0.0, 0.41, 0.0, 0.0]])
    assert open_gate(confidences).tolist() == [True, True, False, False]
    assert open_gate(confidences, fusion=0.6, own=0.3).tolist() == [False, False, False, True]


@settings(max_examples=30, deadline=None)
@given(**PROBLEMS)
def test_the_update_is_the_sequential_one(seed, batch, clusters):
    memory, *rows = world(seed, batch, clusters)
    plans = transport_plans(memory, *rows)
    gate = torch.rand(batch, generator=torch.Generator().manual_seed(seed)) < 0.8
    before = memory.prototypes.clone()
    prototypes, counts, sums = plain_update(memory, *rows, plans, gate)
    update(memory, *rows, plans, gate)
    close(memory.prototypes, prototypes, atol=1e-5, rtol=0)
    assert torch.equal(memory.counts, counts)
    close(memory.confidence_sums, sums)
    close(memory.prototypes.norm(dim=2), memory.valid.float(), atol=1e-6, rtol=0)
    untouched = torch.ones(clusters, dtype=torch.bool).index_fill(0, plans.clusters[gate], False)
    assert torch.equal(memory.prototypes[untouched], before[untouched])


def test_two_pictures_of_a_cluster_move_it_in_the_order_of_the_batch():
    memory, *rows = world(4, 12, 1)
    gate = torch.ones(12, dtype=torch.bool)
    backward = replace(memory, prototypes=memory.prototypes.clone())
    update(memory, *rows, transport_plans(memory, *rows), gate)
    turned = [part.flip(0) for part in rows]
    update(backward, *turned, transport_plans(backward, *turned), gate)
    assert (memory.prototypes - backward.prototypes).abs().max() > 1e-3


@settings(max_examples=20, deadline=None)
@given(**PROBLEMS)
def test_other_numbers_of_the_clusters_change_nothing_else(seed, batch, clusters):
    memory, *rows = world(seed, batch, clusters)
    order = torch.randperm(clusters, generator=torch.Generator().manual_seed(seed))
    renumbered = memory[order]
    for changed in (memory, renumbered):
        plans = transport_plans(changed, *rows)
        update(changed, *rows, plans, open_gate(plans.confidences))
    close(renumbered.prototypes, memory.prototypes[order], atol=1e-5, rtol=0)
    assert torch.equal(renumbered.counts, memory.counts[order])


def test_a_view_that_is_invalid_stays_so():
    visible = torch.zeros(4, dtype=torch.bool)
    memory: ClusterMemory = bootstrap(torch.eye(4), torch.eye(4), visible, torch.tensor([0, 0, 1, 1]))
    infrared = torch.tensor([True])
    row = normalize(torch.tensor([[1.0, 1.0, 0.1, 0.0]]), dim=1)
    plans = transport_plans(memory, row, row, infrared)
    before = memory.prototypes.clone()
    assert not open_gate(plans.confidences).any()  # its own view is nowhere
    update(memory, row, row, infrared, plans, torch.tensor([True]))
    assert not memory.prototypes[:, 2].any() and not memory.valid[:, 2].any()
    assert torch.equal(memory.prototypes[:, 1], before[:, 1]) and not torch.equal(memory.prototypes, before)


def test_settings_that_make_no_sense_are_refused():
    for wrong in ({"epsilon": 0.0}, {"iterations": 0}, {"column_slack": -1.0}):
        with pytest.raises(RecipeError, match="method"):
            Transport(**wrong)


def test_plans_of_other_pictures_and_rates_beyond_a_half_are_refused():
    rows, infrared = torch.eye(4), torch.tensor([False, True, False, True])
    memory = bootstrap(rows, rows, infrared, torch.arange(4))
    plans = transport_plans(memory, rows, rows, infrared)
    check_plan(plans.plans[0], 4, 4)
    with pytest.raises(DataError, match=r"plan: shape \(4, 4\).*\(2, 4\)"):
        check_plan(plans.plans[0], 2, 4)
    other = bootstrap(rows[:2], rows[:2], infrared[:2], torch.arange(2))
    with pytest.raises(DataError, match=r"plan: shape \(4, 4\).*\(4, 2\)"):
        update(other, rows, rows, infrared, plans, infrared)
    for rate in (0.5, -0.1, float("nan")):
        with pytest.raises(RecipeError, match="rate"):
            update(memory, rows, rows, infrared, plans, infrared, rate)
    assert torch.equal(memory.prototypes, bootstrap(rows, rows, infrared, torch.arange(4)).prototypes)
