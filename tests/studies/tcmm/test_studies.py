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
from reknow.studies.tcmm import noise_rate
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
