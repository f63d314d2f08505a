"""Golden cases ``ibb_*``: assignments, Q, the bound's two terms, its gradient, and the true information."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reknow.losses.bottleneck import (
    bottleneck_bound,
    class_centroids,
    class_conditional,
    feature_term,
    information,
    input_term,
    soft_assignments,
)

CASES = {classes: load_file(Path(__file__).parent / "data" / f"ibb_C{classes}.safetensors") for classes in (5, 20)}
UNCLAMPED = 1e-30
"""The reference of the cases up to beta 10 has no clamp."""

close = torch.testing.assert_close


@pytest.fixture(params=[torch.float32, torch.float64], ids=["32 bit", "64 bit"])
def dtype(request):
    return request.param


@pytest.mark.parametrize("classes", CASES)
def test_centroids(classes, dtype):
    case = CASES[classes]
    labels = case["in/labels"].long()
    for rows, centroids in (("features", "centroids_F"), ("inputs_flat", "centroids_X")):
        made = class_centroids(case[f"in/{rows}"].to(dtype), labels, classes)
        close(made, case[f"in/{centroids}"].to(dtype), atol=1e-6, rtol=0)


@pytest.mark.parametrize("beta", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("classes", CASES)
def test_the_bound_and_its_gradient(classes, beta, dtype):
    case = CASES[classes]
    expected = {
        name.removeprefix(f"out/beta{beta:.0f}/"): tensor for name, tensor in case.items() if f"beta{beta:.0f}/" in name
    }
    labels = case["in/labels"].long()
    features = case["in/features"].to(dtype).requires_grad_()
    of_features = soft_assignments(features, case["in/centroids_F"].to(dtype), beta)
    of_inputs = soft_assignments(case["in/inputs_flat"].to(dtype), case["in/centroids_X"].to(dtype), beta)
    conditional = class_conditional(of_features, labels, classes)
    for name, made in (("phi_F", of_features.detach()), ("phi_X", of_inputs), ("Q", conditional)):
        close(made.double(), expected[name], atol=2e-6, rtol=0)
    first = input_term(of_inputs).mean()
    second = feature_term(of_features, labels, conditional)
    close(first.double(), expected["term1"], atol=2e-6, rtol=0)
    close(second.detach().double(), expected["term2"], atol=2e-6, rtol=0)

    centroids = case["in/centroids_F"].to(dtype)
    bound = bottleneck_bound(features, labels, centroids, conditional, of_inputs, beta=beta, clamp=UNCLAMPED)
    close(bound.detach().double(), expected["IBB"], atol=2e-6, rtol=0)
    (gradient,) = torch.autograd.grad(bound, features)
    largest = float(expected["grad_features"].abs().max())
    tolerance = (1e-3 if dtype == torch.float32 else 1e-9) * largest
    close(gradient.double(), expected["grad_features"], atol=tolerance, rtol=0)

    batch = slice(*case["in/batch_bounds"][:2].tolist())
    part = bottleneck_bound(
        features[batch], labels[batch], centroids, conditional, of_inputs[batch], beta=beta, clamp=UNCLAMPED
    )
    close(part.detach().double(), expected["IBB_first_batch"], atol=2e-6, rtol=0)


@pytest.mark.parametrize("beta", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("classes", CASES)
def test_the_true_information_and_the_exact_inequality(classes, beta):
    case = CASES[classes]
    out = {
        name.split("/")[-1]: float(case[f"out/beta{beta:.0f}/{name}"])
        for name in ("I_FX", "I_FY", "IB", "IBB", "H_X", "H_F", "slack_exact_inequality")
    }
    known = information(case[f"out/beta{beta:.0f}/phi_F"], case[f"out/beta{beta:.0f}/phi_X"], case["in/labels"].long())
    assert known.features_inputs == pytest.approx(out["I_FX"], abs=1e-9)
    assert known.features_labels == pytest.approx(out["I_FY"], abs=1e-9)
    assert known.bottleneck == pytest.approx(out["IB"], abs=1e-9)
    assert known.entropy_inputs == pytest.approx(out["H_X"], abs=1e-9)
    assert known.entropy_features == pytest.approx(out["H_F"], abs=1e-9)
    assert known.slack(out["IBB"]) == pytest.approx(out["slack_exact_inequality"], abs=1e-9)
    assert known.slack(out["IBB"]) >= 0


@pytest.mark.parametrize("classes", CASES)
def test_where_most_of_q_underflows(classes, dtype):
    case = CASES[classes]
    labels = case["in/labels"].long()
    features = case["in/features"].to(dtype).requires_grad_()
    centroids = case["in/centroids_F"].to(dtype)
    of_features = soft_assignments(features, centroids, beta=20.0)
    of_inputs = soft_assignments(case["in/inputs_flat"].to(dtype), case["in/centroids_X"].to(dtype), beta=20.0)
    close(of_features.detach().double(), case["out/stress/phi_F"], atol=2e-6, rtol=0)
    close(of_inputs.double(), case["out/stress/phi_X"], atol=2e-6, rtol=0)
    conditional = class_conditional(of_features, labels, classes)
    assert (conditional < 1e-9).double().mean() > 0.7
    bound = bottleneck_bound(features, labels, centroids, conditional, of_inputs, beta=20.0, clamp=1e-9)
    close(bound.detach().double(), case["out/stress/IBB_clamped"], atol=2e-5, rtol=0)
    (gradient,) = torch.autograd.grad(bound, features)
    expected = case["out/stress/grad_features"]
    close(gradient.double(), expected, atol=1e-3 * float(expected.abs().max()), rtol=0)
