"""Foreign: a file of weights as a recognizer, as its authors would use it, before anything is trained.

So a network that somebody else trained can be measured, embedded with and exported like one's own. Decision: a
transformer keeps the picture size of its position table; a convolutional network gets 256 x 128, as people's crops
are published, because its file does not tell. Where the file has a batch-norm neck it counts; otherwise the neck is
the identity.
"""

from __future__ import annotations

from pathlib import Path

from reknow.data.transforms import Preprocessing
from reknow.models.embedder import Embedder, EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import fill, read_weights
from reknow.recognizer.card import Card

UNTOLD_SIZE = (256, 128)
"""Height and width for networks that take pictures of any size."""


def read_file(path: Path) -> tuple[EmbedderConfig, Embedder, Preprocessing, Card]:
    """The network that a file of weights holds.

    Raises:
        WeightsError: no file of weights, or one of an unknown origin.
    """
    foreign = read_weights(path)
    config = EmbedderConfig(trunk=foreign.trunk, feature=foreign.feature)
    network = config.build()
    loaded = fill(network.trunk, foreign)
    if foreign.neck:
        network.neck.load_state_dict(dict(foreign.neck), strict=False)
    size = foreign.trunk.image_size if isinstance(foreign.trunk, TransformerConfig) else UNTOLD_SIZE
    card = Card(
        name=f"{foreign.origin} ({path.name})",
        trained_on="whatever its authors trained it on",
        started_from=tuple(loaded.sentences()),
    )
    return config, network, Preprocessing(size=size, mean=foreign.mean, std=foreign.std), card
