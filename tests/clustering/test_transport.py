"""Optimal transport: as POT's, the laws of a plan, numbers that leave no room for exp, and what is refused."""

from __future__ import annotations

import importlib
import inspect
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.clustering.transport import sinkhorn
from reknow.errors import DataError, RecipeError

close = torch.testing.assert_close


@pytest.fixture(scope="module")
def ot():
    """POT, whose import warns of its docstrings where it is not compiled yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("ot")


def costs(seed: int, rows: int = 9, columns: int = 6, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Distances of unit rows to unit centers, as 1 minus the cosine."""
    random = torch.Generator().manual_seed(seed)
    sides = [torch.randn(size, 5, generator=random, dtype=torch.float64) for size in (rows, columns)]
    first, second = (torch.nn.functional.normalize(side, dim=1) for side in sides)
    return (1 - first @ second.T).to(dtype)


def entropy(plan: torch.Tensor) -> float:
    return float(torch.special.entr(plan).sum())


problems = given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    slack=st.sampled_from([None, 0.0, 0.05, 0.5]),
)


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_a_balanced_plan_is_that_of_pot(ot, epsilon):
    cost = costs(0).numpy()
    expected = ot.sinkhorn(
        np.full(9, 1 / 9), np.full(6, 1 / 6), cost, epsilon, method="sinkhorn_log", numItermax=20_000, stopThr=1e-13
    )
    np.testing.assert_allclose(
        sinkhorn(torch.from_numpy(cost), epsilon=epsilon, iterations=5_000) / 9, expected, atol=1e-9
    )


@pytest.mark.filterwarnings("ignore:If reg_type = entropy")
@pytest.mark.parametrize("slack", [0.05, 0.5])
def test_a_relaxed_plan_is_that_of_pot(ot, slack):
    cost = costs(1).numpy()
    options = {"numItermax": 20_000, "stopThr": 1e-14}
    expected = ot.unbalanced.sinkhorn_unbalanced(
        np.ones(9), np.full(6, 9 / 6), cost, 0.05, (math.inf, slack), reg_type="entropy", **options
    )
    ours = sinkhorn(torch.from_numpy(cost), iterations=5_000, column_slack=slack)
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_with_little_entropy_it_is_the_cheapest_plan(ot):
    cost = costs(2)
    cheapest = ot.emd2(np.full(9, 1 / 9), np.full(6, 1 / 6), cost.numpy())
    plan = sinkhorn(cost, epsilon=0.01, iterations=2_000)
    assert float((plan * cost).sum()) / 9 == pytest.approx(cheapest, abs=1e-3)


@settings(max_examples=60, deadline=None)
@problems
def test_rows_sum_to_1_after_any_number_of_iterations(seed, rows, columns, slack):
    for iterations in (1, 5):
        for dtype in (torch.float32, torch.float64):
            plan = sinkhorn(costs(seed, rows, columns, dtype), iterations=iterations, column_slack=slack)
            assert plan.dtype == dtype and (plan >= 0).all()
            close(plan.sum(1), torch.ones(rows, dtype=dtype), atol=10 * torch.finfo(dtype).eps, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 12), columns=st.integers(1, 12))
def test_balanced_columns_share_the_rows(seed, rows, columns):
    plan = sinkhorn(costs(seed, rows, columns), epsilon=0.5, iterations=300)
    close(plan.sum(0), torch.full((columns,), rows / columns, dtype=torch.float64), atol=1e-8, rtol=0)
    assert float(plan.max()) <= rows / columns + 1e-8


@settings(max_examples=30, deadline=None)
@problems
def test_the_order_of_rows_and_columns_is_kept(seed, rows, columns, slack):
    cost, random = costs(seed, rows, columns), torch.Generator().manual_seed(seed)
    of_rows, of_columns = torch.randperm(rows, generator=random), torch.randperm(columns, generator=random)
    plan = sinkhorn(cost, column_slack=slack)
    close(sinkhorn(cost[of_rows][:, of_columns], column_slack=slack), plan[of_rows][:, of_columns])


@settings(max_examples=30, deadline=None)
@problems
def test_a_constant_of_a_row_changes_nothing(seed, rows, columns, slack):
    cost = costs(seed, rows, columns)
    constants = torch.linspace(-1e6, 1e6, rows, dtype=torch.float64)[:, None]
    close(sinkhorn(cost + constants, column_slack=slack), sinkhorn(cost, column_slack=slack), atol=1e-6, rtol=0)


def test_a_constant_of_a_column_changes_nothing_where_columns_are_balanced():
    cost = costs(3)
    changed = cost + torch.linspace(-1, 1, 6, dtype=torch.float64)
    close(sinkhorn(changed), sinkhorn(changed - changed[:1, :1]), atol=1e-12, rtol=0)
    balanced = [sinkhorn(matrix, iterations=2_000) for matrix in (cost, changed)]
    close(*balanced, atol=1e-8, rtol=0)
    relaxed = [sinkhorn(matrix, iterations=2_000, column_slack=0.5) for matrix in (cost, changed)]
    assert float((relaxed[0] - relaxed[1]).abs().max()) > 0.1


@settings(max_examples=15, deadline=None)
@problems
def test_a_larger_epsilon_gives_more_entropy(seed, rows, columns, slack):
    cost = costs(seed, rows, columns)
    spread = [
        entropy(sinkhorn(cost, epsilon=epsilon, iterations=200, column_slack=slack)) for epsilon in (0.3, 0.6, 2.0)
    ]
    assert spread[0] <= spread[1] + 1e-6 <= spread[2] + 2e-6


def test_slack_leads_from_free_columns_to_balanced_ones():
    cost = costs(4)
    close(sinkhorn(cost, column_slack=0.0), (-cost / 0.05).softmax(1))
    far = sinkhorn(cost, iterations=1_000, column_slack=1e6)
    close(far, sinkhorn(cost, iterations=1_000), atol=1e-5, rtol=0)
    uneven = [
        float((sinkhorn(cost, iterations=1_000, column_slack=slack).sum(0) - 9 / 6).abs().sum())
        for slack in (0.0, 0.05, 0.5, 5.0)
    ]
    assert uneven == sorted(uneven, reverse=True) and uneven[-1] < uneven[0] / 4


def test_a_balanced_batch_that_is_small_is_never_sure_and_a_relaxed_one_is():
    """64 rows near 32 of 400 centers: what FIRM's thresholds of 0.4 and 0.5 meet."""
    random = torch.Generator().manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(400, 64, generator=random), dim=1)
    rows = centers[torch.arange(64) // 2] + 0.05 * torch.randn(64, 64, generator=random)
    cost = 1 - torch.nn.functional.normalize(rows, dim=1) @ centers.T
    assert float(sinkhorn(cost, iterations=500).max()) <= 64 / 400 + 1e-3
    confidence, column = sinkhorn(cost, column_slack=0.05).max(1)
    assert torch.equal(column, torch.arange(64) // 2)
    assert float(confidence.min()) > 0.5


def test_costs_for_which_exp_is_zero():
    cost = 1e4 * costs(5, dtype=torch.float32)
    for slack in (None, 0.05, 0.5):
        plan = sinkhorn(cost, iterations=50, column_slack=slack)
        close(plan.sum(1), torch.ones(9))
        assert float(plan.max(1).values.min()) > 1 / 6
    # Where a row is 1e6 away from everything, 32 bit still tells its costs apart.
    near = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    close(sinkhorn(near + torch.tensor([[0.0], [2.0**20]]), epsilon=0.5), sinkhorn(near, epsilon=0.5))


def test_an_infinite_cost_forbids():
    cost = costs(6)
    cost[0, 1:] = torch.inf
    cost[3, 2] = torch.inf
    for slack in (None, 0.0, 0.5):
        plan = sinkhorn(cost, iterations=50, column_slack=slack)
        assert (plan[cost.isinf()] == 0).all()
        close(plan.sum(1), torch.ones(9, dtype=torch.float64))


def test_half_precision_is_computed_in_32_bit():
    cost = costs(7).half()
    with torch.autocast("cpu", torch.bfloat16):
        plan = sinkhorn(cost)
    assert plan.dtype == torch.float32
    close(plan, sinkhorn(cost.float()), atol=0, rtol=0)


def test_costs_are_not_changed_and_a_plan_has_no_gradient():
    cost = costs(8).requires_grad_()
    before = cost.detach().clone()
    assert not sinkhorn(cost).requires_grad
    assert torch.equal(cost.detach(), before)
    transposed = cost.detach().T.contiguous().T
    close(sinkhorn(transposed), sinkhorn(cost))


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ((2, 1), math.nan, "nan in row 2, column 1"),
        ((0, 0), -math.inf, "-inf in row 0, column 0"),
        (slice(1, 3), math.inf, "every cost of row 1, 2 is infinite"),
        ((slice(None), 4), math.inf, "every cost of column 4 is infinite"),
        ((slice(None), 4), 1e308, "over epsilon, 0.05, are beyond float64"),
    ],
)
def test_costs_without_a_plan_are_refused(place, value, sentence):
    cost = costs(9)
    cost[place] = value
    with pytest.raises(DataError, match=sentence):
        sinkhorn(cost)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3), (3, 0)])
def test_what_is_no_matrix_is_refused(shape):
    # Unwrapped: in tests the checked signature would refuse it first.
    with pytest.raises(DataError, match=r"shape \(.*\); expected \(B, K\)"):
        inspect.unwrap(sinkhorn)(torch.zeros(shape))


@pytest.mark.parametrize(
    "settings",
    [
        *({"epsilon": value} for value in (0.0, -1.0, math.nan, math.inf)),
        *({"iterations": value} for value in (0, -3)),
        *({"column_slack": value} for value in (-0.1, math.nan, math.inf)),
    ],
    ids=str,
)
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(RecipeError, match=f"{next(iter(settings))}: {next(iter(settings.values()))}; expected"):
        sinkhorn(costs(10), **settings)
