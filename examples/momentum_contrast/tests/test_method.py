"""The method's parts: the momentum law, the queue, the loss over it, and what clustering leaves to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reknow.data.manifest import Manifest
from reknow.data.transforms import Preprocessing
from reknow.errors import DataError, RecipeError
from reknow.methods.training_set import TrainingSet
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig
from reknow.observation import Batch
from reknow_momentum_contrast.method import MomentumContrast, MomentumContrastConfig, queue_contrast


@pytest.fixture
def method():
    torch.manual_seed(0)
    trunk = TransformerConfig(image_size=(32, 16), width=8, depth=1, heads=2, patch_size=8, stride=8)
    return MomentumContrast(EmbedderConfig(trunk=trunk).build(), MomentumContrastConfig(momentum=0.9, queue=5))


def labelled(*labels):
    pictures = Batch.of({"rgb": torch.rand(len(labels), 3, 32, 16)})
    return Batch(pictures.images, pictures.present, pictures.index, torch.tensor(labels), pictures.camera)


def test_after_k_steps_the_encoder_is_the_closed_form_of_the_exponential_mean(method):
    """kept_k = m^k kept_0 + (1 - m) sum over i of m^(k - i) online_i, weights and batch-norm statistics alike."""
    floating = [name for name, value in method.network.state_dict().items() if value.is_floating_point()]
    assert {"neck.weight", "neck.running_mean", "neck.running_var"} <= set(floating)
    m, k = 0.9, 4
    expected = {name: m**k * method.network.state_dict()[name].clone() for name in floating}
    for i in range(1, k + 1):
        for name in floating:
            online = method.online.state_dict()[name]
            online.add_(torch.randn_like(online))
            expected[name] += (1 - m) * m ** (k - i) * online
        method.online.neck.num_batches_tracked += 1
        method.follow()
    for name in floating:
        torch.testing.assert_close(method.network.state_dict()[name], expected[name])
    assert method.network.neck.num_batches_tracked == k


def test_the_momentum_encoder_learns_by_no_gradient_and_never_leaves_eval_mode(method):
    groups = method.parameter_groups(bias_lr_factor=1.0)
    moving = {id(parameter) for group in groups for parameter in group.parameters}
    assert moving == {id(parameter) for parameter in method.online.parameters() if parameter.requires_grad}
    method.train()
    assert method.online.training and not any(module.training for module in method.network.modules())


def test_the_queue_keeps_the_newest_keys_in_the_order_of_the_batches(method):
    method.begin(torch.eye(8), torch.tensor([0, 0, 1, 1, 2, 2, -1, -1]), np.array([1, 4, 7]))
    assert method.key_labels.tolist() == [0, 2]  # row 7 is an outlier
    assert torch.equal(method.keys, torch.eye(8)[[1, 4]])
    expected = torch.nn.functional.normalize(torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]), dim=1)
    assert torch.equal(method.prototypes[:2, :4], expected)
    method.eval()
    first, second = labelled(2, 1), labelled(0, 1, 2)
    for batch in (first, second):
        method.after_step(batch)
    assert method.key_labels.tolist() == [2, 1, 0, 1, 2]
    torch.testing.assert_close(method.keys[-3:], method.embed(second))
    assert not method.keys.requires_grad


def test_the_loss_over_the_queue_is_the_formula():
    rng = torch.Generator().manual_seed(0)
    queries, keys = (torch.nn.functional.normalize(torch.randn(n, 4, generator=rng), dim=1) for n in (3, 5))
    labels, key_labels = torch.tensor([0, 1, 9]), torch.tensor([1, 0, 0, 2, 1])
    total = 0.0
    for query, label in zip(queries, labels, strict=True):
        weights = [torch.exp(query @ key / 0.5) for key in keys]
        mates = [weight for weight, of in zip(weights, key_labels, strict=True) if of == label]
        total += sum(float(-torch.log(mate / sum(weights))) for mate in mates) / max(len(mates), 1)
    assert float(queue_contrast(queries, labels, keys, key_labels, 0.5)) == pytest.approx(total / 3, abs=1e-6)
    assert float(queue_contrast(queries, labels, keys[:0], key_labels[:0], 0.5)) == 0


def rows_of(count):
    """A training set of so many rows, whose pictures nobody opens."""
    names = {"rgb": [f"{row}.png" for row in range(count)]}
    manifest = Manifest.from_columns(names, root=Path(), name="crops")
    return TrainingSet(manifest, lambda: pytest.fail("opened"), Preprocessing(size=(32, 16)))


def test_where_nothing_can_be_told_apart_each_picture_is_a_class(method, monkeypatch):
    method.config = MomentumContrastConfig(eps=0.01, min_samples=4, k1=2, k2=1)
    monkeypatch.setattr(TrainingSet, "embed", lambda self, function: torch.eye(8))
    plan = method.before_epoch(0, rows_of(8))
    assert plan.labels.tolist() == list(range(8))
    assert plan.notes[-1] == "Each picture is its own cluster this epoch."
    assert len(method.prototypes) == len(method.keys) == 8


def test_settings_and_data_that_cannot_be_are_refused(method):
    with pytest.raises(RecipeError, match=r"method.momentum: 1.0; expected a number, 0 or more and below 1"):
        MomentumContrastConfig(momentum=1.0)
    with pytest.raises(DataError, match="crops: 1 picture to train on"):
        MomentumContrastConfig().build(method.online, rows_of(1))
