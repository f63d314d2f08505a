"""Foreign: a file of weights as a recognizer, as its authors would use it, before anything is trained.

So a network that somebody else trained can be measured, embedded with and exported like one's own. Decision: a
transformer keeps the picture size of its position table; a convolutional network gets 256 x 128, as people's crops
are published, unless its user tells another. The batch-norm neck counts where the authors compare behind it; otherwise
the neck is the identity. A camera table stays; its rows have names where the user told them. The card says all this.
"""

from __future__ import annotations

import torch

from reknow.data.transforms import Preprocessing
from reknow.models.embedder import Embedder, EmbedderConfig
from reknow.models.resnet import ResNet50
from reknow.models.weights import Foreign, Source, fill, read_weights
from reknow.recognizer.card import Card, known_cameras

UNTOLD_SIZE = (256, 128)
"""Height and width for networks that take pictures of any size."""


def read_file(source: Source) -> tuple[EmbedderConfig, Embedder, Preprocessing, Card]:
    """The network that a file of weights holds.

    Raises:
        WeightsError: no file of weights, or one of an unknown origin.
    """
    foreign = read_weights(source)
    config = EmbedderConfig(trunk=foreign.trunk, feature=foreign.feature)
    network = config.build()
    loaded = fill(network.trunk, foreign)
    if foreign.compared == "behind":
        network.neck.load_state_dict(dict(foreign.neck), strict=False)
    if isinstance(network.trunk, ResNet50) and "pool.p" in loaded.left:  # ImageNet's networks pool by the mean
        with torch.no_grad():
            network.trunk.pool.p.fill_(1)
    preprocessing = Preprocessing(size=foreign.size or UNTOLD_SIZE, mean=foreign.mean, std=foreign.std)
    card = Card(
        name=f"{foreign.origin} ({foreign.path.name})",
        trained_on="whatever its authors trained it on",
        started_from=(*loaded.sentences(), *_use(config, foreign, preprocessing)),
        cameras=foreign.cameras,
    )
    return config, network, preprocessing, card


def _use(config: EmbedderConfig, foreign: Foreign, preprocessing: Preprocessing) -> list[str]:
    """How the recognizer uses the file, where a user may expect otherwise."""
    side = "as it leaves the trunk"
    if foreign.neck:
        side = f"{foreign.compared} its batch-norm neck"
    (height, width), mean = preprocessing.size, ", ".join(f"{value:g}" for value in preprocessing.mean)
    lines = [
        f"compared: the feature '{foreign.feature}' {side}, of pictures of {height} x {width} normalized by mean {mean}"
    ]
    if (rows := known_cameras(config)) and not foreign.cameras:
        lines.append(
            f"camera table of {rows} rows kept: every picture gets its mean, unless its rows are named: "
            f"{foreign.path.name}?cameras=NAME,NAME,..."
        )
    return lines
