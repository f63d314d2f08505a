"""``tcmm``: what do the token constraint and the instance memory give, alone and together?

The base is TCMM with both left out, which is cluster contrast with TCMM's own update of the prototypes (hard, a fifth
of the old one kept). The paper's ablation could not be found, so nothing is drawn beside these results. The
last row is the project's cluster contrast with its own update, at the same pictures, epochs and batches.
"""

from __future__ import annotations

from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.tcmm import recipes as tcmm
from reknow.studies.sizes import FEW_ROWS, Scale
from reknow.studies.study import Study, Variant, replaced


def study(scale: Scale) -> Study:
    """The component table."""
    base = FEW_ROWS[scale].on_world(tcmm.world())
    for weight in ("method.token_weight", "method.instance_weight"):
        base = replaced(base, weight, 0.0)
    return Study(
        name="tcmm",
        question="What do TCMM's token constraint and instance memory give, alone and together?",
        scale=scale,
        base=base,
        variants=(
            Variant("base"),
            Variant("+ token constraint", {"method.token_weight": 1.0}),
            Variant("+ instance memory", {"method.instance_weight": 1.0}),
            Variant("+ both (TCMM)", {"method.token_weight": 1.0, "method.instance_weight": 1.0}),
            Variant("cluster contrast", {"method": cluster_contrast.world().method}),
        ),
        columns=("mAP", "rank1", "start_mAP", "clusters", "outliers", "purity", "seconds"),
    )
