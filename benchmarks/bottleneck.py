"""What RIB's bound costs: of a TransReID step, of an epoch, and over the number of classes.

Run: ``python benchmarks/bottleneck.py [--quick] [--write]``. One JSON line for each:

- ``bottleneck_step``: a step of ``rib/dcs_fb_transreid_msmt17`` with the bound against the same without it, 1,041
  classes; at most 1.03 times. On a GPU with 64 pictures, on a CPU with 8.
- ``bottleneck_epoch``: the pass over the training rows (their features, centroids, Q, the true information) as a share
  of the epoch, from the seconds of one batch.
- ``bottleneck_classes``: the seconds of the bound alone over C, forward and backward, for 64 features of 768 numbers
  and 20 rows per class: the full sum up to 10,000 classes (Q of 100,000 would have 40 GB), and the estimate from 1,024
  clusters up to 100,000, with its error against the full sum where there is one.

With ``--write`` the lines are kept in docs/measured/bottleneck.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from measure import alternating_seconds, arguments, best_seconds, keep
from reknow.losses.bottleneck import Bottleneck, information
from reknow.losses.sampled_bottleneck import SampledBottleneck
from reknow.methods.method import Moment
from reknow.methods.rib.method import RIB
from reknow.methods.rib.recipes import dcs_fb_transreid_msmt17
from reknow.observation import Batch
from reknow.training.optimization import build_optimizer

options = arguments(__doc__, write="keep the lines in docs/measured/bottleneck.json")
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ROWS, IDENTITIES = (2_000, 100) if options.quick else (32_621, 1_041)
PICTURES = 64 if device.type == "cuda" else 4 if options.quick else 8
LATER = Moment(epoch=60, epochs=120, step=0, steps=1)


def wait() -> None:
    """Until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def features_of(classes: int, each: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows around a center for each class."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat_interleave(each)
    return torch.randn(classes, dim, generator=random)[labels] + torch.randn(len(labels), dim, generator=random), labels


def of_step() -> list[dict[str, object]]:
    """The lines of a step and of an epoch."""
    recipe = dcs_fb_transreid_msmt17()
    torch.manual_seed(0)
    labels = np.arange(ROWS) % IDENTITIES
    method = RIB(recipe.network.build(), labels, recipe.method).to(device).train()
    settings = replace(recipe.optimizer, lr=1e-30)  # the same weights in every round
    optimizer = build_optimizer(method.parameter_groups(settings.bias_lr_factor), settings)
    features = torch.randn(ROWS, 768)
    classes = torch.from_numpy(labels)
    epoch_seconds = best_seconds(lambda: (method.bottleneck.rebuild(features, classes, IDENTITIES), wait()), times=1)
    assigned = method.bottleneck.assigned(features)
    epoch_seconds += best_seconds(lambda: information(assigned, assigned, classes), times=1)
    images = {"rgb": torch.randn(PICTURES, 3, 256, 128)}
    batch = replace(Batch.of(images), label=torch.arange(PICTURES) // 4).to(device)

    def step(eta: float) -> None:
        method.eta = eta
        torch.stack(list(method.losses(batch, LATER).values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        wait()

    @torch.no_grad()
    def embedded() -> None:
        method.eval().network.features(batch)
        method.train()
        wait()

    step(1.0), step(0.0), embedded()
    times = 2 if options.quick else 4
    with_bound, without, seconds = alternating_seconds(lambda: step(1.0), lambda: step(0.0), embedded, times=times)
    per_epoch = ROWS / PICTURES * seconds + epoch_seconds
    epoch = per_epoch / (per_epoch + ROWS / PICTURES * with_bound)
    shared = {"rows": ROWS, "identities": IDENTITIES, "pictures": PICTURES, "device": str(device)}
    ratio = with_bound / without
    return [
        {
            "benchmark": "bottleneck_step",
            "ours_seconds": round(with_bound, 4),
            "limit_seconds": round(without, 4),
            "ratio": round(ratio, 4),
            "allowed": 1.03,
            "passed": ratio <= 1.03,
            **shared,
        },
        {
            "benchmark": "bottleneck_epoch",
            "share_of_the_epoch": round(epoch, 3),
            "without_embedding_seconds": round(epoch_seconds, 2),
            "passed": True,
            **shared,
        },
    ]


def bound_alone(bottleneck: nn.Module, batch: torch.Tensor, labels: torch.Tensor) -> None:
    """Forward and backward of a batch."""
    bottleneck(batch, labels).backward()
    wait()


def over_classes() -> list[dict[str, object]]:
    """The lines over C."""
    lines = []
    for classes in (100, 1_000) if options.quick else (1_000, 3_000, 10_000, 30_000, 100_000):
        features, labels = features_of(classes, each=20, dim=64 if options.quick else 768)
        drawn = torch.arange(64) // 4 * 20 + torch.arange(64) % 4
        line: dict[str, object] = {"benchmark": "bottleneck_classes", "classes": classes, "passed": True}
        values = {}
        kinds = (
            {"full": Bottleneck, "estimated": SampledBottleneck}
            if classes <= 10_000
            else {"estimated": SampledBottleneck}
        )
        for name, kind in kinds.items():
            bottleneck = kind(features.shape[1]).to(device)
            bottleneck.rebuild(features, labels, classes)
            batch = features[drawn].to(device).requires_grad_()
            y = labels[drawn].to(device)

            step = partial(bound_alone, bottleneck, batch, y)
            step()
            line[f"{name}_milliseconds"] = round(1000 * best_seconds(step, times=5), 2)
            with torch.no_grad():
                values[name] = torch.stack([bottleneck(batch, y) for _ in range(20 if name == "estimated" else 1)])
        if "full" in values:
            error = (values["estimated"] - values["full"]).abs() / values["full"]
            line["relative_error_mean"], line["relative_error_largest"] = (
                round(float(number), 6) for number in (error.mean(), error.max())
            )
        lines.append(line)
    return lines


lines = [*of_step(), *over_classes()]
for line in lines:
    print(json.dumps(line), flush=True)
if options.write:
    keep("bottleneck", lines)
sys.exit(0 if all(line["passed"] for line in lines) else 1)
