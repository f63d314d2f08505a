"""FIRM's memory: what it adds to a step with 400 clusters, and a cycle of merging and splitting with 400 and 10,000.

Run: ``python benchmarks/firm_step.py [--quick]``. One JSON line for each, on the CPU:

- ``firm_step``: plans of a batch of 64, the losses that read the memory forward and backward, gate and update, with
  the milliseconds of each, at the 160 numbers that a feature of the shipped trunk has. Against that trunk forward and
  backward on 64 pictures: at most a tenth.
- ``firm_step_bare``: the same against the part that cannot be left out, three plans and the products of the features
  with all prototypes, forward and backward, at 480 numbers: at most 4 times.
- ``firm_update``: the update alone, in rounds, against the loop over pictures; at most half of it.
- ``firm_cycle``: merging and splitting, 400 clusters of 50 members, a fifth of them two identities and a fifth halves
  of one; at most a second.
- ``firm_cycle_large``: 10,000 clusters of 50 members; at most a minute, and a gigabyte beyond the features.

Seconds are this process's own, all its threads added up.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from measure import alternating_seconds, arguments, peak_memory
from reknow.clustering.transport import sinkhorn
from reknow.methods.firm.losses import density_loss, prototype_alignment, transport_contrast
from reknow.methods.firm.memory import (
    FUSION,
    INFRARED,
    RGB,
    ClusterMemory,
    TransportPlans,
    bootstrap,
    merge,
    open_gate,
    relabelled,
    split,
    transport_plans,
    update,
)
from reknow.methods.firm.mixture import GaussianMixture
from reknow.methods.shipped import SHIPPED_NETWORK
from reknow.models.transformer import TransformerConfig, VisionTransformer

options = arguments(__doc__)
assert isinstance(SHIPPED_NETWORK.trunk, TransformerConfig)
DIM, BATCH, MEMBERS = 480, 64, 50
CLUSTERS, LARGE = (100, 400) if options.quick else (400, 10_000)
CALLS, ROUNDS = (5, 2) if options.quick else (20, 5)
Rows = tuple[Tensor, Tensor, Tensor]


def made_rows(identity: Tensor, dim: int = DIM) -> Rows:
    """Fusion, visual and which are infrared: two of an identity have a cosine of about 0.85."""
    random = torch.Generator().manual_seed(0)
    centers = torch.randn(int(identity.max()) + 1, dim, generator=random)
    sides = []
    for _ in range(2):
        rows = torch.randn(len(identity), dim, generator=random).mul_(0.42)
        for part, own in zip(rows.split(4096), identity.split(4096), strict=True):
            part += centers[own]
        sides.append(rows)
    return sides[0], sides[1], torch.arange(len(identity)) % 2 == 1


def identities_and_labels(clusters: int) -> tuple[Tensor, Tensor]:
    """Of each row its identity and its cluster; of ten clusters two hold two identities, two are halves of one."""
    label = torch.arange(clusters).repeat_interleave(MEMBERS)
    identity = 2 * label
    identity += ((label % 10 < 2) & (torch.arange(len(label)) % 2 == 1)).long()
    identity = identity.where(label % 10 != 3, 2 * (label - 1))  # the same as the cluster before
    return identity, label


def bare_step(memory: ClusterMemory, rows: Rows) -> None:
    """The plans and the products with all prototypes, and nothing else."""
    fusion, visual, infrared = rows
    for view, features in ((FUSION, fusion), (RGB, visual[~infrared]), (INFRARED, visual[infrared])):
        unit = normalize(features.detach(), dim=1).requires_grad_()
        cosines = unit @ memory.prototypes[:, view].T
        plan = sinkhorn(1 - cosines.detach(), column_slack=0.05)
        (-(plan * (cosines / 0.05).log_softmax(1)).sum() / len(plan)).backward()


def losses(memory: ClusterMemory, rows: Rows, labels: Tensor, plans: TransportPlans, mixture: GaussianMixture) -> None:
    """What reads the memory, forward and backward."""
    fusion, visual = (side.detach().requires_grad_() for side in rows[:2])
    total = transport_contrast(memory, fusion, visual, plans)
    total = total + prototype_alignment(memory, visual, rows[2], labels) + density_loss(mixture, fusion, labels)
    total.backward()


def plain_update(memory: ClusterMemory, rows: Rows, plans: TransportPlans, gate: Tensor) -> None:
    """Picture by picture."""
    fusion, visual, infrared = rows
    confidences, clusters = plans.confidences, plans.clusters
    for row in gate.nonzero()[:, 0].tolist():
        cluster, own = int(clusters[row]), INFRARED if infrared[row] else RGB
        for view, features in ((FUSION, fusion), (own, visual)):
            moved = torch.lerp(
                memory.prototypes[cluster, view], normalize(features[row], dim=0), 0.2 * confidences[view, row]
            )
            memory.prototypes[cluster, view] = normalize(moved, dim=0)
        memory.counts[cluster] += 1
        memory.confidence_sums[cluster] += confidences[FUSION, row]


def seconds_of(*works: Callable[[], object], times: int = 1) -> list[float]:
    """Of each, in turns, the best."""
    return alternating_seconds(*works, times=times, clock=time.process_time)


def many(work: Callable[[], object]) -> None:
    """A step takes milliseconds: so many of them at once, that a clock's step is nothing."""
    for _ in range(CALLS):
        work()


def trunk_step(trunk: VisionTransformer, pictures: Tensor) -> None:
    """The shipped trunk, forward and backward."""
    trunk(pictures).cls.square().sum().backward()


def of_steps(dim: int) -> list[dict[str, object]]:
    """The lines of a step with features of so many numbers."""
    identity = torch.arange(CLUSTERS).repeat_interleave(8)
    rows = made_rows(identity, dim)
    memory = bootstrap(*rows, identity)
    drawn = torch.arange(BATCH) // 8 * 40 + torch.arange(BATCH) % 8  # eight clusters, four pictures of each spectrum
    batch, labels = tuple(side[drawn] for side in rows), identity[drawn]
    mixture = GaussianMixture(dim)
    mixture.begin(memory.prototypes[:, FUSION])
    plans = transport_plans(memory, *batch)
    gate = open_gate(plans.confidences)

    def step() -> None:
        made = transport_plans(memory, *batch)
        losses(memory, batch, labels, made, mixture)
        update(memory, *batch, made, open_gate(made.confidences))

    works = {
        "plans": lambda: transport_plans(memory, *batch),
        "losses": lambda: losses(memory, batch, labels, plans, mixture),
        "update": lambda: update(memory, *batch, plans, open_gate(plans.confidences)),
    }
    for work in (step, *works.values()):
        work()
    if dim == DIM:
        seconds, limit = seconds_of(lambda: many(step), lambda: many(lambda: bare_step(memory, batch)), times=ROUNDS)
        return [line("firm_step_bare", seconds / CALLS, limit / CALLS, 4.0, clusters=CLUSTERS, batch=BATCH)]
    trunk, pictures = SHIPPED_NETWORK.trunk.build(), torch.randn(BATCH, 3, 128, 64)
    seconds, limit, *parts = seconds_of(
        lambda: many(step),
        lambda: many(lambda: trunk_step(trunk, pictures)),
        *(lambda work=work: many(work) for work in works.values()),
        times=ROUNDS,
    )
    milliseconds = {
        f"{name}_milliseconds": round(1000 * part / CALLS, 3) for name, part in zip(works, parts, strict=True)
    }
    fast, slow = (replace(memory, prototypes=memory.prototypes.clone()) for _ in range(2))
    update(fast, *batch, plans, gate), plain_update(slow, batch, plans, gate)
    torch.testing.assert_close(fast.prototypes, slow.prototypes, atol=1e-5, rtol=0)
    rounds, loop = seconds_of(
        lambda: many(works["update"]), lambda: many(lambda: plain_update(memory, batch, plans, gate)), times=ROUNDS
    )
    shared = {"clusters": CLUSTERS, "batch": BATCH, "open": int(gate.sum())}
    return [
        line("firm_step", seconds / CALLS, limit / CALLS, 0.1, **milliseconds, **shared),
        line("firm_update", rounds / CALLS, loop / CALLS, 0.5, **shared),
    ]


def of_cycle(name: str, clusters: int, seconds_allowed: float, megabytes_allowed: float | None) -> dict[str, object]:
    """The line of a cycle; time and memory of the first run, as a training run has it."""
    identity, labels = identities_and_labels(clusters)
    rows = made_rows(identity)
    memory = bootstrap(*rows, labels)
    small = labels < 20
    cycle(bootstrap(*(side[small] for side in rows), labels[small]), tuple(side[small] for side in rows), labels[small])
    parts: list[dict[str, float]] = []
    with peak_memory() as peak:
        (seconds,) = seconds_of(lambda: parts.append(cycle(memory, rows, labels)))
    passed = seconds <= seconds_allowed and (megabytes_allowed is None or peak.megabytes <= megabytes_allowed)
    return {
        "benchmark": name,
        "seconds": round(seconds, 3),
        "allowed_seconds": seconds_allowed,
        "peak_megabytes": round(peak.megabytes, 1),
        "allowed_megabytes": megabytes_allowed,
        "passed": passed,
        **parts[0],
        "clusters": clusters,
        "members": len(labels),
        "features_megabytes": round((rows[0].nbytes + rows[1].nbytes) / 1e6),
    }


def cycle(memory: ClusterMemory, rows: Rows, labels: Tensor) -> dict[str, float]:
    """Merge and split, with the seconds of each and the number of clusters after each."""
    facts: dict[str, float] = {}
    state: list[tuple[ClusterMemory, Tensor]] = []
    facts["merge_seconds"] = round(seconds_of(lambda: state.append(merge(memory)))[0], 3)
    merged, old_to_new = state.pop()
    after = relabelled(labels, old_to_new)
    facts["split_seconds"] = round(seconds_of(lambda: state.append(split(merged, *rows, after)))[0], 3)
    return facts | {"merged_to": len(merged), "split_to": len(state.pop()[0])}


def line(name: str, ours: float, limit: float, allowed: float, **more: object) -> dict[str, object]:
    """A line of seconds against a limit."""
    return {
        "benchmark": name,
        "ours_seconds": round(ours, 6),
        "limit_seconds": round(limit, 6),
        "ratio": round(ours / limit, 3),
        "allowed": allowed,
        "passed": ours / limit <= allowed,
        **more,
    }


passed = True
for made in (
    lambda: [of_cycle("firm_cycle_large", LARGE, 60.0, 1000.0)],
    lambda: [of_cycle("firm_cycle", CLUSTERS, 1.0, None)],
    lambda: of_steps(DIM),
    lambda: of_steps(SHIPPED_NETWORK.trunk.width),
):
    for measured in made():
        print(json.dumps(measured), flush=True)
        passed &= bool(measured["passed"])
sys.exit(0 if passed else 1)
