"""Optimal transport with entropy: soft assignments of rows to columns (Cuturi, "Sinkhorn Distances", NIPS 2013).

Rows are transported whole; columns take equal shares, exactly or only roughly. With costs C, B rows and K columns the
plan is the P of row sums 1 for which

    <C, P>  +  epsilon sum P (log P - 1)  +  rho KL(column sums | B / K)

is smallest, where rho = infinity makes the columns balanced (Chizat et al., "Scaling Algorithms for Unbalanced Optimal
Transport Problems", Mathematics of Computation 2018). It is P = u exp(-C / epsilon) v, and an iteration is

    u = 1 / (exp(-C / epsilon) v)                   rows sum to 1
    v = (B / K / (u exp(-C / epsilon)))^exponent    exponent = rho / (rho + epsilon), or 1

from v = 1, with one more update of u at the end.

Decisions. All is computed on logarithms, since exp(-C / epsilon) is 0 in 32 bit from a cost of 5.2 at epsilon 0.05. A
last update of the rows and the plan are together a softmax, which sums to 1 to the last digit. A constant added to a
row changes no plan, so each row's smallest cost is made 0 first, and large constants cost no digits. There is no
gradient: the plan is a target.

Which of the two. No entry of a balanced plan is above B / K: a batch of 64 over 395 clusters gives each of them some of
its rows, and none of it more than 0.16 of a row. Relaxed columns let clusters go without.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from reknow.errors import DataError, RecipeError


@torch.no_grad()
def sinkhorn(
    cost: Float[Tensor, "rows columns"],
    *,
    epsilon: float = 0.05,
    iterations: int = 5,
    column_slack: float | None = None,
) -> Float[Tensor, "rows columns"]:
    """How much of each row goes to each column.

    Args:
        cost: (B, K) on any device; infinite where a row must not go to a column.
        epsilon: weight of the entropy, in the unit of the costs; a larger one spreads rows over more columns.
        iterations: updates of rows and then columns, before the last one of rows. Balanced columns have equal sums only
            after enough of them.
        column_slack: rho, what a deviation of the columns costs; None is balanced columns, 0 leaves them free.

    Returns:
        (B, K) without gradient, in 64 bit for costs in 64 bit and else in 32. Rows sum to 1. Meanwhile one more matrix
        of its size is in memory.

    Raises:
        DataError: costs that are no matrix, hold NaN or minus infinity, or span too much for epsilon; a row or a column
            that is forbidden everywhere.
        RecipeError: an epsilon that is not above 0, fewer than one iteration, a column_slack below 0; or not finite.

    Example:
        >>> cost = torch.tensor([[0.0, 1.0], [0.1, 1.0]])
        >>> sinkhorn(cost, epsilon=0.5, iterations=100).round(decimals=3)
        tensor([[0.5250, 0.4750],
                [0.4750, 0.5250]])
        >>> sinkhorn(cost, epsilon=0.5, column_slack=0.0).round(decimals=3)
        tensor([[0.8810, 0.1190],
                [0.8580, 0.1420]])
    """
    _check_settings(epsilon, iterations, column_slack)
    if cost.ndim != 2 or not cost.numel():
        raise DataError(
            "cost",
            found=f"shape {tuple(cost.shape)}",
            expected="(B, K), both at least 1",
            remedy="Pass one row for each thing to assign, one column for each thing to assign it to.",
        )
    cost = cost.to(torch.promote_types(cost.dtype, torch.float32))
    logits = (cost.amin(1, keepdim=True) - cost).div_(epsilon)
    if not bool(logits.amax(0).isfinite().all()):  # a row's bad entry made the whole row NaN
        raise _refusal(cost, epsilon)
    exponent = 1.0 if column_slack is None else column_slack / (column_slack + epsilon)
    # A factor of v changes no plan, but without this one log v grows with every iteration and loses digits: after 3,000
    # the largest entries of 16 x 10 in 32 bit were wrong by 6e-5, with it by 3e-7.
    log_share = math.log(cost.shape[0] / cost.shape[1])
    log_v, terms = logits.new_zeros(1, logits.shape[1]), torch.empty_like(logits)
    for _ in range(iterations):
        log_u = -_log_sums(torch.add(logits, log_v, out=terms), 1)
        log_v = exponent * (log_share - _log_sums(torch.add(logits, log_u, out=terms), 0))
    return torch.softmax(logits.add_(log_v), 1, out=terms)


def _log_sums(terms: Float[Tensor, "rows columns"], dim: int) -> Float[Tensor, "..."]:
    """log of the sum of exp(terms), the dimension kept; `terms` are overwritten, which spares a matrix."""
    largest = terms.amax(dim, keepdim=True)
    return terms.sub_(largest).exp_().sum(dim, keepdim=True).log_().add_(largest)


def _check_settings(epsilon: float, iterations: int, column_slack: float | None) -> None:
    if not 0 < epsilon < float("inf"):
        raise RecipeError(
            "epsilon",
            found=str(epsilon),
            expected="above 0, and finite",
            remedy="0.05 is the default; larger values spread rows over more columns.",
        )
    if iterations < 1:
        raise RecipeError("iterations", found=str(iterations), expected="at least 1", remedy="5 is the default.")
    if column_slack is not None and not 0 <= column_slack < float("inf"):
        raise RecipeError(
            "column_slack",
            found=str(column_slack),
            expected="0 or more, and finite",
            remedy="None makes the columns balanced, 0 leaves them free.",
        )


def _refusal(cost: Float[Tensor, "rows columns"], epsilon: float) -> DataError:
    """What is wrong with costs that have no plan."""
    row, column = divmod(int((cost.isnan() | cost.isneginf()).flatten().int().argmax()), cost.shape[1])
    if not bool(cost[row, column] > -torch.inf):
        return DataError(
            "cost",
            found=f"{float(cost[row, column])} in row {row}, column {column}",
            expected="numbers; infinity where a row must not go to a column",
            remedy="Check the vectors that the costs were made of: a network that diverged gives NaN.",
        )
    for side, dim in (("row", 1), ("column", 0)):
        forbidden = cost.amin(dim).isposinf().nonzero()[:, 0].tolist()
        if forbidden:
            listing = ", ".join(map(str, forbidden[:5])) + (", …" if len(forbidden) > 5 else "")
            return DataError(
                "cost",
                found=f"every cost of {side} {listing} is infinite",
                expected=f"a finite cost in every {side}",
                remedy=f"Leave this {side} out, or allow it something.",
            )
    return DataError(
        "cost",
        found=f"numbers that over epsilon, {epsilon:g}, are beyond {cost.dtype}".replace("torch.", ""),
        expected=f"at most {torch.finfo(cost.dtype).max:.2g}",
        remedy="Scale the costs down, or make epsilon larger.",
    )
