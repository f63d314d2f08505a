"""``rib-temperature``: which temperature should the masks have, and what does it do to their gradients?

The forward pass does not see tau, since a mask keeps what is above one half at any temperature. The gradient does: at a
small tau only scores near zero get any, and it depends on the drawn noise. Without a run, the masks' gradients are
measured per block and temperature over draws of noise on one batch: how large they are, and how much of that is noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch

from reknow.data.formats import open_dataset
from reknow.data.loading import evaluation_batches
from reknow.losses.triplet import BatchHardTriplet
from reknow.methods.rib import recipes as rib
from reknow.models.channel_selection import ChannelSelection
from reknow.models.jigsaw import Jigsaw
from reknow.observation import Batch
from reknow.recognizer import load
from reknow.studies.rib.components import OCCLUDED, base_on
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Measurement, Study, Variant, replaced
from reknow.training.initialization import initialized

TEMPERATURES = (0.25, 1.0, 5.0)
IDENTITIES, EACH = 16, 4
"""Of the batch whose gradients are measured, and pictures of each."""
DRAWS: Mapping[Scale, int] = {"quick": 4, "laptop": 24, "gpu": 100}


def study(scale: Scale) -> Study:
    """Constant and falling temperatures, beside no selection, and the gradients' noise."""
    size = MANY_ROWS[scale]
    temperatures = (1.0,) if scale == "quick" else TEMPERATURES
    return Study(
        name="rib-temperature",
        question="Which temperature should masks of channels have, and how noisy are their gradients?",
        scale=scale,
        base=base_on(size, OCCLUDED),
        variants=(
            Variant("no selection"),
            *(
                Variant(
                    f"tau {tau:g}",
                    {"network.trunk.attention": ChannelSelection(temperature=tau, least_temperature=tau)},
                )
                for tau in temperatures
            ),
            Variant(
                "tau from 5 to 0.5",
                {"network.trunk.attention": ChannelSelection(temperature=5.0, decay=0.8, least_temperature=0.5)},
            ),
        ),
        measurements=(
            Measurement(
                name="gradients",
                about="The masks' gradients of the triplet loss, shipped weights, one batch: the norm of their mean "
                "over draws of noise, and the share of noise in their squared norm.",
                settings=tuple(
                    {"temperature": tau, "block": block, "draws": DRAWS[scale]}
                    for tau in TEMPERATURES
                    for block in range(4)
                ),
                measure=gradients_of_block,
            ),
        ),
        columns=("mAP", "rank1", "start_mAP", "seconds"),
    )


def gradients_of_block(temperature: float, block: int, draws: int) -> dict[str, float]:
    """Norm and noise of the gradient of one block's mask layer.

    Args:
        temperature: tau.
        block: its number.
        draws: of noise, at least two.
    """
    return noise_of([_gradient(temperature, block, draw) for draw in range(draws)])


def noise_of(gradients: list[torch.Tensor]) -> dict[str, float]:
    """The norm of the mean gradient, and the share of the variance in the mean squared norm, from 0 to 1.

    Example:
        >>> noise_of([torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.0])])
        {'norm': 5.0, 'noise': 0.0}
    """
    rows = torch.stack(gradients)
    variance = rows.var(dim=0, unbiased=False).sum()
    squared = rows.square().sum(dim=1).mean()
    return {"norm": float(rows.mean(dim=0).norm()), "noise": float(variance / squared) if squared else 0.0}


def _gradient(temperature: float, block: int, draw: int) -> torch.Tensor:
    """Of the weights of one block's mask layer, with the noise of one draw."""
    recipe = replaced(rib.world(), "network.trunk.attention", ChannelSelection(temperature=temperature))
    torch.manual_seed(0)
    jigsaw = initialized(recipe).network.train()
    assert isinstance(jigsaw, Jigsaw)
    weight = jigsaw.trunk.get_parameter(f"blocks.{block}.attn.mask.weight")
    batch, labels = _batch()
    torch.manual_seed(1 + draw)
    loss = BatchHardTriplet()(jigsaw.features(batch)[0].before, labels)
    (gradient,) = torch.autograd.grad(loss, weight)
    return gradient.flatten()


@cache
def _batch() -> tuple[Batch, torch.Tensor]:
    """Pictures of the world, :data:`EACH` of :data:`IDENTITIES` people, and whom they show."""
    recognizer, manifest = load(), open_dataset(f"world:target?train_identities={2 * IDENTITIES}&test_identities=0")
    identities = manifest.codes("identity")
    rows = [np.flatnonzero(identities == identity)[:EACH] for identity in np.unique(identities)]
    chosen = np.concatenate([each for each in rows if len(each) == EACH][:IDENTITIES])
    sample = manifest.select(chosen)
    cameras = np.full(len(sample), -1)
    batches = evaluation_batches(
        recognizer.pictures_of(sample),
        np.arange(len(sample)),
        cameras,
        recognizer.preprocessing,
        torch.device("cpu"),
        {},
    )
    (batch,) = batches
    return batch, torch.from_numpy(identities[chosen])
