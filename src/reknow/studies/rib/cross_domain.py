"""``rib-cross-domain``: what do the four rows carry over to other cameras, other conditions and other objects?

From people of the easy world to people of the hard one, whose cameras are others, and to vehicles. Networks have no
table of cameras, since those of the other world are unknown (:attr:`reknow.methods.recipe.Recipe.evaluation_data`).
"""

from __future__ import annotations

from reknow.studies.rib.components import OCCLUDED, PARTS, base_on
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant, replaced


def study(scale: Scale) -> Study:
    """The four rows on two pairs of worlds."""
    size = MANY_ROWS[scale]
    pairs = {"to the hard world": size.world("difficulty=hard"), "to vehicles": size.world("kind=vehicles")}
    first, *others = pairs.items()
    base = replaced(base_on(size, OCCLUDED), "network.trunk.cameras", 0)
    return Study(
        name="rib-cross-domain",
        question="What do channel selection and the bottleneck bound carry over to other conditions and other objects?",
        scale=scale,
        base=replaced(base, "evaluation_data", first[1]),
        variants=(
            *(Variant(f"{first[0]}: {part.name}", part.change) for part in PARTS),
            *(
                Variant(f"{name}: {part.name}", {**part.change, "evaluation_data": data})
                for name, data in others
                for part in PARTS
            ),
        ),
        columns=("mAP", "rank1", "start_mAP"),
    )
