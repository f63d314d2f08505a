"""The supervised baseline: its terms, and the centers with their own optimizer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from reknow.methods.optimization import Optimizer
from reknow.methods.supervised.method import Supervised, SupervisedConfig
from reknow.models.embedder import EmbedderConfig
from reknow.models.jigsaw import JigsawConfig
from reknow.models.multiple_granularities import MultipleGranularitiesConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow.training.optimization import Optimizers, Schedule

NETWORK = EmbedderConfig(trunk=TransformerConfig(image_size=(32, 16), width=12, depth=1, heads=2, patch=16, stride=16))
LABELS = np.repeat(np.arange(3), 4)


def method(**settings: float) -> Supervised:
    torch.manual_seed(0)
    return Supervised(NETWORK.build(), LABELS, SupervisedConfig(**settings))


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return replace(Batch.of({"rgb": torch.randn(12, 3, 32, 16, generator=generator)}), label=torch.from_numpy(LABELS))


def test_without_a_weight_there_are_no_centers(moment):
    plain = method()
    assert [group.name for group in plain.parameter_groups(1.0)] == ["weights", "biases"]
    assert set(plain.losses(batch(), moment)) == {"identity", "triplet"}


def test_the_center_loss_reads_the_feature_before_the_neck(moment):
    supervised = method(center_weight=5e-4)
    before = supervised.network.features(batch())[0].before
    difference = before - supervised.center.centers[torch.from_numpy(LABELS)]
    term = supervised.losses(batch(), moment)["center"]
    torch.testing.assert_close(term, 5e-4 * difference.square().sum(1).mean())


@pytest.mark.parametrize("weight", [5e-4, 0.1])
def test_one_step_moves_the_centers_as_the_authors_do(weight, moment):
    """Their gradient is that of the weighted loss, divided by the weight; plain descent at 0.5 (released train.py)."""
    supervised = method(center_weight=weight)
    labels = torch.from_numpy(LABELS)
    before = supervised.network.features(batch())[0].before
    centers = supervised.center.centers.detach().clone()
    of_centers = torch.stack([-2 * (before[labels == k] - centers[k]).sum(0) / 12 for k in range(3)])
    expected = (centers - 0.5 * of_centers).detach()
    optimizers = Optimizers(supervised, Optimizer(kind="adam", lr=1e-3), Schedule(kind="step", warmup=5))
    assert len(optimizers.all) == 2
    optimizers.set_rates(moment)
    sum(supervised.losses(batch(), moment).values()).backward()
    for optimizer in optimizers.all:
        optimizer.step()
    torch.testing.assert_close(supervised.center.centers.detach(), expected, rtol=1e-4, atol=1e-5)


JIGSAW = JigsawConfig(trunk=replace(NETWORK.trunk, depth=2, patch_size=8, stride=8), groups=4)


def test_with_the_jigsaw_the_global_feature_counts_one_half_and_the_local_ones_the_other(moment):
    torch.manual_seed(0)
    transreid = Supervised(JIGSAW.build(), LABELS, SupervisedConfig(smoothing=0.0, center_weight=5e-4))
    torch.nn.init.normal_(transreid.classifiers[3].weight)  # so that each feature has a loss of its own
    labels = torch.from_numpy(LABELS)
    features = transreid.network.features(batch())
    assert len(features) == len(transreid.classifiers) == 5
    terms = transreid.losses(batch(), moment)
    identity = [cross_entropy(c(f.behind), labels) for c, f in zip(transreid.classifiers, features, strict=True)]
    triplet = [transreid.triplet(feature.before, labels) for feature in features]
    for name, losses in (("identity", identity), ("triplet", triplet)):
        assert len({round(loss.item(), 6) for loss in losses}) > 1
        torch.testing.assert_close(terms[name], 0.5 * losses[0] + 0.5 * sum(losses[1:]) / 4)
    torch.testing.assert_close(terms["center"], 5e-4 * transreid.center(features[0].before, labels))
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in transreid.parameters() if p.requires_grad)


def test_of_mgn_all_features_are_classified_alike_and_the_global_ones_compared(moment):
    torch.manual_seed(0)
    mgn = Supervised(
        MultipleGranularitiesConfig(reduced=4).build(), LABELS, SupervisedConfig(smoothing=0.0, margin=1.2)
    )
    labels = torch.from_numpy(LABELS)
    mgn.eval()
    features = mgn.network.features(batch())
    terms = mgn.losses(batch(), moment)
    identity = [cross_entropy(c(f.behind), labels) for c, f in zip(mgn.classifiers, features, strict=True)]
    triplet = [mgn.triplet(features[number].before, labels) for number in (0, 1, 4)]
    assert len(identity) == 8
    torch.testing.assert_close(terms["identity"], sum(identity) / 8)
    torch.testing.assert_close(terms["triplet"], sum(triplet) / 3)
