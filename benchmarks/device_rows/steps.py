"""Steps: what a method's whole step costs beside forward, backward and optimizer of its trunk alone.

Whole is the step of the training loop itself, without the loader: losses, backward, the check for finite losses, the
optimizers, the memories. Pictures are made and on the device already. A step has as many pictures as the published
recipe gives one GPU: the part of a batch over which it takes statistics.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning_fabric import Fabric

from device_rows.context import Context, Row, rounded
from measure import made_embeddings
from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.clustered import Clustered
from reknow.methods.editor import recipes as editor
from reknow.methods.firm import recipes as firm
from reknow.methods.firm.method import Described, Firm
from reknow.methods.firm.network import FirmNetworkConfig
from reknow.methods.method import Moment
from reknow.methods.optimization import weights_and_biases
from reknow.methods.recipe import Recipe
from reknow.methods.rib import recipes as rib
from reknow.methods.rib.method import RIB
from reknow.methods.sampling import Sampling
from reknow.methods.supervised import recipes as supervised
from reknow.methods.tcmm import recipes as tcmm
from reknow.methods.training_set import TrainingSet
from reknow.models.network import NetworkConfig
from reknow.models.text import TextTowerConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.precision import computing
from reknow.progress import Display
from reknow.training.checkpoint import RunStart
from reknow.training.loop import Trainer
from reknow.training.optimization import build_optimizer
from reknow.training.run import Run

RECIPES: dict[str, Callable[[], Recipe]] = {
    "cluster_contrast": cluster_contrast.market1501,
    "tcmm": tcmm.market1501,
    "editor": editor.rgbnt201,
    "firm": firm.sysu_mm01,
    "rib": rib.dcs_fb_transreid_market1501,
    "supervised": supervised.market1501,
}
"""Of every method in the catalog, a published one; a test compares the names."""

Precision = Literal["32", "bf16"]
ROWS_IN_MARKET, IDENTITIES, CAMERAS = 12_936, 751, 4
SMALL = TransformerConfig(
    image_size=(32, 16), width=16, depth=2, heads=2, patch_size=4, stride=4, extra_tokens=2, cameras=CAMERAS
)


def one_part(recipe: Recipe, precision: Precision, quick: bool) -> Recipe:
    """The recipe with steps of one part, and a rate that changes no weight of the network: every run is of the same.

    Args:
        recipe: published.
        precision: to compute in.
        quick: a network that computes in milliseconds and pictures of 32 x 16.
    """
    sampling = replace(
        recipe.sampling, batch_size=recipe.sampling.statistics_over or recipe.sampling.batch_size, statistics_over=None
    )
    still = replace(recipe, precision=precision, sampling=sampling, optimizer=replace(recipe.optimizer, lr=1e-30))
    if not quick:
        return still
    return replace(
        still,
        network=small_network(recipe),
        preprocessing=replace(recipe.preprocessing, size=SMALL.image_size),
        sampling=Sampling(batch_size=8, instances=2),
    )


def small_network(recipe: Recipe) -> NetworkConfig:
    """The recipe's network around a small transformer; a ResNet-50 takes a CPU seconds a step."""
    network = recipe.network
    if isinstance(network, FirmNetworkConfig):
        network = replace(network, text=TextTowerConfig(width=16, depth=3, heads=2))
    return network.around(SMALL, getattr(network, "feature", "cls"))


class Step:
    """A method before a step, with a batch of made pictures on the device.

    Args:
        recipe: as :func:`one_part` makes it.
        device: where.
        rows: training rows: the size of the memories.
        folder: for the run's files; new.
    """

    def __init__(self, recipe: Recipe, device: torch.device, rows: int, folder: Path) -> None:
        identities = min(IDENTITIES, rows // 8)
        spectra = recipe.network.build().spectra
        # FIRM reads one picture of a row, the others every spectrum.
        apart = isinstance(recipe.network, FirmNetworkConfig)
        columns = {
            spectrum: [None if apart and row % len(spectra) != place else f"{row}.jpg" for row in range(rows)]
            for place, spectrum in enumerate(spectra)
        }
        names = {"identity": [str(row % identities) for row in range(rows)]}
        cameras = {"camera": [str(row % CAMERAS) for row in range(rows)]}
        manifest = Manifest.from_columns({**columns, **names, **cameras}, root=Path(), name="made")
        training_set = TrainingSet(
            manifest,
            lambda: Pictures({}, {}),
            recipe.preprocessing,
            names=recipe.method.supervised,
            device=device,
        )
        torch.manual_seed(0)
        method = recipe.method.build(recipe.network.build(), training_set)
        precision = "32-true" if recipe.precision == "32" else "bf16-mixed"
        fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
        with Display(quiet=True) as display:
            run, start = Run.create(folder, recipe), RunStart.of(recipe, manifest.fingerprint(), ())
            identities_of = manifest.codes("identity")
            trainer = Trainer(recipe, method, training_set, identities_of, run, fabric, display, start)
        if isinstance(method, Clustered):
            vectors = torch.from_numpy(made_embeddings(rows, method.network.dim, identities))
            plan = method.planned(vectors, training_set.cameras)
        elif isinstance(method, RIB):
            plan = method.planned(torch.from_numpy(made_embeddings(rows, method.network.dims[0], identities)))
        elif isinstance(method, Firm):
            vectors = torch.from_numpy(made_embeddings(rows, method.network.dim, identities))
            texts, infrared = vectors[:, None].repeat(1, 3, 1), torch.arange(rows) % len(spectra) > 0
            plan = method.planned(Described(vectors, vectors, texts, infrared), training_set.cameras, 9, 10)
        else:
            plan = method.before_epoch(0, training_set)
        self.rows = trainer._draw(plan, recipe.sampling)[0]
        labels = np.full(rows, -1)
        labels[plan.rows] = plan.labels
        size = (len(self.rows), 3, *recipe.preprocessing.size)
        places = torch.from_numpy(self.rows).to(device) % len(spectra)
        there = {spectrum: (places == place) | (not apart) for place, spectrum in enumerate(spectra)}
        self.batch = Batch(
            {spectrum: torch.randn(size, device=device) for spectrum in spectra},
            there,
            *(
                torch.from_numpy(values).to(device)
                for values in (self.rows, labels[self.rows], training_set.cameras[self.rows])
            ),
        )
        self.recipe, self.device, self.trainer, self.method = recipe, device, trainer, method.train()
        self.moment = Moment(epoch=9, epochs=10, step=0, steps=1, phase=plan.phase)  # behind every warm-up
        self.trunk = method.network.trunk
        settings = recipe.optimizer
        groups = weights_and_biases(self.trunk.named_parameters(), settings.bias_lr_factor)
        self.optimizer = build_optimizer(groups, settings)
        self.pictures = torch.cat([self.batch.images[name][mask] for name, mask in there.items()])
        self.cameras = torch.cat([self.batch.camera[mask] for mask in there.values()])
        self.spectra = [name for name, mask in there.items() for _ in range(int(mask.sum()))]

    def whole(self) -> None:
        """As the loop carries it out."""
        self.trainer._step(self.rows, self.batch, self.recipe.sampling, self.moment)

    def bare(self) -> None:
        """The trunk alone: forward, backward of the sum of its tokens, optimizer."""
        with computing(self.device, self.recipe.precision):
            tokens = self.trunk(self.pictures, self.cameras, self.spectra)
            total = tokens.cls.float().sum() + tokens.extra.float().sum() + tokens.patches.float().sum()
        total.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def step(context: Context, name: str, precision: Precision) -> dict[str, object]:
    """Pictures a second and memory of both, and how much longer the whole step takes."""
    recipe = one_part(RECIPES[name](), precision, context.quick)
    with tempfile.TemporaryDirectory() as folder:
        made = Step(recipe, context.device, 300 if context.quick else ROWS_IN_MARKET, Path(folder) / "run")
    numbers: dict[str, object] = {"recipe": recipe.name, "pictures": len(made.pictures)}
    seconds = {}
    for side, work in (("bare", made.bare), ("whole", made.whole)):
        seconds[side] = context.seconds(work)
        numbers[f"{side}_pictures_per_second"] = rounded(len(made.pictures) / seconds[side])
        numbers[f"{side}_megabytes"] = rounded(context.peak_megabytes(work))
    return {**numbers, **context.allocated(), "whole_over_bare": rounded(seconds["whole"] / seconds["bare"])}


ROWS: dict[str, Row] = {
    f"steps/{name}/{precision}": partial(step, name=name, precision=precision)
    for name in RECIPES
    for precision in ("32", "bf16")
}
