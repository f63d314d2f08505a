"""A file of pretrained weights as a recognizer, as its authors would use it, before anything is trained.

So a network that somebody else trained can be measured, embedded with and exported like one's own. Decision: a
transformer keeps the picture size of its position table; a convolutional network gets 256 x 128, as people's crops
are published, unless its user tells another. The batch-norm neck counts where the authors compare behind it; otherwise
the neck is the identity. A camera table stays; its rows have names where the user told them. The card says all this.
"""

from __future__ import annotations

from dataclasses import replace

from reknow.data.transforms import Preprocessing
from reknow.models.embedder import EmbedderConfig
from reknow.models.jigsaw import LOCAL_BRANCH, NECKS, JigsawConfig
from reknow.models.network import Network
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig
from reknow.models.weights import PretrainedWeights, Source, fill, fill_network, read_weights
from reknow.recognizer.card import Card, known_cameras

UNTOLD_SIZE = (256, 128)
"""Height and width for networks that take pictures of any size."""


def read_file(source: Source) -> tuple[EmbedderConfig | JigsawConfig, Network, Preprocessing, Card]:
    """The network that a file of weights holds.

    Raises:
        WeightsError: no file of weights, or one of an unknown origin.
    """
    pretrained = read_weights(source)
    trunk = pretrained.trunk
    if isinstance(trunk, ResNetConfig) and "pool.p" not in pretrained.state:
        trunk = replace(trunk, pooling="mean")  # as ImageNet's networks, which have no exponent
    if LOCAL_BRANCH in pretrained.beside and isinstance(trunk, TransformerConfig):
        groups = sum(name.endswith(".weight") for name in pretrained.beside[NECKS]) - 1
        config = JigsawConfig(trunk=trunk, groups=groups, compared=pretrained.compared)
        network = config.build()
        loaded = fill_network(network, pretrained, pretrained.beside)
    else:
        config = EmbedderConfig(trunk=trunk, feature=pretrained.feature)
        network = config.build()
        loaded = fill(network.trunk, pretrained)
        if pretrained.compared == "behind":
            network.neck.load_state_dict(dict(pretrained.neck), strict=False)
    preprocessing = Preprocessing(size=pretrained.size or UNTOLD_SIZE, mean=pretrained.mean, std=pretrained.std)
    card = Card(
        name=f"{pretrained.origin} ({pretrained.path.name})",
        trained_on="whatever its authors trained it on",
        started_from=(*loaded.sentences(), *_use(config, pretrained, preprocessing)),
        cameras=pretrained.cameras,
    )
    return config, network, preprocessing, card


def _use(
    config: EmbedderConfig | JigsawConfig, pretrained: PretrainedWeights, preprocessing: Preprocessing
) -> list[str]:
    """How the recognizer uses the file, where a user may expect otherwise."""
    side = "as it leaves the trunk"
    if pretrained.neck:
        side = f"{pretrained.compared} its batch-norm neck"
    if isinstance(config, JigsawConfig):
        side += f", beside {config.groups} local ones of shuffled patches"
    (height, width), mean = preprocessing.size, ", ".join(f"{value:g}" for value in preprocessing.mean)
    lines = [
        f"compared: the feature '{pretrained.feature}' {side}, of pictures of {height} x {width} "
        f"normalized by mean {mean}"
    ]
    if (rows := known_cameras(config)) and not pretrained.cameras:
        lines.append(
            f"camera table of {rows} rows kept: every picture gets its mean, unless its rows are named: "
            f"{pretrained.path.name}?cameras=NAME,NAME,..."
        )
    return lines
