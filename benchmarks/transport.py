"""Sinkhorn plans against the same updates written bare: add, logsumexp, and the plan.

Run: ``python benchmarks/transport.py [--quick]``. Five iterations with relaxed columns, 64 rows x 400 columns, a batch
and the clusters of FIRM: at most 1.2 times the seconds of eleven bare updates and the plan. Memory is that of 2,048 x
10,000, beyond the costs: at most the plan and two more matrices of its size. On a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from measure import alternating_seconds, arguments, peak_memory, report
from reknow.clustering.transport import sinkhorn

EPSILON, SLACK, ITERATIONS = 0.05, 0.05, 5

options = arguments(__doc__)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ROUNDS, CALLS = (5, 20) if options.quick else (30, 50)
LARGE = (512, 2_500) if options.quick else (2_048, 10_000)


def made_costs(rows: int, columns: int) -> Tensor:
    """1 minus the cosines of rows to unit centers, each row near one of them."""
    random = torch.Generator().manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(columns, 128, generator=random), dim=1)
    near = centers[torch.arange(rows) % columns] + 0.05 * torch.randn(rows, 128, generator=random)
    return (1 - torch.nn.functional.normalize(near, dim=1) @ centers.T).to(device)


def bare(cost: Tensor) -> Tensor:
    """The formulas and nothing else: no check, no memory spared."""
    logits, log_v, exponent = -cost / EPSILON, torch.zeros(cost.shape[1], device=device), SLACK / (SLACK + EPSILON)
    for _ in range(ITERATIONS):
        log_u = -(logits + log_v).logsumexp(1)
        log_v = -exponent * (logits + log_u[:, None]).logsumexp(0)
    log_u = -(logits + log_v).logsumexp(1)
    return (logits + log_u[:, None] + log_v).exp()


def ours(cost: Tensor) -> Tensor:
    """As FIRM asks for it."""
    return sinkhorn(cost, epsilon=EPSILON, iterations=ITERATIONS, column_slack=SLACK)


def many(work: Callable[[Tensor], Tensor], cost: Tensor) -> None:
    """A batch takes milliseconds: so many of them at once, that a clock's step is nothing."""
    for _ in range(CALLS):
        work(cost)
    if device.type == "cuda":
        torch.cuda.synchronize()


def megabytes_beyond(cost: Tensor) -> float:
    """What one plan takes at its worst moment, the plan included and the costs not."""
    ours(cost[:8])  # what the first call of all loads
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        ours(cost)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    with peak_memory(interval=0.0005) as peak:
        plan = ours(cost)
    del plan
    return peak.megabytes


large = made_costs(*LARGE)
matrix = large.nbytes / 1e6
beyond = megabytes_beyond(large)
large_seconds = alternating_seconds(lambda: ours(large), lambda: bare(large), times=2 if options.quick else 3)

batch = made_costs(64, 400)
torch.testing.assert_close(ours(batch), bare(batch), atol=1e-5, rtol=0)
many(ours, batch), many(bare, batch)
seconds, limit = alternating_seconds(lambda: many(ours, batch), lambda: many(bare, batch), times=ROUNDS)
report(
    "transport", ours=seconds, limit=limit, allowed=1.2, peak=beyond, allowed_peak=round(3 * matrix, 1),
    matrix_megabytes=round(matrix, 1), milliseconds=round(1000 * seconds / CALLS, 3),
    large_seconds=round(large_seconds[0], 3), large_ratio=round(large_seconds[0] / large_seconds[1], 3),
    rows=64, columns=400, large=list(LARGE), device=str(device),
)  # fmt: skip
