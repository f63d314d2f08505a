"""``editor``: what does each part of EDITOR give on objects in three spectra?

Rows A to F are those of the paper's ablation table. Beside them stand the same trunk on one spectrum
alone, and what the paper does not compare: attention alone, pixels alone, as many patches at random, a mask for each
spectrum, and augmentation that moves all spectra of an observation alike, which the released code does not do although
they share a mask. All at night, where color shows little.
"""

from __future__ import annotations

from reknow.studies.editor.base import ALONE, CONCATENATED, WITHOUT_LOSSES, kept_tokens, on_world
from reknow.studies.sizes import THREE_SPECTRA, Scale
from reknow.studies.study import Study, Variant

RULE = "network.selection.rule"


def study(scale: Scale) -> Study:
    """The ablation."""
    return Study(
        name="editor",
        question="What does each part of EDITOR give on objects with pictures in three spectra?",
        scale=scale,
        base=on_world(THREE_SPECTRA[scale]),
        variants=(
            Variant("A: concatenated", CONCATENATED),
            *(Variant(f"{name} alone", change) for name, change in ALONE.items()),
            Variant("B: aggregation of all patches", {**WITHOUT_LOSSES, RULE: "everything"}),
            Variant("C: selection, aggregation", WITHOUT_LOSSES),
            Variant("D: C with background consistency", {"method.center_weight": 0.0}),
            Variant("E: C with centers", {"method.background_weight": 0.0}),
            Variant("F: all (EDITOR)"),
            Variant("F, attention alone", {"network.selection.frequency_keep": 0}),
            Variant("F, pixels alone", {"network.selection.head_keep": 0}),
            Variant("F, as many anywhere", {RULE: "random"}),
            Variant("F, a mask per spectrum", {"network.selection.masks": "per_spectrum"}),
            Variant("F, synchronized transforms", {"augmentation.synchronized": True}),
        ),
        columns=("mAP", "rank1", "start_mAP", "precision", "recall", "seconds"),
        score_run=kept_tokens,
    )
