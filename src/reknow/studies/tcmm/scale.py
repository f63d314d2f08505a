"""``tcmm-scale``: what does the instance memory cost at web scale, and what does a bounded one cost in accuracy?

The paper keeps a vector of every training picture and asks whether that holds at web scale. The study has two halves:

- measured without training, on random vectors (:func:`memory_cost`): bytes and seconds per step of the full memory, and
  of the sampled one with 32,768 rows, up to a million pictures of 768 numbers; at 10^6 that takes 7 GB of RAM for a
  minute or two;
- trained: TCMM with all pictures in the memory (N), with a sampled memory of N, N/4 and N/16 rows, and without one.
  The sampled memory takes fresh vectors every epoch, so the row of N tells that apart from what the bound costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from reknow.methods.tcmm.instance_memory import InstanceMemory
from reknow.methods.tcmm.sampled_memory import SampledMemory
from reknow.studies.figures import SOFT, STROKES, label, panels, runs, style
from reknow.studies.findings import Findings
from reknow.studies.sizes import FEW_ROWS, PICTURES_OF_A_PERSON, Scale
from reknow.studies.study import Measurement, Study, Variant
from reknow.studies.tcmm.base import on_world

ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK_ROWS = ROWS[:3]
BOUND = 32_768

BATCH, DIM, NEGATIVES, CLUSTER = 128, 768, 4, 14
OUTLIERS = 0.1
STEPS = 5
AT_ONCE = 65_536


def study(scale: Scale) -> Study:
    """The cost against N, and the score against the bound."""
    pictures = FEW_ROWS[scale].train_identities * PICTURES_OF_A_PERSON
    return Study(
        name="tcmm-scale",
        question="What does TCMM's instance memory cost at web scale, and what does a bounded one lose?",
        scale=scale,
        base=on_world(FEW_ROWS[scale]),
        variants=(
            Variant("full memory"),
            # Three times the mean is more than any world of this size has.
            Variant("sampled, N rows", {"method.capacity": 3 * pictures}),
            Variant("sampled, N/4 rows", {"method.capacity": pictures // 4}),
            Variant("sampled, N/16 rows", {"method.capacity": pictures // 16}),
            Variant("no memory", {"method.instance_weight": 0.0}),
        ),
        measurements=(
            Measurement(
                name="memory",
                about="A step (choose, loss, gradient, update) of 128 pictures against N training pictures, 768 "
                "numbers each, 4 negatives; and what is done once per epoch.",
                settings=tuple(
                    {"memory": memory, "pictures": rows, "rows": min(rows, BOUND) if memory == "sampled" else rows}
                    for memory in ("full", "sampled")
                    for rows in (QUICK_ROWS if scale == "quick" else ROWS)
                ),
                measure=memory_cost,
            ),
        ),
        columns=("mAP", "rank1", "clusters", "purity", "seconds"),
        plot=plot,
    )


def memory_cost(memory: str, pictures: int, rows: int) -> dict[str, float]:
    """Bytes and seconds of one memory; on the GPU where there is one, the survey's embeddings in RAM as in training.

    Args:
        memory: ``full`` or ``sampled``.
        pictures: N, in clusters of 14, a tenth of them outliers.
        rows: that the memory keeps.

    Returns:
        ``megabytes`` of its buffers, ``step_seconds`` (median of five), ``epoch_seconds`` of starting an epoch.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    embeddings = made_embeddings(pictures, generator)
    labels = (torch.arange(pictures) // CLUSTER).masked_fill(torch.rand(pictures, generator=generator) < OUTLIERS, -1)
    held = InstanceMemory(rows, DIM, negatives=NEGATIVES)
    instances = (SampledMemory(pictures, held) if memory == "sampled" else held).to(device)
    epoch = seconds_of(lambda: instances.begin_epoch(embeddings, labels))
    clustered = (labels >= 0).nonzero()[:, 0]
    index = clustered[torch.randperm(len(clustered), generator=generator)[:BATCH]]
    batch, batch_labels, index = embeddings[index].to(device), labels[index].to(device), index.to(device)

    def step() -> None:
        features = batch.clone().requires_grad_()
        instances(features, batch_labels).backward()
        instances.update(features.detach(), index)

    step()
    return {
        "megabytes": sum(buffer.numel() * buffer.element_size() for buffer in instances.buffers()) / 1e6,
        "step_seconds": median(seconds_of(step) for _ in range(STEPS)),
        "epoch_seconds": epoch,
    }


def made_embeddings(pictures: int, generator: torch.Generator) -> Tensor:
    """(N, 768) unit rows of random direction, block by block, so that no second copy is in memory."""
    embeddings = torch.empty(pictures, DIM)
    for start in range(0, pictures, AT_ONCE):
        block = embeddings[start : start + AT_ONCE].normal_(generator=generator)
        functional.normalize(block, dim=1, out=block)
    return embeddings


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds, the GPU's included."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def plot(findings: Findings) -> Figure:
    """Bytes, seconds per step, and the score of the bounded memories."""
    with style():
        figure, (size, speed, score) = panels(findings, 1, 3)
        for (mark, dashes), memory in zip(STROKES, ("full", "sampled"), strict=False):
            rows = [row for row in findings.measurements["memory"] if row["memory"] == memory]
            pictures = [row["pictures"] for row in rows]
            said = "full" if memory == "full" else f"sampled, {BOUND:,} rows"
            for axes, name in ((size, "megabytes"), (speed, "step_seconds")):
                color = SOFT if memory == "sampled" else "black"
                axes.loglog(pictures, [row[name] for row in rows], mark, linestyle=dashes, color=color, label=said)
        size.set_ylabel("memory, MB")
        speed.set_ylabel("step, s")
        for axes in (size, speed):
            axes.set_xlabel("training pictures N")
            axes.legend()
        for place, row in enumerate(findings.rows):
            runs(score, row.numbers[findings.score], place)
        score.set_yticks(range(len(findings.rows)), [row.variant for row in findings.rows])
        score.invert_yaxis()
        score.set_xlabel(label(findings.score))
        return figure
