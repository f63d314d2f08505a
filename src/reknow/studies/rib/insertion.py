"""``rib-insertion``: which blocks should select channels, what should be masked, and by which layer?

The paper says that attention is replaced and not where; its summary asks. The shipped trunk has four blocks, and the
jigsaw's branches are copies of the last.
"""

from __future__ import annotations

from reknow.models.channel_selection import ChannelSelection
from reknow.studies.rib.components import OCCLUDED, base_on
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant

SELECTIONS = {
    "all blocks": ChannelSelection(),
    "first two blocks": ChannelSelection(blocks=(0, 1)),
    "last two blocks": ChannelSelection(blocks=(2, 3)),
    "last block": ChannelSelection(blocks=(3,)),
    "input masked": ChannelSelection(masked="input"),
    "low rank": ChannelSelection(layer="low_rank", rank=32),
    "shared layer": ChannelSelection(layer="shared"),
    "half kept at the start": ChannelSelection(bias=0.0),
}


def study(scale: Scale) -> Study:
    """Places and forms of the selection, beside none."""
    names = ("all blocks", "last block") if scale == "quick" else tuple(SELECTIONS)
    return Study(
        name="rib-insertion",
        question="In which blocks and in which form should attention select channels?",
        scale=scale,
        base=base_on(MANY_ROWS[scale], OCCLUDED),
        variants=(
            Variant("no selection"),
            *(Variant(name, {"network.trunk.attention": SELECTIONS[name]}) for name in names),
        ),
        columns=("mAP", "rank1", "start_mAP", "seconds"),
        any_data=True,
    )
