"""``rib-beta``: how sharply must the bound assign features to classes, and does that change what is learned?

At the published beta of 1 squared distances of unit rows, 4 at most, leave assignments nearly uniform, and the bound's
gradient small (decision 4 in docs/methods/rib.md). Rows differ in beta alone; the first has no bound.
"""

from __future__ import annotations

from reknow.studies.rib.components import OCCLUDED, base_on
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant

BETAS = (1.0, 5.0, 20.0, 100.0)


def study(scale: Scale) -> Study:
    """The bound with four values of beta, beside none."""
    betas = BETAS[::2] if scale == "quick" else BETAS
    return Study(
        name="rib-beta",
        question="How sharply should RIB's bound assign features to classes?",
        scale=scale,
        base=base_on(MANY_ROWS[scale], OCCLUDED),
        variants=(
            Variant("no bound"),
            *(Variant(f"beta {beta:g}", {"method.eta": 1.0, "method.beta": beta}) for beta in betas),
        ),
        columns=(
            "mAP",
            "rank1",
            "bottleneck",
            "information_inputs",
            "information_identities",
            "bound",
            "held_out/bottleneck",
        ),
        any_data=True,
    )
