"""``rib``: what do channel selection and the bottleneck bound give, alone and together?

The base is TransReID on the world, half of whose crops are occluded: RIB without the bound and with ViT's own attention
is the same to the bit. One picture of each identity is held out of training in all rows, so that the information is
measured on pictures that were not trained on, too.
"""

from __future__ import annotations

from reknow.methods.rib import recipes as rib
from reknow.models.attention import SoftmaxAttention
from reknow.models.channel_selection import ChannelSelection
from reknow.studies.sizes import FEW_ROWS, Scale, Size
from reknow.studies.study import Study, Variant, replaced

OCCLUDED = "occlusion=0.5"
QUESTION = "What do channel selection and the bottleneck bound give TransReID where half of the crops are occluded?"
PARTS = (
    Variant("TransReID"),
    Variant("+ channel selection", {"network.trunk.attention": ChannelSelection()}),
    Variant("+ bound", {"method.eta": 1.0}),
    Variant("+ both (RIB)", {"network.trunk.attention": ChannelSelection(), "method.eta": 1.0}),
)


def study(scale: Scale) -> Study:
    """The four rows on the easy world."""
    return components("rib", scale, FEW_ROWS[scale], OCCLUDED)


def components(name: str, scale: Scale, size: Size, *options: str) -> Study:
    """The four rows on a world."""
    base = size.on_world(rib.world(), *options)
    for path, value in (("method.eta", 0.0), ("method.held_out", 1), ("network.trunk.attention", SoftmaxAttention())):
        base = replaced(base, path, value)
    return Study(
        name=name,
        question=QUESTION,
        scale=scale,
        base=base,
        variants=PARTS,
        columns=(
            "mAP",
            "rank1",
            "start_mAP",
            "bottleneck",
            "bound",
            "held_out/bottleneck",
            "seconds",
            "peak_memory_gb",
        ),
    )
