"""Golden case ``firm_memory``: plans, gate and update of a step, one pass of merging, and four clusters to split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from reknow.methods.firm.memory import (
    ClusterMemory,
    bootstrap,
    dispersion,
    merge,
    mergeable_pairs,
    open_gate,
    split,
    transport_plans,
    update,
)

CASE = load_file(Path(__file__).parent / "data" / "firm_memory.safetensors")
VIEWS = ("fus", "rgb", "ir")


def close(made: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(made.double(), expected.double(), atol=1e-5, rtol=0)


def stacked(place: str, name: str) -> Tensor:
    return torch.stack([CASE[f"{place}/{name}_{view}"] for view in VIEWS], 1)


def memory_of(place: str) -> ClusterMemory:
    counts = CASE[f"{place}/n"].long()
    return ClusterMemory(
        stacked(place, "proto"),
        stacked(place, "valid").bool(),
        counts,
        CASE[f"{place}/s"].clone(),
        parents=torch.full_like(counts, -1),
        low_cycles=torch.zeros_like(counts),
    )


def rows_of(place: str) -> tuple[Tensor, Tensor, Tensor]:
    return CASE[f"{place}/f_fus"], CASE[f"{place}/f_vis"], CASE[f"{place}/modality"].bool()


def test_plans_gate_and_update_of_a_step():
    memory, rows = memory_of("in/step"), rows_of("in/step")
    infrared = rows[2]
    plans = transport_plans(memory, *rows)
    close(plans.plans[0], CASE["out/step/P_fus"])
    close(plans.plans[1][~infrared], CASE["out/step/P_rgb"])
    close(plans.plans[2][infrared], CASE["out/step/P_ir"])
    assert not plans.plans[1][infrared].any() and not plans.plans[2][~infrared].any()
    close(plans.confidences[0], CASE["out/step/omega_fus"])
    close(plans.confidences[1:].amax(0), CASE["out/step/omega_own"])
    assert torch.equal(plans.clusters, CASE["out/step/k_star"].long())
    gate = open_gate(plans.confidences)
    assert torch.equal(gate, CASE["out/step/gate"].bool())
    update(memory, *rows, plans, gate)
    close(memory.prototypes, stacked("out/step", "proto"))
    close(memory.counts, CASE["out/step/n"])
    close(memory.confidence_sums, CASE["out/step/s"])


def test_a_pass_of_merging():
    memory = memory_of("in/merge")
    assert torch.equal(mergeable_pairs(memory), CASE["out/merge/candidate_pairs_sorted"].long())
    merged, old_to_new = merge(memory)
    assert torch.equal(old_to_new, CASE["out/merge/old_to_new"].long())
    for first, second in CASE["out/merge/pairs"].tolist():
        assert old_to_new[first] == old_to_new[second]
    close(merged.prototypes, stacked("out/merge", "proto"))
    assert torch.equal(merged.valid, stacked("out/merge", "valid").bool())
    close(merged.counts, CASE["out/merge/n"])
    close(merged.confidence_sums, CASE["out/merge/s"])


@pytest.mark.parametrize("name", ["two", "tight", "small", "three"])
def test_a_cluster_that_may_be_split(name):
    rows, out = rows_of(f"in/split_{name}"), f"out/split_{name}"
    labels = torch.zeros(len(rows[0]), dtype=torch.long)
    memory = bootstrap(*rows, labels)
    close(memory.prototypes[0], torch.stack([CASE[f"in/split_{name}/proto_{view}"] for view in VIEWS]))
    memory = replace(memory, prototypes=torch.stack([CASE[f"in/split_{name}/proto_{view}"] for view in VIEWS])[None])
    spread = dispersion(memory, *rows, labels)
    close(spread[0], CASE[f"{out}/var_fus_rgb_ir"])
    after, children = split(memory, *rows, labels)
    assert torch.equal(children, CASE[f"{out}/child_label"].long())
    for child in range(int(children.max()) + 1):
        close(after.prototypes[child], torch.stack([CASE[f"{out}/child{child}_proto_{view}"] for view in VIEWS]))
    assert f"{out}/child{len(after)}_proto_fus" not in CASE
    far_apart = bool(CASE[f"{out}/trigger"])
    assert (len(after) > 1) == (far_apart and name != "small")


def test_every_output_is_compared():
    outputs = {name.split("/")[1] for name in CASE if name.startswith("out/")}
    assert outputs == {"step", "merge", "split_two", "split_tight", "split_small", "split_three"}
