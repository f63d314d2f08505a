"""DCS attention by the method's name; any network can use it, so it stands in ``models``."""

from reknow.models.channel_selection import (
    ChannelSelection,
    ChannelSelectionBlock,
    SelectiveAttention,
    SelectiveBlock,
)
from reknow.models.straight_through import gumbel_difference, select_channels

__all__ = [
    "ChannelSelection",
    "ChannelSelectionBlock",
    "SelectiveAttention",
    "SelectiveBlock",
    "gumbel_difference",
    "select_channels",
]
