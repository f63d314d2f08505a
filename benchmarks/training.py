"""The training loop against bare forward, backward and step on one batch; and the loader alone.

Run: ``python benchmarks/training.py [--quick]``. The network is the shipped small one, the method the supervised
baseline. The loop adds sampling, loading, augmentation, logging and the check for finite losses; a ratio of 0.9 in
pictures per second is 1.11 in seconds. The loader alone must give at least twice what the network consumes.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from measure import alternating_seconds, arguments, best_seconds, report
from reknow.data.cache import Pictures
from reknow.data.loading import load_batches
from reknow.data.manifest import Manifest
from reknow.methods.method import Moment
from reknow.methods.supervised.recipes import own_data
from reknow.methods.training_set import TrainingSet
from reknow.progress import Display
from reknow.training.checkpoint import Position, RunStart
from reknow.training.loop import Trainer, _Sealed
from reknow.training.preparation import start_fabric
from reknow.training.run import Run

options = arguments(__doc__)
recipe = replace(own_data(), iterations=8 if options.quick else 40)
size = recipe.sampling.batch_size
identities = [str(number) for number in range(64) for _ in range(16)]
manifest = Manifest.from_columns(
    {"rgb": [f"{row}.png" for row in range(len(identities))], "identity": identities}, root=Path(), name="made"
)
pixels = np.random.default_rng(0).integers(0, 256, (len(manifest), 128, 64, 3), dtype=np.uint8)
pictures = Pictures.from_arrays({"rgb": pixels})

with tempfile.TemporaryDirectory() as folder, Display(quiet=True) as display:
    fabric = start_fabric(recipe)
    training_set = TrainingSet(
        manifest, lambda: pictures, recipe.preprocessing, names=True, iterations=recipe.iterations, device=fabric.device
    )
    method = recipe.method.build(recipe.network.build(), training_set)
    run, start = Run.create(Path(folder) / "run", recipe), RunStart.of(recipe, manifest.fingerprint(), ())
    identities = manifest.codes("identity")
    trainer = Trainer(recipe, method, training_set, identities, run, fabric, display, start)
    plan = method.before_epoch(0, training_set)
    batches = trainer._draw(plan, recipe.sampling)
    moment = Moment(epoch=0, epochs=recipe.epochs, step=0, steps=len(batches))

    def loaded() -> list[object]:
        """All batches of an epoch, consumed by nobody."""
        return list(
            load_batches(
                pictures, batches, labels=method.labels, cameras=training_set.cameras,
                preprocessing=recipe.preprocessing, augmentation=recipe.augmentation, device=fabric.device,
            )
        )  # fmt: skip

    batch = next(iter(loaded()))

    def bare() -> None:
        """The same steps on one batch that is always there."""
        method.train()
        for _ in batches:
            total = torch.stack(list(trainer.losses(_Sealed(batch, moment)).values())).sum()
            fabric.backward(total)
            (optimizer,) = trainer._optimizers
            fabric.clip_gradients(trainer.losses, optimizer, max_norm=recipe.optimizer.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()

    def loop() -> None:
        """One epoch of the loop."""
        trainer.position = Position(plan=plan)
        trainer._epoch()

    loop()
    ours, limit = alternating_seconds(loop, bare, times=1 if options.quick else 3)
    loader = best_seconds(loaded)

count = len(batches) * size
report(
    "training", ours=ours, limit=limit, allowed=1 / 0.9,
    images_per_second=round(count / ours), bare_images_per_second=round(count / limit),
    loader_images_per_second=round(count / loader), loader_over_model=round(limit / loader, 1),
    loader_passed=limit / loader >= 2, device=str(fabric.device),
)  # fmt: skip
