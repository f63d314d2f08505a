"""A full TCMM step against its trunk's bare forward and backward: ViT-S, 256 x 128, MSMT17's 32,621 rows in memory.

Run: ``python benchmarks/tcmm_step.py [--quick]``. A full step is all three losses, backward, the optimizer's step and
both memories' update; bare is the trunk's forward and the backward of the sum of its tokens. Both in 32 bit, as the
recipe has it; on a GPU with 128 pictures, a part of the paper's batch, on a CPU with 16.

Memory, in bytes, for B pictures, M rows, D numbers and K negatives:

    kept      4 M D + 8 M                             vectors and labels of the instance memory
    passing   9 B min(M, 65,536) + 8 B (K + 1) D      similarities, a masked copy and the mask; chosen rows and products

What passes is measured alone, without the trunk, whose activations are some hundred times larger, and for the paper's
512 pictures, since a process's memory is only known to some megabytes.
"""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import torch

from measure import alternating_seconds, arguments, made_embeddings, peak_memory, report
from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.methods.method import Moment
from reknow.methods.tcmm.instance_memory import ROWS_AT_ONCE
from reknow.methods.tcmm.recipes import msmt17
from reknow.methods.training_set import TrainingSet
from reknow.observation import Batch
from reknow.training.optimization import build_optimizer

options = arguments(__doc__)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
rows, clusters = (2_000, 60) if options.quick else (32_621, 1_041)
whole_batch = 512
pictures = 128 if device.type == "cuda" else 4 if options.quick else 16

torch.manual_seed(0)
recipe = msmt17()
manifest = Manifest.from_columns({"rgb": [f"{row}.jpg" for row in range(rows)]}, root=Path(), name="made")
training_set = TrainingSet(manifest, lambda: Pictures({}, {}), recipe.preprocessing)
method = recipe.method.build(recipe.network.build(), training_set).to(device).train()
moment = Moment(epoch=0, epochs=1, step=0, steps=1)
settings = replace(recipe.optimizer, lr=1e-30)  # the same weights in every round
optimizer = build_optimizer(method.parameter_groups(settings.bias_lr_factor), settings)
embeddings = torch.from_numpy(made_embeddings(rows, method.network.dim, clusters))
labels = torch.arange(rows) % (clusters + 1) - 1
method.memory.rebuild(embeddings, labels)
method.instances.begin_epoch(embeddings, labels)
index = torch.arange(1, pictures + 1)
there = torch.ones(pictures, dtype=torch.bool)
batch = Batch(
    {"rgb": torch.randn(pictures, 3, 256, 128)}, {"rgb": there}, index, labels[index], torch.full((pictures,), -1)
).to(device)


def full() -> None:
    """One step as the loop carries it out."""
    torch.stack(list(method.losses(batch, moment).values())).sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    method.after_step(batch)
    _wait()


def bare() -> None:
    """The trunk alone."""
    tokens = method.network.trunk(batch.images["rgb"])
    (tokens.cls.sum() + tokens.extra.sum() + tokens.patches.sum()).backward()
    optimizer.zero_grad(set_to_none=True)
    _wait()


def memory_alone() -> None:
    """What the instance memory adds to a step."""
    drawn = torch.arange(1, whole_batch + 1)
    vectors = embeddings[drawn].to(device).requires_grad_()
    method.instances(vectors, labels[drawn].to(device).clamp_min(0)).backward()
    method.instances.update(vectors.detach(), drawn.to(device))
    _wait()


def _wait() -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


K, D = recipe.method.negatives, method.network.dim
predicted = (9 * whole_batch * min(rows, ROWS_AT_ONCE) + 8 * whole_batch * (K + 1) * D) / 1e6
if device.type == "cuda":
    memory_alone()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    memory_alone()
    passing = (torch.cuda.max_memory_allocated() - before) / 1e6
else:
    with peak_memory(interval=0.0002) as peak:
        memory_alone()
    passing = peak.megabytes

full(), bare()
ours, limit = alternating_seconds(full, bare, times=2 if options.quick else 5)
report(
    "tcmm_step", ours=ours, limit=limit, allowed=1.1, peak=passing, allowed_peak=round(1.25 * predicted + 8, 1),
    predicted_megabytes=round(predicted, 1), kept_megabytes=round((4 * rows * D + 8 * rows) / 1e6, 1),
    whole_process_gigabytes=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    rows=rows, pictures=pictures, device=str(device),
)  # fmt: skip
