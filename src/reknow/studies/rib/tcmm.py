"""``rib-tcmm``: what do RIB's parts give a method without labels?

TCMM as own data get it; its clusters are the bound's classes. Both parts are a field of a recipe.
"""

from __future__ import annotations

from reknow.methods.tcmm import recipes as tcmm
from reknow.models.channel_selection import ChannelSelection
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant


def study(scale: Scale) -> Study:
    """TCMM with each of the parts on the easy world."""
    return Study(
        name="rib-tcmm",
        question="What do channel selection and the bottleneck bound give TCMM, which has no labels?",
        scale=scale,
        base=MANY_ROWS[scale].on_world(tcmm.world()),
        variants=(
            Variant("TCMM"),
            Variant("+ channel selection", {"network.trunk.attention": ChannelSelection()}),
            Variant("+ bound", {"method.bottleneck_weight": 1.0}),
        ),
        columns=("mAP", "rank1", "start_mAP", "clusters", "purity", "seconds"),
        any_data=True,
    )
