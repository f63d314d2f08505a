"""A full EDITOR step against its trunk's bare forward and backward, and against keeping all attention maps.

Run: ``python benchmarks/editor_step.py [--quick]``. The recipe is `editor/rgbnt201` (ViT-B, 256 x 128, three spectra,
BL) with 50 identities, in the precision that it trains in; on a GPU with 128 observations, the paper's batch, on a CPU
with 8. An observation is three pictures.

- Full: all losses, backward, the optimizer's step.
- Bare: the trunk's forward and the backward of the sum of its tokens, for the pictures of all three spectra, without
  an optimizer. They run at once, as ours do: larger products are the faster ones, and losses that compare spectra need
  the activations of all three whatever the method.
- Naive: the full step with explicit attention instead of the fused kernel; the maps of all blocks are kept, with their
  gradient, and multiplied at the end. Its figures stand beside ours and have no limit.

Memory is what a step takes beyond what it finds: weights and the optimizer's state are there before, activations and
gradients are not. On a CPU each side is measured in a process of its own, in which freed memory goes back at once.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
from jaxtyping import Float
from torch import Tensor

import reknow.methods.editor.network as network_module
from measure import alternating_seconds, arguments, peak_memory, report
from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.editor.recipes import rgbnt201
from reknow.methods.method import Method, Moment
from reknow.methods.training_set import TrainingSet
from reknow.models.attention import Attention, AttentionConfig, Probabilities, ReadProbabilities
from reknow.observation import Batch
from reknow.precision import computes_in_bf16, computing
from reknow.training.optimization import build_optimizer

IDENTITIES = 50

options = arguments(
    __doc__,
    full="print the megabytes of the full step alone",
    bare="print those of the bare trunk alone",
    naive="print those of the naive step alone",
)


class KeptAttention(Attention):
    """Attention that forms its map and lets it take part in the backward pass."""

    def forward(
        self, sequence: Float[Tensor, "batch length width"], observe: ReadProbabilities | None = None
    ) -> Float[Tensor, "batch length width"]:
        """As the class that it replaces."""
        batch, length, width = sequence.shape
        query, key, value = self.qkv(sequence).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        probabilities = ((width // self.heads) ** -0.5 * query @ key.transpose(-2, -1)).softmax(dim=-1)
        if observe is not None:
            observe(lambda: probabilities)
        return self.proj((probabilities @ value).transpose(1, 2).reshape(batch, length, width))


class Kept(AttentionConfig):
    """Builds it for every block."""

    def build(self, width: int, heads: int, depth: int) -> list[KeptAttention]:
        """`depth` of them."""
        return [KeptAttention(width, heads) for _ in range(depth)]


class KeptMaps:
    """A rollout that keeps every block's map and multiplies them when it is asked."""

    def __init__(self) -> None:
        self.maps: list[Tensor] = []

    def __call__(self, block: int, probabilities: Probabilities) -> None:
        """Keep one more."""
        self.maps.append(probabilities())

    def of_cls(self, prefix: int) -> Float[Tensor, "batch heads patches"]:
        """The row of CLS at the patches' columns."""
        product = self.maps[0]
        for later in self.maps[1:]:
            product = later @ product
        return product[:, :, 0, prefix:].detach()


recipe = rgbnt201()
assert isinstance(recipe.network, EditorNetworkConfig)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
observations = 2 if options.quick else 128 if device.type == "cuda" else 8

torch.manual_seed(0)
spectra = recipe.network.spectra
columns = {name: [f"{name}/{row}.jpg" for row in range(IDENTITIES)] for name in spectra}
manifest = Manifest.from_columns(
    {**columns, "identity": [str(row) for row in range(IDENTITIES)]}, root=Path(), name="made"
)
training_set = TrainingSet(manifest, lambda: Pictures({}, {}), recipe.preprocessing, names=True)
method = recipe.method.build(recipe.network.build(), training_set).to(device).train()
moment = Moment(epoch=0, epochs=1, step=0, steps=1)
index = torch.arange(observations)
batch = Batch(
    {name: torch.randn(observations, 3, 256, 128) for name in spectra},
    {name: torch.ones(observations, dtype=torch.bool) for name in spectra},
    index,
    index * 8 // observations,  # eight identities, as the recipe draws them
    index % 4,
).to(device)


def stepping(method: Method) -> Callable[[], None]:
    """A step as the loop carries it out; without a learning rate, so every round has the same weights."""
    settings = replace(recipe.optimizer, lr=1e-30)
    optimizer = build_optimizer(method.parameter_groups(settings.bias_lr_factor), settings)

    def step() -> None:
        with computing(device, recipe.precision):
            total = torch.stack(list(method.losses(batch, moment).values())).sum()
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        method.after_step(batch)
        _wait()

    return step


def bare() -> None:
    """The trunk alone."""
    with computing(device, recipe.precision):
        tokens = method.network.trunk(pictures, cameras)
        total = tokens.cls.float().sum() + tokens.patches.float().sum()
    total.backward()
    method.zero_grad(set_to_none=True)
    _wait()


def naive() -> None:
    """The full step with all maps."""
    with patch.object(network_module, "Rollout", KeptMaps):
        kept()


def peak(work: Callable[[], None]) -> float:
    """Megabytes that one run takes, after a first that made the optimizer's state and whatever is cached."""
    work()
    if device.type != "cuda":
        with peak_memory() as taken:
            work()
        return taken.megabytes
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def apart(side: str) -> float:
    """The same in a process of its own, whose allocator keeps no block above 64 KiB for later."""
    command = [sys.executable, __file__, f"--{side}", *(["--quick"] if options.quick else [])]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 16)}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(shown.stdout.splitlines()[-1])


def _wait() -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


pictures, cameras = torch.cat(list(batch.images.values())), batch.camera.repeat(len(spectra))
keeping = copy.deepcopy(method)
keeping.network.trunk = replace(recipe.network.trunk, attention=Kept()).build().to(device).train()
keeping.network.trunk.load_state_dict(method.network.trunk.state_dict())
full, kept = stepping(method), stepping(keeping)
sides = {"full": full, "bare": bare, "naive": naive}
for name, work in sides.items():
    if getattr(options, name):
        print(peak(work))
        sys.exit()

peaks = {name: peak(work) if device.type == "cuda" else apart(name) for name, work in sides.items()}
for work in sides.values():
    work()
ours, limit, with_maps = alternating_seconds(*sides.values(), times=1 if options.quick else 4)
report(
    "editor_step", ours=ours, limit=limit, allowed=1.3,
    peak=peaks["full"], allowed_peak=round(1.25 * peaks["bare"], 1), peak_ratio=round(peaks["full"] / peaks["bare"], 3),
    limit_peak_megabytes=round(peaks["bare"], 1), naive_seconds=round(with_maps, 4),
    naive_ratio=round(with_maps / limit, 3), naive_peak_megabytes=round(peaks["naive"], 1),
    naive_peak_ratio=round(peaks["naive"] / peaks["bare"], 3), observations=observations,
    precision="bf16" if computes_in_bf16(device) else "32", device=str(device),
)  # fmt: skip
