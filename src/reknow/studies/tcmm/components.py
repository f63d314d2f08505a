"""``tcmm``: what do the token constraint and the instance memory give, alone and together?

The base is TCMM with both left out, which is cluster contrast with TCMM's own update of the prototypes (hard, a fifth
of the old one kept). The paper's ablation could not be found, so nothing is drawn beside these results. Two rows have
one part and no prototypes; what the trunk alone gives is every row's start. Two rows train twice as long. The last two
rows are what own data get: the project's cluster contrast with its own update, and TCMM with both parts, with that
update too and a smaller weight of the instance memory (decision 21 in docs/methods/tcmm.md), at the same pictures,
epochs and batches.
"""

from __future__ import annotations

from reknow.methods.cluster_contrast import recipes as cluster_contrast
from reknow.methods.recipe import Recipe
from reknow.methods.tcmm import recipes as tcmm
from reknow.studies.sizes import FEW_ROWS, Scale
from reknow.studies.study import Study, Variant
from reknow.studies.tcmm.base import on_world, without_parts


def study(scale: Scale) -> Study:
    """The component table on the easy world."""
    question = "What do TCMM's token constraint and instance memory give, alone and together?"
    return components("tcmm", question, scale, on_world(FEW_ROWS[scale]))


def components(name: str, question: str, scale: Scale, base: Recipe) -> Study:
    """The component table of TCMM by the paper's settings, on whatever world it trains on."""
    base = without_parts(base)
    return Study(
        name=name,
        question=question,
        scale=scale,
        base=base,
        variants=(
            Variant("base"),
            Variant("+ token constraint", {"method.token_weight": 1.0}),
            Variant("+ instance memory", {"method.instance_weight": 1.0}),
            Variant("+ both (TCMM)", {"method.token_weight": 1.0, "method.instance_weight": 1.0}),
            Variant("token constraint alone", {"method.token_weight": 1.0, "method.prototype_weight": 0.0}),
            Variant("instance memory alone", {"method.instance_weight": 1.0, "method.prototype_weight": 0.0}),
            Variant("base, twice as long", {"epochs": 2 * base.epochs}),
            Variant(
                "TCMM, twice as long",
                {"method.token_weight": 1.0, "method.instance_weight": 1.0, "epochs": 2 * base.epochs},
            ),
            Variant("cluster contrast, own data", {"method": cluster_contrast.world().method}),
            Variant("TCMM, own data", {"method": tcmm.world().method}),
        ),
        columns=("mAP", "rank1", "start_mAP", "clusters", "outliers", "purity", "seconds"),
        any_data=True,
    )
