"""``editor-frequency``: does it matter how pixels speak for patches?

As released, the transform is undone before anything is counted, so bright patches are kept (spec section 2.3). The
other rows keep patches with energy in high frequencies, by three transforms; the first keeps none by their pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

from reknow.methods.editor.frequency import FrequencyConfig
from reknow.studies.editor.base import on_world
from reknow.studies.editor.kept import kept_tokens
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
        question="Does it matter how pixels speak for the patches that EDITOR keeps?",
        scale=scale,
        base=replaced(on_world(THREE_SPECTRA_SWEPT[scale]), KEEP, 0),
        variants=(
            Variant("attention alone"),
            Variant("bright patches (as released)", {KEEP: KEPT}),
            *(Variant(f"high frequencies, {name}", {KEEP: KEPT, HOW: how}) for name, how in HIGHPASS.items()),
        ),
        columns=("mAP", "rank1", "precision", "recall", "precision_frequency"),
        examine=kept_tokens,
    )
