"""``tcmm-hard``: what ``tcmm`` asks, where the first clusters are as impure as those of real photographs.

A part that pulls at the least similar pictures of a cluster gains where clusters are pure. On the easy world they are:
0.81 of the pictures in the first clusters. Here it is 0.38, and on 6,660 real pedestrians it was 0.37.
"""

from __future__ import annotations

from reknow.studies.sizes import HARD_ROWS, Scale
from reknow.studies.study import Study
from reknow.studies.tcmm.base import on_world
from reknow.studies.tcmm.components import components


def study(scale: Scale) -> Study:
    """The component table on the hard world."""
    question = "What do TCMM's token constraint and instance memory give where first clusters are impure?"
    return components("tcmm-hard", question, scale, on_world(HARD_ROWS[scale], "difficulty=hard"))
