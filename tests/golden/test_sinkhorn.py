"""Golden case ``sinkhorn``: balanced and relaxed plans, after five iterations and converged; matched clusters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from reknow.clustering.transport import sinkhorn

CASE = load_file(Path(__file__).parent / "data" / "sinkhorn.safetensors")
CONVERGED = 2_000

problems = pytest.mark.parametrize("problem", [0, 1])


def close(made: torch.Tensor, expected: torch.Tensor) -> None:
    tolerance = 5e-6 if made.dtype == torch.float32 else 1e-11
    torch.testing.assert_close(made.double(), expected, atol=tolerance, rtol=0)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["32 bit", "64 bit"])
def dtype(request):
    return request.param


@problems
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_balanced(problem, epsilon, dtype):
    cost, out = CASE[f"in/{problem}/cost"].to(dtype), f"out/{problem}/balanced_eps{epsilon}"
    plan = sinkhorn(cost, epsilon=epsilon, iterations=CONVERGED)
    of_all = plan / len(cost)
    close(of_all, CASE[f"{out}/plan"])
    close(plan.amax(1), CASE[f"{out}/omega_rownorm"])
    close((of_all * cost).sum(), CASE[f"{out}/transport_cost"])


@problems
@pytest.mark.parametrize("slack", [0.05, 0.5])
@pytest.mark.parametrize(("name", "iterations"), [("5it", 5), ("converged", CONVERGED)])
def test_relaxed(problem, slack, name, iterations, dtype):
    plan = sinkhorn(CASE[f"in/{problem}/cost"].to(dtype), iterations=iterations, column_slack=slack)
    out = f"out/{problem}/relaxed_rho{slack}_{name}"
    close(plan, CASE[f"{out}/plan"])
    confidence, column = plan.max(1)
    close(confidence, CASE[f"{out}/omega"])
    assert torch.equal(column.int(), CASE[f"{out}/argmax"])


@problems
def test_matched_clusters(problem):
    rgb, infrared = (
        functional.normalize(CASE[f"in/{problem}/match_centres_{view}"].double(), dim=1) for view in ("rgb", "ir")
    )
    cost = (-rgb @ infrared.T).exp()
    torch.testing.assert_close(cost, CASE[f"out/{problem}/match/cost"], atol=1e-7, rtol=0)
    plan = sinkhorn(cost, epsilon=5.0, iterations=CONVERGED)
    torch.testing.assert_close(plan / len(plan), CASE[f"out/{problem}/match/plan"], atol=1e-9, rtol=0)
    assert torch.equal(plan.argmax(1).int(), CASE[f"out/{problem}/match/rgb_to_ir"])
    assert torch.equal(plan.argmax(0).int(), CASE[f"out/{problem}/match/ir_to_rgb"])


def test_every_case_is_compared():
    outputs = {name.split("/", 2)[2].split("/")[0] for name in CASE if name.startswith("out/")}
    balanced = {f"balanced_eps{epsilon}" for epsilon in (0.05, 0.5)}
    relaxed = {f"relaxed_rho{slack}_{end}" for slack in (0.05, 0.5) for end in ("5it", "converged")}
    assert outputs == balanced | relaxed | {"match"}
