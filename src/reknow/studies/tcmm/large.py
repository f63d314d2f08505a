"""``tcmm-large``: does TCMM run on a collection of PersonX's size, and what does it reach on a reduced budget?

PersonX has 45,792 pictures: 9,840 of 410 people to train on, the others to test with. The world has 14 pictures of a
person, so here are more people, with about as many pictures in each part. Two epochs instead of 80 show what an epoch
takes, in seconds and in memory, clustering included, and how far TCMM comes in that time beside its base.
"""

from __future__ import annotations

from collections.abc import Mapping

from reknow.studies.sizes import Scale, Size
from reknow.studies.study import Study, Variant
from reknow.studies.tcmm.base import on_world, without_parts

PICTURES, TRAINING_PICTURES = 45_792, 9_840
"""Of PersonX."""

SIZES: Mapping[Scale, Size] = {
    "quick": Size(train_identities=60, test_identities=60, epochs=1),
    "laptop": Size(train_identities=700, test_identities=2_550, epochs=2),
    "gpu": Size(train_identities=700, test_identities=2_550, epochs=20, batch_size=128),
}


def study(scale: Scale) -> Study:
    """TCMM and its base on a world of PersonX's size."""
    return Study(
        name="tcmm-large",
        question="Does TCMM run on 45,792 pictures, and what does it reach there on a reduced budget?",
        scale=scale,
        base=without_parts(on_world(SIZES[scale])),
        variants=(
            Variant("base"),
            Variant("+ both (TCMM)", {"method.token_weight": 1.0, "method.instance_weight": 1.0}),
        ),
        columns=("mAP", "rank1", "start_mAP", "clusters", "rows", "seconds", "peak_memory_gb"),
    )
