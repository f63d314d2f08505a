"""What a step of the instance memory costs, on made vectors: nothing is trained, so N may be anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional

from reknow.methods.tcmm.instance_memory import InstanceMemory
from reknow.methods.tcmm.sampled_memory import SampledMemory

BATCH, DIM, NEGATIVES, CLUSTER = 128, 768, 4, 14
OUTLIERS = 0.1
STEPS = 5
AT_ONCE = 65_536


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
