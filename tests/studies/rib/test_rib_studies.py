"""RIB's four rows: what they differ in, and that the first is TransReID."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reknow.methods.supervised.recipes import transreid_world
from reknow.models.attention import SoftmaxAttention
from reknow.models.channel_selection import ChannelSelection
from reknow.studies.catalog import study_named


@pytest.mark.parametrize("name", ["rib", "rib-hard"])
def test_the_first_row_is_transreid_and_the_others_add_the_parts(name):
    study = study_named(name, "laptop")
    base, selection, bound, both = (variant.of(study.base) for variant in study.variants)
    transreid = transreid_world()
    assert base.network == transreid.network
    for field in ("optimizer", "schedule", "augmentation", "preprocessing", "weights"):
        assert getattr(base, field) == getattr(transreid, field)
    for field in ("smoothing", "margin", "triplet_weight", "center_weight"):
        assert getattr(base.method, field) == getattr(transreid.method, field)
    assert (base.method.eta, base.network.trunk.attention) == (0.0, SoftmaxAttention())
    assert (selection.method.eta, selection.network.trunk.attention) == (0.0, ChannelSelection())
    assert (bound.method.eta, bound.network.trunk.attention) == (1.0, SoftmaxAttention())
    assert both == replace(bound, network=selection.network)
    assert "occlusion=0.5" in base.data
    assert ("difficulty=hard" in base.data) == (name == "rib-hard")
