"""``editor-frequency``: does it matter by which frequency score patches are kept?

As released, the transform is undone before anything is counted, so bright patches are kept (decision 4 in
docs/methods/editor.md). The
other rows keep patches with energy in high frequencies, by three transforms; the first keeps none by their pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

from reknow.methods.editor.frequency import FrequencyConfig
from reknow.studies.editor.base import kept_tokens, on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Study, Variant, replaced

KEEP, HOW = "network.selection.frequency_keep", "network.selection.frequency"
KEPT = 3
"""Of 32 patches, as the recipe for the world has it."""
HIGHPASS: Mapping[str, FrequencyConfig] = {
    "wavelets": FrequencyConfig(mode="highpass_energy", transform="haar"),
    "wavelet packet": FrequencyConfig(mode="highpass_energy", transform="packet"),
    "cosines": FrequencyConfig(mode="highpass_energy", transform="dct"),
}


def study(scale: Scale) -> Study:
    """One row for each way."""
    return Study(
        name="editor-frequency",
        question="Does it matter by which frequency score EDITOR keeps patches?",
        scale=scale,
        base=replaced(on_world(THREE_SPECTRA_SWEPT[scale]), KEEP, 0),
        variants=(
            Variant("attention alone"),
            Variant("bright patches (as released)", {KEEP: KEPT}),
            *(Variant(f"high frequencies, {name}", {KEEP: KEPT, HOW: how}) for name, how in HIGHPASS.items()),
        ),
        columns=("mAP", "rank1", "precision", "recall", "precision_frequency"),
        score_run=kept_tokens,
    )
