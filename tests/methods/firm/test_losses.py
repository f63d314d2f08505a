"""FIRM's losses: plain sums, where gradients are and where the paper's own form has none, and batches of nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from reknow.errors import DataError, RecipeError
from reknow.methods.firm.losses import (
    alignment,
    batch_means,
    density_loss,
    density_weight,
    prototype_alignment,
    transport_contrast,
    view_contrast,
    view_weights,
)
from reknow.methods.firm.memory import FUSION, ClusterMemory, bootstrap, transport_plans
from reknow.methods.firm.mixture import GaussianMixture

close = torch.testing.assert_close
INFRARED = torch.tensor([False, True] * 4)
LABELS = torch.tensor([0, 0, 1, 1, -1, 2, 3, 3])


def made_memory(dim: int = 6) -> ClusterMemory:
    """Five clusters; the third has no visible pictures, the last has no infrared ones, the first two are children."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 5
    infrared = (torch.rand(40, generator=random) < 0.5) & (labels != 4) | (labels == 2)
    memory = bootstrap(*torch.randn(2, 40, dim, generator=random), infrared, labels)
    assert memory.valid.sum() == 13
    return replace(memory, parents=torch.tensor([0, 0, 0, -1, -1]))


def made_features(dim: int = 6) -> tuple[Tensor, Tensor]:
    fusion, visual = 2 * torch.randn(2, 8, dim, generator=torch.Generator().manual_seed(1))
    return fusion.requires_grad_(), visual.requires_grad_()


def made_mixture(memory: ClusterMemory) -> GaussianMixture:
    mixture = GaussianMixture(memory.prototypes.shape[2])
    mixture.begin(memory.prototypes[:, FUSION])
    return mixture


def losses(memory: ClusterMemory, fusion: Tensor, visual: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """All four by name, of a batch; the tokens of two layers are made of both features."""
    infrared = INFRARED[: len(labels)]
    plans = transport_plans(memory, fusion, visual, infrared, labels >= 0)
    return {
        "contrast": transport_contrast(memory, fusion, visual, plans),
        "alignment": alignment(memory, torch.stack([fusion, visual]), labels),
        "prototypes": prototype_alignment(memory, visual, infrared, labels),
        "density": density_loss(made_mixture(made_memory()), fusion, labels),
    }


def gradients(loss: Tensor, features: tuple[Tensor, Tensor]) -> Tensor:
    """(2, B, D); zeros where the loss does not depend on a feature."""
    made = torch.autograd.grad(loss, features, allow_unused=True, retain_graph=True)
    return torch.stack(
        [torch.zeros_like(of) if made is None else made for made, of in zip(made, features, strict=True)]
    )


def test_each_loss_reaches_the_features_and_leaves_noise_alone():
    features = made_features()
    for name, loss in losses(made_memory(), *features, LABELS).items():
        gradient = gradients(loss, features)
        touched = gradient.abs().sum((0, 2)) > 1e-6
        assert not gradient[:, LABELS < 0].any(), name
        assert touched.sum() >= 6, name  # L_proto leaves out the third cluster's own view


def test_the_papers_losses_between_prototypes_have_no_gradient():
    memory, features = made_memory(), made_features()
    mixture = made_mixture(memory)
    for constant in (
        prototype_alignment(memory, features[1], INFRARED, LABELS, literal=True),
        mixture(memory.prototypes[:, FUSION]),
    ):
        assert float(constant) != 0 and not constant.requires_grad
    for carrying in (
        prototype_alignment(memory, features[1], INFRARED, LABELS),
        density_loss(mixture, features[0], LABELS),
    ):
        assert gradients(carrying, features).abs().max() > 1e-3


def test_both_forms_are_one_number_where_the_batch_has_the_prototypes():
    memory = made_memory()
    clusters, views = memory.valid[:, 1:].nonzero().T
    batch = memory.prototypes[clusters, 1 + views], views == 1, clusters
    literal = prototype_alignment(memory, *batch, literal=True)
    close(prototype_alignment(memory, *batch), literal)
    apart = memory.prototypes[:, 1:] - memory.prototypes[:, :1]
    main = (apart.square().sum(2) * memory.valid[:, 1:]).sum()
    children = (memory.prototypes[:2, 1] - memory.prototypes[:2, 2]).square().sum()
    close(literal, main + 0.5 * children)  # the third is a child without a visible view


def test_prototypes_get_no_gradient():
    memory, features = made_memory(), made_features()
    memory.prototypes.requires_grad_()
    for loss in losses(memory, *features, LABELS).values():
        (gradient,) = torch.autograd.grad(loss, memory.prototypes, allow_unused=True)
        assert gradient is None


def test_contrast_is_the_plain_sum():
    memory, (fusion, visual) = made_memory(), made_features()
    plans = transport_plans(memory, fusion, visual, INFRARED, LABELS >= 0)
    terms, sums = [], []
    for view, features in enumerate((fusion, visual, visual)):
        rows = [row for row in range(8) if LABELS[row] >= 0 and (view == 0 or INFRARED[row] == (view == 2))]
        valid = memory.valid[:, view]
        total = torch.zeros(())
        for row in rows:
            logits = memory.prototypes[valid, view] @ normalize(features[row], dim=0) / 0.05
            total = total - (plans.plans[view, row, valid] * logits.log_softmax(0)).sum()
        terms.append(total / len(rows))
        sums.append(1 + sum(plans.plans[view, row].max() for row in rows))
    weights = torch.stack(sums).log()
    close(view_weights(plans.confidences), weights / weights.sum())
    close(transport_contrast(memory, fusion, visual, plans), (torch.stack(terms) * weights / weights.sum()).sum())


def test_a_batch_of_noise_costs_nothing_and_can_be_learned_from():
    memory, features = made_memory(), made_features()
    for name, loss in losses(memory, *features, torch.full((8,), -1)).items():
        assert loss == 0 and loss.requires_grad, name
        assert not gradients(loss, features).any(), name


@pytest.mark.parametrize("case", ["no picture", "no cluster", "no valid prototype"])
def test_nothing_to_compare_costs_nothing(case):
    memory, features, labels = made_memory(), made_features(), LABELS
    if case == "no picture":
        features, labels = tuple(side[:0] for side in features), LABELS[:0]
    if case == "no cluster":
        memory, labels = memory[torch.zeros(0, dtype=torch.long)], torch.full((8,), -1)
    if case == "no valid prototype":
        memory = replace(memory, valid=torch.zeros_like(memory.valid))
    for name, loss in losses(memory, *features, labels).items():
        if case != "no valid prototype" or name != "density":  # the density asks for no prototype
            assert loss == 0 and loss.requires_grad, name
            assert not gradients(loss, features).any(), name


def test_an_invalid_prototype_is_compared_with_nothing():
    memory, features = made_memory(), made_features()
    random = torch.randn(memory.prototypes.shape, generator=torch.Generator().manual_seed(3))
    other = replace(memory, prototypes=memory.prototypes.where(memory.valid[..., None], random))
    for first, second in zip(*(losses(each, *features, LABELS).values() for each in (memory, other)), strict=True):
        close(first, second)
        close(gradients(first, features), gradients(second, features))
    close(
        prototype_alignment(other, features[1], INFRARED, LABELS, literal=True),
        prototype_alignment(memory, features[1], INFRARED, LABELS, literal=True),
    )


def test_a_single_cluster_that_holds_everything():
    features, labels = made_features(), torch.zeros(8, dtype=torch.long)
    memory = bootstrap(features[0].detach(), features[1].detach(), INFRARED, labels)
    made = losses(memory, *features, labels)
    assert made["contrast"].item() == pytest.approx(0, abs=1e-6)  # there is nothing to tell it from
    assert all(loss.isfinite() for loss in made.values())


def test_a_feature_that_points_nowhere_gets_no_gradient():
    memory, (fusion, visual) = made_memory(), made_features()
    zeros = torch.ones(8, 1).index_fill(0, torch.tensor(2), 0.0)
    features = (fusion * zeros).detach().requires_grad_(), (visual * zeros).detach().requires_grad_()
    for name, loss in losses(memory, *features, LABELS).items():
        gradient = gradients(loss, features)
        assert gradient.isfinite().all() and not gradient[:, 2].any() and gradient.any(), name
    alone = torch.zeros(1, 6, requires_grad=True)
    clusters, means = batch_means(alone, torch.tensor([3]))
    assert not len(clusters) and not len(means)


def test_lengths_of_features_do_not_matter():
    memory, (fusion, visual) = made_memory(), made_features()
    for first, second in zip(
        losses(memory, fusion, visual, LABELS).values(), losses(memory, 9 * fusion, 0.1 * visual, LABELS).values(),
        strict=True,
    ):  # fmt: skip
        close(first, second)


@pytest.mark.parametrize("side", [0, 1])
def test_features_that_are_not_finite_are_refused(side):
    memory, features = made_memory(), tuple(feature.detach() for feature in made_features())
    plans = transport_plans(memory, *features, INFRARED)
    features[side][5, 0] = torch.nan
    with pytest.raises(DataError, match="rows hold NaN"):
        transport_contrast(memory, *features, plans)
    with pytest.raises(DataError, match="rows hold NaN"):
        alignment(memory, features[side][None], LABELS)
    with pytest.raises(DataError, match="rows hold NaN"):
        batch_means(features[side], LABELS)


def test_labels_of_another_memory_are_refused():
    memory, (fusion, visual) = made_memory(), made_features()
    wrong = LABELS.index_fill(0, torch.tensor(1), 5)
    for use in (
        lambda: alignment(memory, fusion[None], wrong),
        lambda: prototype_alignment(memory, visual, INFRARED, wrong),
        lambda: prototype_alignment(memory, visual, INFRARED, wrong, literal=True),
    ):
        with pytest.raises(DataError, match="cluster 5; expected -1 for noise, or 0 to 4"):
            use()


def test_half_precision_and_autocast_are_computed_in_32_bit():
    memory, features = made_memory(), made_features()
    half = tuple(feature.detach().half() for feature in features)
    expected = losses(memory, *(feature.float() for feature in half), LABELS)
    for name, loss in losses(memory, *half, LABELS).items():
        assert loss.dtype == torch.float32
        close(loss, expected[name])
    exact = losses(memory, *features, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for name, loss in losses(memory, *features, LABELS).items():
            assert torch.equal(loss, exact[name]), name


def test_a_plan_of_one_entry_makes_the_contrast_a_cross_entropy():
    prototypes, features = torch.eye(4), torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([2, 0, 3])
    valid = torch.ones(4, dtype=torch.bool)
    plan = torch.nn.functional.one_hot(targets, 4).float()
    expected = torch.nn.functional.cross_entropy(normalize(features, dim=1) / 0.05, targets)
    close(view_contrast(features, prototypes, valid, plan), expected)


def test_views_weigh_by_how_sure_the_batch_is():
    assert view_weights(torch.zeros(3, 4)).tolist() == [0, 0, 0]
    weights = view_weights(torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.5]]))
    assert float(weights.sum()) == pytest.approx(1) and weights[0] > weights[1] > weights[2] > 0


def test_the_weight_of_the_density_rises_over_a_fifth_of_the_run():
    weights = [density_weight(step, 100) for step in (0, 10, 20, 99)]
    assert weights == pytest.approx([0, 0.025, 0.05, 0.05])
    assert density_weight(0, 100, ramp=0.0) == 0.05


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    with pytest.raises(RecipeError, match="temperature"):
        view_contrast(torch.eye(2), torch.eye(2), torch.tensor([True, True]), torch.full((2, 2), 0.5), temperature)
