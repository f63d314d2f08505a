"""TCMM's studies ask what they say: rates that differ, bounds that bind, costs that add up, plots that can be drawn."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from reknow.methods.shipped import SHIPPED_NETWORK
from reknow.methods.tcmm.token_constraint import negatives_of
from reknow.studies.carry_out import rows_of
from reknow.studies.catalog import STUDIES, study_named
from reknow.studies.findings import Findings
from reknow.studies.folder import Record
from reknow.studies.sizes import FEW_ROWS, Scale
from reknow.studies.tcmm import dbscan, elsewhere, large, noise_rate
from reknow.studies.tcmm.scale import DIM, memory_cost


def test_every_noise_rate_pushes_another_number_of_patches_away():
    for scale in get_args(Scale):
        swept = [one.change["method.alpha"] for one in study_named("tcmm-noise-rate", scale).variants[1:]]
        counts = [negatives_of(noise_rate.PATCHES, alpha) for alpha in swept]
        assert counts == sorted(set(counts))
        assert (counts[0], counts[-1]) == (1, noise_rate.PATCHES)
    rows, columns = SHIPPED_NETWORK.trunk.image_size
    assert rows * columns // SHIPPED_NETWORK.trunk.stride**2 == noise_rate.PATCHES


def test_the_published_points_have_the_published_noise():
    assert len(noise_rate.MAP) == len(noise_rate.RANK1) == len(noise_rate.ALPHA) == 40
    assert len(noise_rate.PLATEAU) == 34
    assert round(noise_rate.PLATEAU.mean(), 2) == 50.97
    assert round(noise_rate.PLATEAU.std(ddof=1), 2) == 0.53
    at = dict(zip(noise_rate.ALPHA.round(3), zip(noise_rate.MAP, noise_rate.RANK1, strict=True), strict=True))
    assert (at[0.075], at[0.75], at[1.0]) == ((52.0, 78.4), (49.7, 77.2), (47.2, 75.3))


def test_the_usual_clustering_is_what_the_grid_is_compared_with():
    for scale in get_args(Scale):
        study = study_named("tcmm-dbscan", scale)
        assert study.variants[0].of(study.base) == study.base


def test_what_scikit_learn_takes_where_nothing_is_said_is_a_row():
    import inspect

    from sklearn.cluster import DBSCAN

    unsaid = inspect.signature(DBSCAN).parameters
    assert (unsaid["eps"].default, unsaid["min_samples"].default) == dbscan.UNSAID
    for scale in get_args(Scale):
        assert "eps 0.5, 5 samples" in [variant.name for variant in study_named("tcmm-dbscan", scale).variants]


def test_a_part_alone_learns_without_prototypes():
    study = study_named("tcmm", "laptop")
    weights = {}
    for variant in study.variants:
        method = variant.of(study.base).method
        weights[variant.name] = (method_weight(method, "prototype"), method_weight(method, "token"))
        assert variant.of(study.base).epochs == study.base.epochs * (2 if "twice" in variant.name else 1)
    assert weights["token constraint alone"] == (0.0, 1.0)
    assert weights["instance memory alone"] == (0.0, 0.0)


def method_weight(method, part):
    return getattr(method, f"{part}_weight", None)


def test_the_large_world_has_as_many_pictures_as_personx():
    from reknow.data.formats import open_dataset

    manifest = open_dataset(study_named("tcmm-large", "laptop").base.data)
    assert len(manifest) == pytest.approx(large.PICTURES, rel=0.03)
    assert len(manifest.split("train")) == pytest.approx(large.TRAINING_PICTURES, rel=0.03)


def test_every_condition_has_a_row_without_the_constraint_and_the_patches_it_says():
    study = study_named("tcmm-elsewhere", "laptop")
    recipes = {variant.name: variant.of(study.base) for variant in study.variants}
    assert sum(name.endswith("no constraint") for name in recipes) == 4 == len(recipes) / 4
    patches = {}
    for name, recipe in recipes.items():
        height, width = recipe.network.trunk.image_size
        assert recipe.preprocessing.size == (height, width)
        patches[name.partition(",")[0]] = height * width // recipe.network.trunk.stride**2
        if recipe.method.token_weight:
            assert negatives_of(patches[name.partition(",")[0]], recipe.method.alpha) >= 1
    assert patches == {"usual": 32, "pictures 192 x 96": 72, "pictures 96 x 48": 18, "occluded": 32}
    assert {recipe.data for name, recipe in recipes.items() if "occluded" in name} == {
        f"{study.base.data}&{elsewhere.OCCLUDED}"
    }


def test_the_bounds_are_a_whole_a_quarter_and_a_sixteenth_of_the_pictures():
    from reknow.data.formats.world import read as world_manifest

    study = study_named("tcmm-scale", "laptop")
    rows = len(
        world_manifest("target", seed=1, train_identities=FEW_ROWS["laptop"].train_identities, test_identities=0)
    )
    whole, quarter, sixteenth = (one.change["method.capacity"] for one in study.variants[1:4])
    assert whole > rows
    assert (rows / quarter, rows / sixteenth) == (pytest.approx(4, rel=0.1), pytest.approx(16, rel=0.1))


def test_the_memory_s_bytes_are_what_its_formula_says():
    full = memory_cost("full", 3000, 3000)
    assert full["megabytes"] == pytest.approx(3000 * (4 * DIM + 8) / 1e6, rel=1e-3)
    sampled = memory_cost("sampled", 3000, 500)
    assert sampled["megabytes"] == pytest.approx((500 * (4 * DIM + 8) + 3000 * 8) / 1e6, rel=1e-3)
    assert min(full["step_seconds"], sampled["step_seconds"], full["epoch_seconds"]) > 0


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", sorted(STUDIES))
def test_every_plot_can_be_drawn_and_read_without_color(name, seeds):
    study = study_named(name, "laptop")
    drawn = io.BytesIO()
    study.plot(made(study, seeds)).savefig(drawn, format="png", dpi=40)
    picture = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    assert picture.min() < 80
    assert (picture.max(2) - picture.min(2)).max() < 12  # nothing but shades of gray


def made(study, seeds):
    """Findings of runs that never were."""
    rng = np.random.default_rng(0)
    names = ("mAP", "rank1", "start_mAP", "clusters", "outliers", "purity", "seconds", "eps", "identities")
    records = {
        variant.name: [
            Record(
                numbers={one: float(rng.normal(70, 2)) for one in names}, average_precision=rng.random(20), machine={}
            )
            for _ in range(seeds)
        ]
        for variant in study.variants
    }
    return Findings(
        study=study.name,
        question=study.question,
        columns=study.columns,
        scale="laptop",
        seeds=tuple(range(1, seeds + 1)),
        base={},
        rows=rows_of(study, records),
        measurements={
            one.name: [{**row, "megabytes": 1.0, "step_seconds": 0.1} for row in one.settings]
            for one in study.measurements
        },
        about={one.name: one.about for one in study.measurements},
        machines=[],
    )
