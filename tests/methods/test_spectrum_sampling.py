"""Spectrum sampling: halves of each spectrum, P clusters with K pictures in each half."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.errors import RecipeError
from reknow.methods.sampling import PlannedRows
from reknow.methods.spectrum_sampling import SpectrumSampling


def planned(visible: int, infrared: int) -> PlannedRows:
    """So many clusters of ten pictures each, of one spectrum each."""
    labels = np.repeat(np.arange(visible + infrared), 10)
    rgb = labels < visible
    return PlannedRows(labels, np.full(len(labels), -1), {"rgb": rgb, "nir": ~rgb})


def test_every_batch_has_as_many_pictures_of_each_spectrum_in_groups_of_k():
    rows = planned(30, 5)
    batches = SpectrumSampling(batch_size=32, instances=4).draw(rows, np.random.default_rng(0), 12)
    assert len(batches) == 12
    for batch in batches:
        assert len(batch) == len(np.unique(batch)) == 32
        assert rows.present["rgb"][batch].sum() == 16
        assert (np.unique(rows.labels[batch], return_counts=True)[1] == 4).all()
        halves = rows.present["rgb"][batch].reshape(2, 16).sum(1)
        assert halves.min() > 0  # a step that is carried out in parts has both in each


def test_without_steps_an_epoch_holds_about_the_planned_rows():
    assert len(SpectrumSampling(batch_size=64, instances=4).draw(planned(8, 8), np.random.default_rng(0), None)) == 2


def matched(common: int, visible: int, infrared: int) -> PlannedRows:
    """Clusters of both spectra, and of one alone, each with ten pictures in a spectrum."""
    numbers = np.arange(common + visible + infrared)
    in_rgb, in_nir = numbers[: common + visible], np.r_[numbers[:common], numbers[common + visible :]]
    labels = np.concatenate([np.repeat(in_rgb, 10), np.repeat(in_nir, 10)])
    rgb = np.arange(len(labels)) < 10 * len(in_rgb)
    return PlannedRows(labels, np.full(len(labels), -1), {"rgb": rgb, "nir": ~rgb})


@pytest.mark.parametrize(
    ("common", "visible", "infrared"), [(12, 0, 0), (12, 12, 0), (12, 20, 2), (1, 9, 9), (3, 0, 9)]
)
def test_matched_identities_are_drawn_in_both_spectra_at_once(common, visible, infrared):
    rows = matched(common, visible, infrared)
    batches = SpectrumSampling(batch_size=32, instances=4).draw(rows, np.random.default_rng(0), 60)
    drawn = {"rgb": [], "nir": []}
    together = []
    for batch in batches:
        labels = {name: np.unique(rows.labels[batch][there[batch]]) for name, there in rows.present.items()}
        assert len(batch) == 4 * sum(map(len, labels.values()))  # no identity twice in a part
        for name in drawn:
            drawn[name].extend(labels[name])
        together.append(len(np.intersect1d(*labels.values())))
    least = min(round(4 * common / (common + own)) for own in (visible, infrared)) if common >= 4 else 0
    assert min(together) >= least
    for name, identities in drawn.items():
        counts = np.unique(identities, return_counts=True)[1]
        assert len(counts) == len(np.unique(rows.labels[rows.present[name]]))  # nobody is left out
        assert counts.max() <= 3 * counts.mean()


def test_the_generator_is_the_only_randomness():
    def drawn(seed):
        return np.concatenate(
            SpectrumSampling(batch_size=32, instances=4).draw(planned(9, 9), np.random.default_rng(seed), 5)
        )

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_a_spectrum_with_fewer_clusters_than_asked_for_gives_what_it_has():
    rows = planned(12, 1)
    (batch,) = SpectrumSampling(batch_size=32, instances=4).draw(rows, np.random.default_rng(0), 1)
    assert rows.present["rgb"][batch].sum() == 16
    assert (~rows.present["rgb"][batch]).sum() == 4


def test_an_epoch_without_a_spectrum_gives_all_places_to_the_other():
    rows = planned(12, 0)
    (batch,) = SpectrumSampling(batch_size=32, instances=4).draw(rows, np.random.default_rng(0), 1)
    assert len(batch) == 32


def test_a_batch_that_spectra_cannot_share_is_refused():
    with pytest.raises(RecipeError, match=r"a multiple of 8.*--sampling.batch-size 16"):
        SpectrumSampling(batch_size=20, instances=4).draw(planned(3, 3), np.random.default_rng(0), 1)
