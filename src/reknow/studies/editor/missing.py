"""``editor-missing``: what is the score of observations that lack spectra, and does training with missing spectra help?

Each run is scored with every subset of the spectra, on both sides of the comparison and in the query alone. At night
color fails everywhere; in ``mixed`` light each spectrum fails at a third of the cameras.
"""

from __future__ import annotations

from reknow.progress import Display
from reknow.recognizer import load
from reknow.recognizer.subsets import subset_scores, subsets
from reknow.studies.editor.base import DAY, MIXED, SPECTRA, on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale
from reknow.studies.study import Study, Variant
from reknow.training.train import Outcome

DROPOUT = "method.spectrum_dropout"


def study(scale: Scale) -> Study:
    """Three shares of spectra dropped in training, and the same network at night."""
    size = THREE_SPECTRA_SWEPT[scale]
    day, mixed = (size.world(SPECTRA, light) for light in (DAY, MIXED))
    return Study(
        name="editor-missing",
        question="How do observations score that lack spectra, and does training with missing spectra help?",
        scale=scale,
        base=on_world(THREE_SPECTRA_SWEPT[scale]),
        variants=(
            Variant("night"),
            Variant("night, dropout 0.2", {DROPOUT: 0.2}),
            Variant("night, dropout 0.4", {DROPOUT: 0.4}),
            Variant("night, not centered", {"network.center": False}),
            Variant("day, dropout 0.2", {"data": day, DROPOUT: 0.2}),
            Variant("mixed, dropout 0.2", {"data": mixed, DROPOUT: 0.2}),
        ),
        columns=("mAP", *("+".join(subset) for subset in subsets(("rgb", "nir", "tir"))[:-1]), "query nir+tir"),
        score_run=by_subset,
    )


def by_subset(outcome: Outcome) -> dict[str, float]:
    """mAP in percent with each subset of the spectra in query and gallery, and (``query ...``) in the query alone."""
    scored = subset_scores(load(outcome.run.folder), outcome.recipe.data, display=Display(quiet=True))
    both = {subset.name: subset.both for subset in scored}
    return both | {f"query {subset.name}": subset.query for subset in scored}
