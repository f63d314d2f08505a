from __future__ import annotations

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.errors import DataError, RecipeError
from reknow.losses.bottleneck import (
    Information,
    bottleneck_bound,
    class_centroids,
    class_conditional,
    feature_term,
    information,
    input_term,
    soft_assignments,
)


def made(seed: int, rows: int = 40, classes: int = 6, dim: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features, inputs and labels of classes that have every number of rows, none included."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (rows,), generator=random)
    shared = torch.randn(classes, dim, generator=random)[labels]
    features = shared + torch.randn(rows, dim, generator=random)
    return features, torch.randn(rows, 3 * dim, generator=random), labels


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 50),
    classes=st.integers(1, 12),
    beta=st.sampled_from([0.0, 1.0, 5.0, 60.0]),
)
def test_the_exact_inequality_holds_for_any_rows(seed, rows, classes, beta):
    features, inputs, labels = (
        part.double() if part.is_floating_point() else part for part in made(seed, rows, classes)
    )
    centroids = class_centroids(features, labels, classes)
    of_features = soft_assignments(features, centroids, beta)
    of_inputs = soft_assignments(inputs, class_centroids(inputs, labels, classes), beta)
    conditional = class_conditional(of_features, labels, classes)
    torch.testing.assert_close(of_features.sum(1), torch.ones(rows, dtype=torch.double))
    torch.testing.assert_close(conditional.sum(0), torch.ones(classes, dtype=torch.double))
    known = information(of_features, of_inputs, labels)
    bound = bottleneck_bound(features, labels, centroids, conditional, of_inputs, beta=beta, clamp=1e-300)
    assert known.slack(float(bound)) >= -1e-9
    assert -1e-9 <= known.features_labels <= math.log(classes) + 1e-9
    assert known.features_inputs >= -1e-9


def test_the_input_term_changes_no_gradient():
    features, inputs, labels = made(0)
    features.requires_grad_()
    centroids = class_centroids(features, labels, 6)
    conditional = class_conditional(soft_assignments(features, centroids), labels, 6)
    of_inputs = soft_assignments(inputs, class_centroids(inputs, labels, 6))
    (without,) = torch.autograd.grad(bottleneck_bound(features, labels, centroids, conditional), features)
    whole = bottleneck_bound(features, labels, centroids, conditional, of_inputs)
    (gradient,) = torch.autograd.grad(whole, features)
    assert torch.equal(gradient, without)
    assert gradient.abs().max() > 0
    # As the paper writes the first sum, over a and b.
    of_features = soft_assignments(features, centroids)
    double = torch.einsum("na,nb,nb->n", of_features, of_inputs, of_inputs.log()).mean()
    torch.testing.assert_close(double, input_term(of_inputs).mean(), atol=1e-6, rtol=0)


def test_batches_estimate_the_whole():
    features, _, labels = made(1)
    centroids = class_centroids(features, labels, 6)
    conditional = class_conditional(soft_assignments(features, centroids), labels, 6)
    parts = [bottleneck_bound(features[i : i + 8], labels[i : i + 8], centroids, conditional) for i in range(0, 40, 8)]
    torch.testing.assert_close(torch.stack(parts).mean(), bottleneck_bound(features, labels, centroids, conditional))


def test_the_bound_falls_where_it_is_followed():
    features, _, labels = made(2)
    features.requires_grad_()
    centroids = class_centroids(features, labels, 6)
    conditional = class_conditional(soft_assignments(features, centroids), labels, 6)
    before = bottleneck_bound(features, labels, centroids, conditional)
    (gradient,) = torch.autograd.grad(before, features)
    assert bottleneck_bound(features - 0.5 * gradient, labels, centroids, conditional) < before


def test_rows_of_length_zero_belong_to_all_alike_and_have_a_gradient_that_is_finite():
    features, _, labels = made(3)
    features[:4] = 0
    features.requires_grad_()
    centroids = class_centroids(features, labels, 6)
    of_features = soft_assignments(features, centroids)
    torch.testing.assert_close(of_features[:4], torch.full((4, 6), 1 / 6))
    bottleneck_bound(features, labels, centroids, class_conditional(of_features, labels, 6)).backward()
    assert features.grad.isfinite().all()


def test_a_class_without_rows_is_assigned_nothing_and_teaches_nothing():
    features, _, labels = made(4)
    labels[labels == 2] = 3
    features.requires_grad_()
    centroids = class_centroids(features, labels, 6)
    of_features = soft_assignments(features, centroids)
    assert (of_features[:, 2] == 0).all()
    conditional = class_conditional(of_features, labels, 6)
    assert torch.equal(conditional[:, 2], torch.full((6,), 1 / 6))
    absent = bottleneck_bound(features, torch.full_like(labels, 2), centroids, conditional)
    (gradient,) = torch.autograd.grad(absent, features)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-7, rtol=0)


def test_a_class_with_one_row_and_one_class_alone():
    features, _, labels = made(5, rows=6)
    alone = torch.arange(6)
    centroids = class_centroids(features, alone, 6)
    torch.testing.assert_close(centroids, torch.nn.functional.normalize(features, dim=1))
    conditional = class_conditional(soft_assignments(features, centroids), alone, 6)
    assert bottleneck_bound(features, alone, centroids, conditional).isfinite()
    zeros = torch.zeros_like(labels)
    one = class_centroids(features, zeros, 1)
    conditional = class_conditional(soft_assignments(features, one), zeros, 1)
    assert float(bottleneck_bound(features, zeros, one, conditional)) == 0.0


@pytest.mark.parametrize("beta", [1e4, 1e30])
def test_a_beta_that_underflows_every_assignment_but_one(beta):
    features, inputs, labels = made(6)
    features.requires_grad_()
    centroids = class_centroids(features, labels, 6)
    of_features = soft_assignments(features, centroids, beta)
    of_inputs = soft_assignments(inputs, class_centroids(inputs, labels, 6), beta)
    conditional = class_conditional(of_features, labels, 6)
    assert (conditional == 0).any()
    bound = bottleneck_bound(features, labels, centroids, conditional, of_inputs, beta=beta)
    bound.backward()
    assert bound.isfinite() and features.grad.isfinite().all()


def test_half_precision_is_computed_in_32_bit():
    features, _, labels = made(7)
    centroids = class_centroids(features.bfloat16(), labels, 6)
    assert centroids.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        of_features = soft_assignments(features, centroids)
        conditional = class_conditional(of_features, labels, 6)
        bound = bottleneck_bound(features, labels, centroids, conditional)
    assert of_features.dtype == bound.dtype == torch.float32
    torch.testing.assert_close(bound, bottleneck_bound(features, labels, centroids, conditional), atol=0, rtol=0)
    half = bottleneck_bound(features.bfloat16(), labels, centroids, conditional)
    torch.testing.assert_close(half, bound, atol=1e-3, rtol=0)


def test_what_cannot_be_computed_is_refused():
    features, _, labels = made(8)
    with pytest.raises(DataError, match="none of which has a length"):
        class_centroids(torch.zeros_like(features), labels, 6)
    for beta in (-1.0, float("nan"), float("inf")):
        with pytest.raises(RecipeError, match="beta"):
            soft_assignments(features, features[:6], beta)


def test_what_is_known_of_one_row():
    assert information(torch.ones(1, 1), torch.ones(1, 1), torch.zeros(1, dtype=torch.long)) == Information(
        0.0, 0.0, 0.0, 0.0
    )


def test_the_mean_over_rows_is_weighed_by_the_classes_q():
    sharp = torch.eye(3)
    conditional = torch.tensor([[0.5, 0.25, 0.1], [0.25, 0.5, 0.1], [0.25, 0.25, 0.8]])
    expected = -(math.log(0.5) + math.log(0.5) + math.log(0.8)) / 3
    assert float(feature_term(sharp, torch.arange(3), conditional)) == pytest.approx(expected)


def test_a_batch_that_does_not_fit_is_refused():
    rows, labels = torch.eye(3), torch.arange(3)
    centroids = class_centroids(rows, labels, classes=3)
    conditional = class_conditional(soft_assignments(rows, centroids), labels, classes=3)
    bound = inspect.unwrap(bottleneck_bound)  # the checked signature would refuse some of it first
    with pytest.raises(DataError, match="labels: class -1; expected 0 to 2"):
        bound(rows, labels - 1, centroids, conditional)
    with pytest.raises(DataError, match="labels: class 3; expected 0 to 2"):
        bound(rows, labels + 1, centroids, conditional)
    with pytest.raises(DataError, match="labels: 2 rows for 3 features"):
        bound(rows, labels[:2], centroids, conditional)
    with pytest.raises(DataError, match="input_assignments: 2 rows for 3 features"):
        bound(rows, labels, centroids, conditional, soft_assignments(rows, centroids)[:2])
    with pytest.raises(DataError, match="0 rows for 0 features"):
        bound(rows[:0], labels[:0], centroids, conditional)
