"""What RIB's parts cost: parameters, operations and the time of a training step, of every network that they go into.

Run: ``python benchmarks/cost.py [--quick] [--write]``. One JSON line for each recipe, at its published picture size:

- ``parameters_m``: millions, of the network that embeds, without classifiers;
- ``gflop``: operations (10^9) of embedding a picture, of products of matrices and convolutions alone, where a
  multiplication and an addition count as two (``torch.utils.flop_counter``);
- ``step_seconds``: of a training step with 4 pictures of 2 identities, 751 classes, in 32 bit on one thread: losses,
  backward, optimizer. The fastest of some rounds, in each of which the recipes of a group take turns; seconds are the
  processor's, which other programs do not add to;
- ``..._ratio``: of each to the first of its group, the network without RIB.

With ``--write`` the lines are kept in docs/measured/cost.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from time import process_time

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from measure import alternating_seconds, arguments, keep, made_embeddings, on_this_machine
from reknow.methods.classified import Classified
from reknow.methods.method import Moment
from reknow.methods.recipe import Recipe
from reknow.methods.rib import recipes as rib
from reknow.methods.rib.method import RIB, RIBConfig
from reknow.methods.supervised import recipes as supervised
from reknow.methods.supervised.method import Supervised
from reknow.models.channel_selection import ChannelSelection, SelectiveBlock
from reknow.models.network import FeatureNetwork
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.training.optimization import Optimizers

IDENTITIES, PICTURES, EACH = 751, 4, 2
LATER = Moment(epoch=9, epochs=10, step=0, steps=1)
"""Behind the warm-up of the bound."""

options = arguments(__doc__, write="keep the lines in docs/measured/cost.json")


def selecting(attention: ChannelSelection) -> Recipe:
    """RIB on TransReID with another layer for its mask."""
    recipe = rib.dcs_fb_transreid_market1501()
    return replace(recipe, network=replace(recipe.network, trunk=replace(recipe.network.trunk, attention=attention)))


GROUPS = (
    {
        "TransReID": supervised.transreid_market1501(),
        "TransReID + RIB": rib.dcs_fb_transreid_market1501(),
        "TransReID + RIB, low-rank mask": selecting(ChannelSelection(layer="low_rank")),
        "TransReID + RIB, shared mask": selecting(ChannelSelection(layer="shared")),
    },
    {
        "ResNet-50": supervised.market1501(),
        "ResNet-50 + SE + bound": rib.se_resnet50_market1501(),
        "ResNet-50 + CBAM + bound": rib.cbam_resnet50_market1501(),
    },
    {"MGN": supervised.mgn_market1501(), "MGN + RIB": rib.dcs_fb_mgn_market1501()},
    {
        "MobileNetV2": supervised.mobilenetv2_market1501(),
        "MobileNetV2 + RIB": rib.dcs_fb_mobilenetv2_market1501(),
    },
    {"FBNetV2-style": supervised.fbnetv2_market1501(), "FBNetV2-style + RIB": rib.dcs_fb_fbnetv2_market1501()},
)
"""Each network without RIB, and with it."""


def quick(recipe: Recipe) -> Recipe:
    """The recipe with two blocks in place of a transformer's twelve, and pictures of a quarter of the edges."""
    size = (recipe.preprocessing.size[0] // 4, recipe.preprocessing.size[1] // 4)
    recipe = replace(recipe, preprocessing=replace(recipe.preprocessing, size=size))
    trunk = recipe.network.trunk
    if not isinstance(trunk, TransformerConfig):
        return recipe
    trunk = replace(trunk, depth=2, image_size=size)
    return replace(recipe, network=replace(recipe.network, trunk=trunk))


def method_of(recipe: Recipe) -> Classified:
    """The recipe's method with random weights, as in the middle of a run."""
    torch.manual_seed(0)
    labels = np.arange(EACH * IDENTITIES) % IDENTITIES
    network = recipe.network.build()
    for module in network.modules():
        if isinstance(module, SelectiveBlock):
            # It begins at 0. Steps at a rate that moves nothing would leave numbers below 1e-38 behind it, which a CPU
            # is slow with: 57 seconds for a step of MGN instead of 8.
            nn.init.ones_(module.norm.weight)
    if not isinstance(recipe.method, RIBConfig):
        return Supervised(network, labels, recipe.method)
    method = RIB(network, labels, recipe.method)
    method.planned(torch.from_numpy(made_embeddings(len(labels), network.dims[0], IDENTITIES)))
    return method


def operations(network: FeatureNetwork, size: tuple[int, int]) -> int:
    """Of embedding a picture. Attention is computed in two products, which the counter knows in every version."""
    batch = Batch.of({"rgb": torch.randn(1, 3, *size)})
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network.eval()(batch)
    return counter.get_total_flops()


def step_of(method: Classified, recipe: Recipe) -> Callable[[], None]:
    """A training step, which leaves the weights as they are."""
    optimizers = Optimizers(method, replace(recipe.optimizer, lr=1e-30), recipe.schedule)
    images = {"rgb": torch.randn(PICTURES, 3, *recipe.preprocessing.size)}
    batch = replace(Batch.of(images), label=torch.arange(PICTURES) // EACH)

    def step() -> None:
        method.train()
        torch.stack(list(method.losses(batch, LATER).values())).sum().backward()
        for optimizer in optimizers.all:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def lines_of(recipes: dict[str, Recipe]) -> list[dict[str, object]]:
    """A line for each recipe of a group, with the ratios to the first."""
    lines, steps = [], []
    for name, recipe in recipes.items():
        method, size = method_of(recipe), recipe.preprocessing.size
        parameters = sum(parameter.numel() for parameter in method.network.parameters()) / 1e6
        costs = {"parameters_m": parameters, "gflop": operations(method.network, size) / 1e9}
        lines.append({"row": name, "recipe": recipe.name, "size": list(size)} | costs)
        steps.append(step_of(method, recipe))
        steps[-1]()  # which allocates what the optimizer keeps
    seconds = alternating_seconds(*steps, times=1 if options.quick else 3, clock=process_time)
    for line, taken in zip(lines, seconds, strict=True):
        line["step_seconds"] = taken
        for cost in ("parameters_m", "gflop", "step_seconds"):
            line[f"{cost.rpartition('_')[0] or cost}_ratio"] = round(line[cost] / lines[0][cost], 4)
    return [
        {name: round(value, 4) if isinstance(value, float) else value for name, value in line.items()} for line in lines
    ]


torch.set_num_threads(1)
load = os.getloadavg()[0]
rows = []
for group in GROUPS:
    for line in lines_of({name: quick(recipe) if options.quick else recipe for name, recipe in group.items()}):
        rows.append(line)
        print(json.dumps({"benchmark": "cost"} | line), flush=True)
if options.write:
    measured = {"pictures": PICTURES, "classes": IDENTITIES, "rows": rows}
    keep("cost", on_this_machine("cost", 1, load) | measured)
