"""Recipes of RIB. The first line of each is what ``reknow recipes`` prints."""

from __future__ import annotations

from dataclasses import replace

from reknow.methods import convolutional
from reknow.methods.method import MethodConfig
from reknow.methods.recipe import Optimizer, Recipe, Schedule
from reknow.methods.rib.method import RIBConfig
from reknow.methods.rib.search import SearchConfig
from reknow.methods.shipped import supervised_from_shipped
from reknow.methods.transreid import WORLD_CAMERAS, published, small
from reknow.models.channel_attention import ConvolutionalBlockAttention, SqueezeExcitation
from reknow.models.channel_search import FoundConfig, SupernetConfig, Unit
from reknow.models.channel_selection import ChannelSelection
from reknow.models.embedder import EmbedderConfig
from reknow.models.insertion import MapModuleConfig
from reknow.models.inverted_residuals import FBNetV2Config, MobileNetV2Config
from reknow.models.resnet import ResNetConfig
from reknow.models.transformer import TransformerConfig

__all__ = [
    "cbam_osnet",
    "cbam_resnet50_market1501",
    "dcs_dnb_retrain",
    "dcs_dnb_retrain_world",
    "dcs_dnb_search",
    "dcs_dnb_search_world",
    "dcs_fb_fbnetv2_market1501",
    "dcs_fb_mgn_market1501",
    "dcs_fb_mobilenetv2_market1501",
    "dcs_fb_transreid_cuhk03",
    "dcs_fb_transreid_dukemtmc",
    "dcs_fb_transreid_market1501",
    "dcs_fb_transreid_msmt17",
    "dcs_fb_transreid_occluded_duke",
    "luperson_market1501",
    "luperson_msmt17",
    "own_data",
    "se_osnet",
    "se_resnet50_market1501",
    "world",
    "world_occluded",
]

STRONG_BASELINE = RIBConfig(smoothing=0.1, margin=0.3, center_weight=5e-4)
"""The losses of the strong baseline, and the bound."""

SEARCHED = SupernetConfig(after=convolutional.selection_after("stage2", "stage3", "stage4", "stage5"))
"""The authors' search space, with a block behind each searched stage."""

WORLD_SEARCHED = SupernetConfig(
    first=8,
    units=(
        Unit(blocks=1, most=16, options=3, step=4, expansion=3),
        Unit(blocks=1, most=32, options=4, step=8, expansion=3),
        Unit(blocks=2, most=64, options=7, step=8, expansion=3),
        Unit(blocks=1, most=96, options=7, step=8, expansion=3, stride=1),
    ),
    last=256,
    decay=0.9,
    # Behind the first unit a map has 512 positions, whose comparison would be half of all operations.
    after=convolutional.selection_after("stage3", "stage4", "stage5"),
)
"""Small networks in the same form, for pictures of 128 x 64 on a laptop: 588 of them."""


FROM_SHIPPED = RIBConfig(feature="behind")
"""The shipped trunk's features before their neck end within one direction: on groceries, after TransReID, unit rows
have a mean squared distance of 0.008, and 1.93 behind it (decision 1 in docs/methods/rib.md)."""


def own_data() -> Recipe:
    """Your own labelled pictures, from the shipped weights, on a laptop."""
    return small("rib", FROM_SHIPPED, attention=ChannelSelection())


def world() -> Recipe:
    """RIB on the world's target domain, with a table of its cameras."""
    recipe = small("rib/world", FROM_SHIPPED, cameras=WORLD_CAMERAS, attention=ChannelSelection())
    return replace(recipe, data="world:target", epochs=16)


def world_occluded() -> Recipe:
    """The same where half of the crops are occluded."""
    return replace(world(), name="rib/world_occluded", data="world:target?occlusion=0.5")


def dcs_fb_transreid_market1501() -> Recipe:
    """Market-1501 with labels: RIB-DCS-FB on TransReID, ViT-B from ImageNet-21k."""
    return published("rib/dcs_fb_transreid_market1501", RIBConfig(), 6, ChannelSelection())


def dcs_fb_transreid_msmt17() -> Recipe:
    """MSMT17 with labels: as Market-1501."""
    return published("rib/dcs_fb_transreid_msmt17", RIBConfig(), 15, ChannelSelection())


def dcs_fb_transreid_dukemtmc() -> Recipe:
    """DukeMTMC-reID with labels, for comparison with old papers: its authors withdrew the data."""
    return published("rib/dcs_fb_transreid_dukemtmc", RIBConfig(), 8, ChannelSelection())


def dcs_fb_transreid_occluded_duke() -> Recipe:
    """Occluded-Duke with labels: as Market-1501."""
    return published("rib/dcs_fb_transreid_occluded_duke", RIBConfig(), 8, ChannelSelection())


def dcs_fb_transreid_cuhk03() -> Recipe:
    """CUHK03 with labels, new protocol: as Market-1501, with two cameras."""
    return published("rib/dcs_fb_transreid_cuhk03", RIBConfig(), 2, ChannelSelection())


def luperson_market1501() -> Recipe:
    """Market-1501 with labels: ViT-B of TransReID-SSL, trained on LUPerson without labels, fine-tuned."""
    return _luperson("market1501")


def luperson_msmt17() -> Recipe:
    """MSMT17 with labels: as luperson_market1501."""
    return _luperson("msmt17")


def _luperson(data: str) -> Recipe:
    """The released fine-tuning (vit_base_ics_384.yml): stride 16, no camera table, no jigsaw, a gentler rate."""
    recipe = published(f"rib/luperson_{data}", RIBConfig(), 0)
    size = (384, 128)
    trunk = TransformerConfig(
        size="base", image_size=size, stem="convolution", drop_path=0.1, attention=ChannelSelection()
    )
    return replace(
        recipe,
        network=EmbedderConfig(trunk=trunk),
        preprocessing=replace(recipe.preprocessing, size=size),
        optimizer=replace(recipe.optimizer, lr=4e-4),
        schedule=Schedule(kind="cosine", warmup=20, floor=0.002),
    )


def dcs_fb_mgn_market1501() -> Recipe:
    """Market-1501 with labels: RIB-DCS-FB on MGN, three branches on ResNet-50 from ImageNet weights."""
    method = RIBConfig(margin=1.2)
    after = convolutional.selection_after("layer1", "layer2", "layer3", "layer4")
    return convolutional.multiple_granularities("rib/dcs_fb_mgn_market1501", method, after)


def dcs_fb_mobilenetv2_market1501() -> Recipe:
    """Market-1501 with labels: RIB-DCS-FB on MobileNetV2 from ImageNet weights, trained for 1,400 epochs."""
    trunk = MobileNetV2Config(after=convolutional.selection_after("stage2", "stage3", "stage5", "stage7"))
    return convolutional.inverted_residuals("rib/dcs_fb_mobilenetv2_market1501", STRONG_BASELINE, trunk)


def dcs_fb_fbnetv2_market1501() -> Recipe:
    """Market-1501 with labels: RIB-DCS-FB on a trunk in the style of FBNetV2, trained for 1,400 epochs."""
    trunk = FBNetV2Config(after=convolutional.selection_after("stage2", "stage3", "stage4", "stage5"))
    return convolutional.inverted_residuals("rib/dcs_fb_fbnetv2_market1501", STRONG_BASELINE, trunk)


def dcs_dnb_search() -> Recipe:
    """Market-1501 with labels: search the channels of RIB's own backbone within a budget of operations."""
    method = SearchConfig(smoothing=0.1, margin=0.3, center_weight=5e-4)
    recipe = convolutional.inverted_residuals("rib/dcs_dnb_search", method, SEARCHED)
    schedule = Schedule(kind="cosine", warmup=10, warmup_start=0.1)
    return replace(recipe, weights="random", schedule=schedule, epochs=120)


def dcs_dnb_retrain() -> Recipe:
    """Market-1501 with labels: RIB on the network that a search found, named with --network.trunk RUN."""
    trunk = SEARCHED.with_channels(())
    return replace(convolutional.inverted_residuals("rib/dcs_dnb_retrain", STRONG_BASELINE, trunk), weights="random")


def dcs_dnb_search_world() -> Recipe:
    """The same search among small networks, on the world's target domain."""
    return _searched_world(
        "rib/dcs_dnb_search_world", SearchConfig(budget=9.0, block=2, architecture_lr=0.05), WORLD_SEARCHED
    )


def dcs_dnb_retrain_world() -> Recipe:
    """RIB on the network that dcs_dnb_search_world found, named with --network.trunk RUN."""
    return _searched_world(
        "rib/dcs_dnb_retrain_world", RIBConfig(smoothing=0.1, feature="behind"), WORLD_SEARCHED.with_channels(())
    )


def _searched_world(name: str, method: MethodConfig, trunk: SupernetConfig | FoundConfig) -> Recipe:
    """Small networks from random weights, for which the rate of the published runs is too low on so little data."""
    recipe = supervised_from_shipped(name, method, EmbedderConfig(trunk=trunk))
    return replace(
        recipe,
        weights="random",
        follow_weights=False,
        data="world:target",
        sampling=replace(recipe.sampling, batch_size=32),
        optimizer=Optimizer(kind="sgd", lr=0.1, momentum=0.9, weight_decay=5e-4, clip=5.0),
        epochs=40,
        precision="32",  # the supernet trains 318 pictures a second on a thread, and 182 in bf16
    )


def se_resnet50_market1501() -> Recipe:
    """Market-1501 with labels: ResNet-50 with SE in its blocks, and the bound."""
    return _channel_attention("rib/se_resnet50_market1501", SqueezeExcitation())


def cbam_resnet50_market1501() -> Recipe:
    """Market-1501 with labels: ResNet-50 with CBAM in its blocks, and the bound."""
    return _channel_attention("rib/cbam_resnet50_market1501", ConvolutionalBlockAttention())


def se_osnet() -> Recipe:
    """Your own labelled pictures: OSNet x0.25, from a file of yours, with SE in its blocks, and the bound."""
    return convolutional.small("rib/se_osnet", RIBConfig(smoothing=0.1), SqueezeExcitation())


def cbam_osnet() -> Recipe:
    """Your own labelled pictures: OSNet x0.25, from a file of yours, with CBAM in its blocks, and the bound."""
    return convolutional.small("rib/cbam_osnet", RIBConfig(smoothing=0.1), ConvolutionalBlockAttention())


def _channel_attention(name: str, within: MapModuleConfig) -> Recipe:
    """RIB-CA: the strong baseline with attention over channels in every block."""
    return convolutional.strong_baseline(name, STRONG_BASELINE, ResNetConfig(pooling="mean", within=within))
