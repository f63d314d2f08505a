"""``editor-larger``: does EDITOR's gain grow with more identities and more diverse conditions?

The paper's first data set has 201 identities and little variety of scenes, and asks for larger and more diverse ones.
Here the world grows to three times the identities, then its light becomes mixed, its spectra misaligned and its objects
more occluded. Each world has its own row of the concatenated baseline. All runs have as many epochs, so more steps
where the world is larger.
"""

from __future__ import annotations

from dataclasses import replace

from reknow.studies.editor.base import CONCATENATED, MIXED, NIGHT, SPECTRA, on_world
from reknow.studies.sizes import THREE_SPECTRA_SWEPT, Scale, Size
from reknow.studies.study import Study, Variant

DIVERSE = (MIXED, "misregistration=4", "occlusion=0.4")


def larger(size: Size) -> Size:
    """Three times the identities to train on; the same ones to test with."""
    return replace(size, train_identities=3 * size.train_identities)


def study(scale: Scale) -> Study:
    """The baseline and EDITOR on three worlds."""
    size = THREE_SPECTRA_SWEPT[scale]
    worlds = {
        "as in the other studies": {},
        "three times the identities": {"data": larger(size).world(SPECTRA, NIGHT)},
        "three times, diverse": {"data": larger(size).world(SPECTRA, *DIVERSE)},
    }
    methods = {"concatenated": CONCATENATED, "EDITOR": {}}
    return Study(
        name="editor-larger",
        question="Does EDITOR's gain grow with more identities and more diverse conditions?",
        scale=scale,
        base=on_world(size),
        variants=tuple(
            Variant(f"{world}: {method}", {**data, **change})
            for world, data in worlds.items()
            for method, change in methods.items()
        ),
        columns=("mAP", "rank1", "start_mAP", "seconds"),
    )
