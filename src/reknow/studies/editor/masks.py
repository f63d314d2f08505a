"""``editor-masks``: one mask for all spectra or one for each, by day, at night and where objects are occluded?

EDITOR keeps the same patches in all spectra. At night color shows little, so its mask must come from the others; by day
each spectrum could choose for itself. An occluder may hide more in one spectrum than in another.
"""

from __future__ import annotations

from reknow.studies.editor.base import DAY, NIGHT, SPECTRA, kept_tokens, on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Study, Variant

OCCLUDED = "occlusion=0.6"
PER_SPECTRUM = {"network.selection.masks": "per_spectrum"}
EVERYTHING = {"network.selection.rule": "everything"}


def study(scale: Scale) -> Study:
    """Shared masks, masks per spectrum and no selection, in three conditions."""
    size = THREE_SPECTRA_SWEPT[scale]
    conditions = {
        "day": {},
        "night": {"data": size.world(SPECTRA, NIGHT)},
        "day, occluded": {"data": size.world(SPECTRA, DAY, OCCLUDED)},
    }
    rules = {"shared mask": {}, "a mask per spectrum": PER_SPECTRUM, "everything kept": EVERYTHING}
    return Study(
        name="editor-masks",
        question="Should EDITOR keep the same patches in all spectra, by day, at night and under occlusion?",
        scale=scale,
        base=on_world(size, DAY),
        variants=tuple(
            Variant(f"{condition}: {rule}", {**data, **change})
            for condition, data in conditions.items()
            for rule, change in rules.items()
        ),
        columns=("mAP", "rank1", "start_mAP", "precision", "recall"),
        score_run=kept_tokens,
    )
