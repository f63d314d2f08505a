"""RIB's epochs and steps, and that without bound and selection it is TransReID to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reknow.data.cache import Pictures
from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.errors import DataError
from reknow.losses.bottleneck import bottleneck_bound, class_centroids, class_conditional, soft_assignments
from reknow.methods.method import Moment
from reknow.methods.rib import bottleneck, channel_selection
from reknow.methods.rib.method import RIB, RIBConfig, held_out_rows
from reknow.methods.supervised.method import Supervised, SupervisedConfig
from reknow.methods.training_set import TrainingSet
from reknow.models.channel_selection import ChannelSelection
from reknow.models.jigsaw import JigsawConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch

PLAIN = JigsawConfig(
    trunk=TransformerConfig(image_size=(32, 16), width=12, depth=2, heads=2, patch_size=8, stride=8), groups=4
)
SELECTIVE = replace(PLAIN, trunk=replace(PLAIN.trunk, attention=ChannelSelection()))
LABELS = np.repeat(np.arange(3), 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 16, 3), dtype=np.uint8)


@pytest.fixture
def training_set(tmp_path) -> TrainingSet:
    columns = {"rgb": [f"{row}.png" for row in range(12)], "identity": [f"p{label}" for label in LABELS]}
    manifest = Manifest.from_columns(columns, root=tmp_path, name="made")
    return TrainingSet(
        manifest, lambda: Pictures.from_arrays({"rgb": IMAGES}), Preprocessing(size=(32, 16)), names=True
    )


def batch_of(training_set: TrainingSet) -> Batch:
    (batch,) = training_set.batches()
    return replace(batch, label=torch.from_numpy(LABELS))


def rib(network: JigsawConfig = PLAIN, **settings: float | str) -> RIB:
    torch.manual_seed(0)
    return RIB(network.build(), LABELS, RIBConfig(**settings))


def test_without_the_bound_and_with_a_mask_of_ones_it_is_transreid_to_the_bit(training_set, moment):
    transreid = Supervised(PLAIN.build(), LABELS, SupervisedConfig(smoothing=0.0))
    ours = rib(SELECTIVE, eta=0.0)
    missing, unexpected = ours.load_state_dict(transreid.state_dict(), strict=False)
    assert not unexpected and all(".mask." in name or name.startswith("bottleneck.") for name in missing)
    for name, parameter in ours.named_parameters():
        if name.endswith("mask.bias"):
            torch.nn.init.constant_(parameter, 1e9)
        if ".mask." in name:
            parameter.requires_grad_(False)
    batch, runs = batch_of(training_set), []
    for method in (transreid, ours):
        optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
        lines = []
        for epoch in range(3):
            plan = method.eval().before_epoch(epoch, training_set)
            assert np.array_equal(plan.rows, np.arange(12)) and plan.diagnostics == {"identities": 3.0}
            terms = method.train().losses(batch, moment)
            assert set(terms) == {"identity", "triplet"}
            lines.append({name: term.item() for name, term in terms.items()})
            optimizer.zero_grad()
            sum(terms.values()).backward()
            optimizer.step()
        runs.append(lines)
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][2]


@pytest.mark.parametrize("side", ["before", "behind"])
def test_centroids_and_q_are_of_the_epochs_features_and_the_information_is_logged(training_set, side):
    method = rib(beta=5.0, feature=side, warmup=0.0).eval()
    torch.nn.init.uniform_(method.network.necks[0].running_mean)  # what makes the sides differ
    plan = method.before_epoch(0, training_set)
    with torch.no_grad():
        features = getattr(method.network.features(batch_of(training_set))[0], side)
    labels = torch.from_numpy(LABELS)
    centroids = class_centroids(features, labels, 3)
    assigned = soft_assignments(features, centroids, 5.0)
    conditional = class_conditional(assigned, labels, 3)
    torch.testing.assert_close(method.bottleneck.centroids, centroids)
    torch.testing.assert_close(method.bottleneck.conditional, conditional)
    flat = torch.nn.functional.normalize(batch_of(training_set).images["rgb"].flatten(1), dim=1)
    inputs = soft_assignments(flat, class_centroids(flat, labels, 3), 5.0)
    bound = bottleneck_bound(features, labels, centroids, conditional, inputs, beta=5.0)
    measured = plan.diagnostics
    assert measured["bound"] == pytest.approx(bound.item(), abs=1e-5)
    assert measured["bound"] == pytest.approx(measured["bound_inputs"] + measured["bound_features"])
    assert measured["bottleneck"] == pytest.approx(measured["information_inputs"] - measured["information_identities"])
    entropies = measured["entropy_inputs"] - measured["entropy_features"]
    assert measured["bottleneck"] <= measured["bound"] + entropies + 1e-6
    assert 0 <= measured["information_identities"] <= np.log(3)
    term = method.losses(batch_of(training_set), Moment(epoch=0, epochs=10, step=0, steps=1))["bottleneck"]
    assert term.item() == pytest.approx(measured["bound_features"], abs=1e-5)


def test_the_bound_waits_for_the_end_of_its_warm_up(training_set):
    method = rib(warmup=0.3, eta=2.0)
    method.eval().before_epoch(0, training_set)
    batch = batch_of(training_set)
    method.train()
    for epoch, begun in ((0, False), (2, False), (3, True), (9, True)):
        terms = method.losses(batch, Moment(epoch=epoch, epochs=10, step=0, steps=1))
        features = method.network.features(batch)[0].before
        expected = 2.0 * method.bottleneck(features, batch.label) if begun else torch.zeros(())
        torch.testing.assert_close(terms["bottleneck"], expected)


def test_every_trained_parameter_gets_a_gradient(training_set, moment):
    method = rib(SELECTIVE, warmup=0.0)
    method.eval().before_epoch(0, training_set)
    sum(method.train().losses(batch_of(training_set), moment).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters() if p.requires_grad)


def test_pictures_that_are_held_out_are_measured_and_not_trained_on(training_set):
    method = rib(held_out=1).eval()
    plan = method.before_epoch(0, training_set)
    assert plan.rows.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert plan.labels.tolist() == LABELS[plan.rows].tolist()
    assert {"bound", "held_out/bound", "held_out/bottleneck"} <= plan.diagnostics.keys()
    assert plan.diagnostics["bound"] != plan.diagnostics["held_out/bound"]
    with torch.no_grad():
        features = method.network.features(batch_of(training_set))[0].before
    rows = torch.from_numpy(plan.rows)
    torch.testing.assert_close(
        method.bottleneck.centroids, class_centroids(features[rows], torch.from_numpy(plan.labels), 3)
    )


def test_without_the_bound_the_information_is_measured_where_pictures_are_held_out(training_set, moment):
    bound, without = (rib(held_out=1, eta=eta).eval() for eta in (1.0, 0.0))
    measured = without.before_epoch(0, training_set).diagnostics
    assert measured == bound.before_epoch(0, training_set).diagnostics
    assert "held_out/bound" in measured
    assert set(without.train().losses(batch_of(training_set), moment)) == {"identity", "triplet"}


def test_identities_keep_two_pictures_at_least():
    assert held_out_rows(np.array([0, 0, 0, 1, 1]), 0).tolist() == [False] * 5
    with pytest.raises(DataError, match=r"method\.held_out"):
        held_out_rows(np.array([0, 0, 1, 1]), 1)


def test_a_checkpoint_keeps_the_constants_of_the_epoch(training_set):
    method = rib()
    method.eval().before_epoch(0, training_set)
    other = rib()
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.bottleneck.conditional, method.bottleneck.conditional)


def test_an_identity_with_one_picture_is_no_reason_to_stop(training_set, moment):
    labels = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2])
    torch.manual_seed(0)
    method = RIB(PLAIN.build(), labels, RIBConfig(warmup=0.0, beta=1e6))
    method.eval().before_epoch(0, training_set)
    batch = replace(batch_of(training_set), label=torch.from_numpy(labels))
    terms = method.train().losses(batch, moment)
    assert all(term.isfinite() for term in terms.values())


def test_the_parts_have_the_names_of_the_method():
    assert bottleneck.bottleneck_bound is bottleneck_bound
    assert channel_selection.ChannelSelection is ChannelSelection
    for room in (bottleneck, channel_selection):
        assert all(hasattr(room, name) for name in room.__all__)
