"""Cluster contrast across spectra: clusters of each spectrum by themselves, then matched ones as one class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.losses.prototype_memory import prototype_contrast
from reknow.methods.cluster_contrast.across_spectra import AcrossSpectraConfig
from reknow.methods.clustered import Clustering
from reknow.methods.matched_pictures import matched_pictures
from reknow.methods.method import Moment
from reknow.models.cross_spectrum import CrossSpectrumConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

DIM, OF_EACH, INDIVIDUALS = 16, 4, 5
ROWS = 2 * OF_EACH * INDIVIDUALS
CLUSTERING = Clustering(eps=0.5, min_samples=2, k1=4, k2=1)
TRUNK = TransformerConfig(image_size=(32, 16), width=DIM, depth=1, heads=2, patch_size=8, stride=8)


def manifest(spectra=("rgb", "nir")) -> Manifest:
    """Every other row of the second spectrum."""
    columns = {name: [f"{row}.png" if row % 2 == place else None for row in range(ROWS)]
               for place, name in enumerate(spectra)}  # fmt: skip
    return Manifest.from_columns(columns, root=Path(), name="made")


def embedded(order=range(INDIVIDUALS)) -> torch.Tensor:
    """Individuals one after the other; infrared ones lie aside, and `order` says which one each of them looks like."""
    rows = torch.zeros(ROWS, DIM)
    for row in range(ROWS):
        individual = row // (2 * OF_EACH)
        rows[row, individual if row % 2 == 0 else list(order)[individual]] = 1.0
        rows[row, DIM - 1] = 2.0 * (row % 2)
    return functional.normalize(rows + 1e-3 * torch.arange(ROWS)[:, None] % 2, dim=1)


@pytest.fixture
def made(known_set):
    def build(config=None, rows=None):
        config = config or AcrossSpectraConfig(clustering=CLUSTERING, apart=0.5)
        network = CrossSpectrumConfig(trunk=TRUNK).build()
        return config.build(network, known_set(manifest() if rows is None else rows, names=False))

    return build


def planned(method, known_set, *embeddings, epochs=2):
    plans = []
    for number, values in enumerate(embeddings):
        training_set = known_set(manifest(), values, names=False)
        training_set.epochs = epochs
        plans.append(method.before_epoch(number, training_set))
    return plans


def test_clusters_are_of_one_spectrum_first_and_of_both_once_they_are_matched(made, known_set):
    apart, together = planned(made(), known_set, embedded(), embedded())
    visible, infrared = apart.labels[0::2], apart.labels[1::2]
    assert len(np.unique(visible)) == len(np.unique(infrared)) == INDIVIDUALS
    assert not set(visible) & set(infrared)
    assert "matched" not in apart.diagnostics
    individual = np.arange(ROWS) // (2 * OF_EACH)
    assert np.array_equal(together.labels, individual)
    assert together.diagnostics["matched"] == together.diagnostics["groups"] == INDIVIDUALS
    assert together.diagnostics["clusters_rgb"] == together.diagnostics["clusters_nir"] == INDIVIDUALS


def test_a_match_follows_the_centers_and_not_the_order_of_rows(made, known_set):
    order = [3, 0, 4, 1, 2]
    _, plan = planned(made(), known_set, embedded(), embedded(order))
    visible, infrared = (
        plan.labels[0::2].reshape(INDIVIDUALS, -1)[:, 0],
        plan.labels[1::2].reshape(INDIVIDUALS, -1)[:, 0],
    )
    assert infrared.tolist() == visible[order].tolist()


def test_apart_all_along_no_cluster_is_ever_matched(made, known_set):
    method = made(AcrossSpectraConfig(clustering=CLUSTERING, apart=1.0))
    *_, last = planned(method, known_set, embedded(), embedded())
    assert len(np.unique(last.labels)) == 2 * INDIVIDUALS
    assert not method._are_matched


def batch_of(plan, rows) -> Batch:
    rows = torch.as_tensor(rows)
    batch = Batch.of({"rgb": torch.randn(len(rows), 3, 32, 16), "nir": torch.randn(len(rows), 3, 32, 16)},
                     {"rgb": rows % 2 == 0, "nir": rows % 2 == 1})  # fmt: skip
    return replace(batch, index=rows, label=torch.from_numpy(plan.labels)[rows])


def test_losses_compare_within_the_spectrum_and_with_what_is_shared(made, known_set):
    method = made()
    _, together = planned(method, known_set, embedded(), embedded())
    batch = batch_of(together, [0, 1, 8, 9, 19])
    moment = Moment(epoch=1, epochs=2, step=0, steps=1)
    terms = method.losses(batch, moment)
    vectors = method.embed(batch)
    own = method.last_labels[batch.index]
    # A picture at a time: its own spectrum's prototypes alone are compared with.
    expected = []
    for row in range(5):
        low = 0 if int(batch.index[row]) % 2 == 0 else INDIVIDUALS
        prototypes = method.memory.prototypes[low : low + INDIVIDUALS]
        expected.append(prototype_contrast(vectors[row : row + 1], prototypes, own[row : row + 1] - low))
    torch.testing.assert_close(terms["prototype"], torch.stack(expected).mean())
    shared = functional.normalize(
        method.memory.prototypes[:INDIVIDUALS] + method.memory.prototypes[INDIVIDUALS:], dim=1
    )
    torch.testing.assert_close(terms["shared"], prototype_contrast(vectors, shared, batch.label))


def test_both_memories_follow_the_step(made, known_set):
    method = made()
    _, together = planned(method, known_set, embedded(), embedded())
    batch = batch_of(together, [0, 1])
    before = method.memory.prototypes.clone(), method.shared.prototypes.clone()
    method.losses(batch, Moment(epoch=1, epochs=2, step=0, steps=1))
    method.after_step(batch)
    moved = (method.memory.prototypes != before[0]).any(1).nonzero()[:, 0].tolist()
    assert moved == sorted(method.last_labels[:2].tolist())
    assert (method.shared.prototypes != before[1]).any(1).nonzero()[:, 0].tolist() == [0]


def test_an_epoch_in_which_a_spectrum_has_no_cluster_keeps_its_last_ones(made, known_set):
    lost = embedded()
    lost[1::2] = functional.normalize(torch.eye(ROWS // 2, DIM) + 1e-2 * torch.randn(ROWS // 2, DIM), dim=1)
    clustering = Clustering(eps=0.05, min_samples=3, k1=4, k2=1)
    method = made(AcrossSpectraConfig(clustering=clustering, apart=1.0))
    first, second = planned(method, known_set, embedded(), lost)
    assert np.array_equal(first.labels, second.labels)
    assert any("nir" in note and "last good clusters" in note for note in second.notes)
    assert second.diagnostics["clusters_nir"] < 2 < second.diagnostics["clusters_rgb"]


def test_one_spectrum_alone_several_in_a_row_and_one_that_is_not_read_are_refused(made):
    only = Manifest.from_columns({"rgb": [f"{row}.png" for row in range(6)]}, root=Path(), name="made")
    with pytest.raises(DataError, match=r"made: pictures to train on: 6 of rgb.*two spectra"):
        made(rows=only)
    both = Manifest.from_columns(
        {"rgb": ["a.png", "b.png", None], "nir": [None, "c.png", "d.png"]}, root=Path(), name="made"
    )
    with pytest.raises(DataError, match="made, row 1: pictures in several spectra"):
        made(rows=both)
    with pytest.raises(DataError, match=r"pictures of tir.*--network.spectra rgb tir"):
        made(rows=manifest(("rgb", "tir")))


def test_pictures_of_matched_groups_stand_side_by_side(known_set, monkeypatch):
    training_set = known_set(manifest(), names=False)
    colors = {"rgb": 50, "nir": 200}
    monkeypatch.setattr(
        training_set, "pixels", lambda rows, spectrum: np.full((len(rows), 6, 3, 3), colors[spectrum], np.uint8)
    )
    groups = np.arange(ROWS) // (2 * OF_EACH)
    groups[-8:] = np.where(np.arange(8) % 2, -1, 4)  # the last individual has no infrared cluster
    rows = {"rgb": np.arange(0, ROWS, 2), "nir": np.arange(1, ROWS, 2)}
    (shown,) = matched_pictures(training_set, groups, rows)
    assert "4 of 4 groups" in shown.caption and "rgb, nir" in shown.caption
    assert shown.picture.shape[0] == 4 * 6 + 3 * 4  # four rows and the gaps between them
    values = [value for value in np.unique(shown.picture[0]) if value != 255]
    assert values == [50, 200]
    assert (shown.picture[0] == 50).sum() == 3 * 3 * OF_EACH  # four pictures, the fifth place stays blank
    assert matched_pictures(training_set, np.full(ROWS, -1), rows) == ()
