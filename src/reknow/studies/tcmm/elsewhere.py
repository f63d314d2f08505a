"""``tcmm-elsewhere``: is the same patch noise rate good at other resolutions, and where objects are occluded?

The paper asks both. A patch has 16 x 16 pixels at every size of the picture: 72 of them show a person at 192 x 96, 32
at the usual 128 x 64, 18 at 96 x 48. Occluders stand in front of three in five objects: these patches are noise that
the constraint could push away. Every condition has its own row without the constraint, which its rates must exceed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant, replaced
from reknow.studies.tcmm.base import on_world

ALPHAS = (0.075, 0.25, 0.5)
OCCLUDED = "occlusion=0.6"


def study(scale: Scale) -> Study:
    """Rates in each condition, the usual one first."""
    size = MANY_ROWS[scale]
    conditions: dict[str, Mapping[str, Any]] = {
        "usual": {},
        "pictures 192 x 96": _resized(1.5),
        "pictures 96 x 48": _resized(0.75),
        "occluded": {"data": size.world(OCCLUDED)},
    }
    if scale == "quick":
        conditions = {name: conditions[name] for name in ("usual", "occluded")}
    return Study(
        name="tcmm-elsewhere",
        question="Is TCMM's patch noise rate as good at other resolutions, and where objects are occluded?",
        scale=scale,
        base=replaced(on_world(size), "method.token_weight", 0.0),
        variants=tuple(
            Variant(
                f"{name}, {f'alpha {alpha:g}' if alpha else 'no constraint'}",
                {**changes, **({"method.token_weight": 1.0, "method.alpha": alpha} if alpha else {})},
            )
            for name, changes in conditions.items()
            for alpha in (None, *(ALPHAS[::2] if scale == "quick" else ALPHAS))
        ),
        columns=("mAP", "rank1", "start_mAP", "clusters", "purity"),
    )


def _resized(factor: float) -> Mapping[str, Any]:
    """Pictures of another size with patches of the same 16 pixels."""
    size = (round(128 * factor), round(64 * factor))
    return {"network.trunk.image_size": size, "preprocessing.size": size, "augmentation.pad": round(6 * factor)}
