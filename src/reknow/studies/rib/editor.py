"""``rib-editor``: what do RIB's parts give a method of three spectra?

EDITOR at night; the bound reads its joint feature, the attention is that of the trunk which all spectra share.
"""

from __future__ import annotations

from reknow.models.channel_selection import ChannelSelection
from reknow.studies.editor.base import on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Study, Variant


def study(scale: Scale) -> Study:
    """EDITOR with each of the parts, on people at night."""
    return Study(
        name="rib-editor",
        question="What do channel selection and the bottleneck bound give EDITOR, which reads three spectra?",
        scale=scale,
        base=on_world(THREE_SPECTRA_SWEPT[scale]),
        variants=(
            Variant("EDITOR"),
            Variant("+ channel selection", {"network.trunk.attention": ChannelSelection()}),
            Variant("+ bound", {"method.bottleneck_weight": 1.0}),
        ),
        columns=("mAP", "rank1", "start_mAP", "seconds"),
    )
