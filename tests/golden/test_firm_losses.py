"""Golden case ``firm_losses``: the four losses, their gradients, and the mixture after a step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

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
from reknow.methods.firm.memory import ClusterMemory, TransportPlans, transport_plans
from reknow.methods.firm.mixture import GaussianMixture

CASE = load_file(Path(__file__).parent / "data" / "firm_losses.safetensors")
VIEWS = ("fus", "rgb", "ir")
LABELS, INFRARED = CASE["in/labels"].long(), CASE["in/modality"].bool()


def close(made: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(made.detach().double(), expected.double(), atol=tolerance, rtol=0)


@pytest.fixture
def memory() -> ClusterMemory:
    parents = CASE["in/proto/parent_id"].long()
    return ClusterMemory(
        torch.stack([CASE[f"in/proto_{view}"] for view in VIEWS], 1),
        torch.stack([CASE[f"in/valid_{view}"] for view in VIEWS], 1).bool(),
        counts=torch.ones_like(parents),
        confidence_sums=torch.zeros(len(parents)),
        parents=parents,
        low_cycles=torch.zeros_like(parents),
    )


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    return CASE["in/f_fus"].clone().requires_grad_(), CASE["in/f_vis"].clone().requires_grad_()


def plans_of(memory: ClusterMemory) -> TransportPlans:
    return transport_plans(memory, CASE["in/f_fus"], CASE["in/f_vis"], INFRARED, kept=LABELS >= 0)


def mixture() -> GaussianMixture:
    made = GaussianMixture(24)
    made.load_state_dict({"shares": CASE["in/den/s0"], "sums": CASE["in/den/s1"], "squares": CASE["in/den/s2"]})
    return made


def test_contrast(memory, features):
    plans = plans_of(memory)
    for place, (view, side) in enumerate(zip(VIEWS, (0, 1, 1), strict=True)):
        rows = CASE[f"out/con/rows_{view}"].long()
        close(plans.plans[place][rows], CASE[f"out/con/pi_{view}"])
        assert torch.equal(plans.plans[place].any(1).nonzero()[:, 0], rows)
        close(plans.confidences[place].sum(), CASE[f"out/con/omega_sum_{view}"])
        own = features[side], memory.prototypes[:, place], memory.valid[:, place], plans.plans[place]
        close(view_contrast(*own), CASE[f"out/con/L_{view}"])
    close(view_weights(plans.confidences), CASE["out/con/beta"])
    loss = transport_contrast(memory, *features, plans)
    close(loss, CASE["out/con/L_con"])
    loss.backward()
    close(features[0].grad, CASE["out/con/grad_fus"], 1e-6)
    close(features[1].grad, CASE["out/con/grad_vis"], 1e-6)


def test_alignment(memory):
    tokens = CASE["in/align/cls_layers"].clone().requires_grad_()
    loss = alignment(memory, tokens, LABELS)
    close(loss, CASE["out/align/value"])
    loss.backward()
    close(tokens.grad, CASE["out/align/grad_cls"], 1e-6)


def test_prototype_alignment(memory, features):
    loss = prototype_alignment(memory, features[1], INFRARED, LABELS)
    close(loss, CASE["out/proto/value"])
    no_children = torch.full_like(memory.parents, -1)
    main = prototype_alignment(ClusterMemory(**{**vars(memory), "parents": no_children}), features[1], INFRARED, LABELS)
    close(main, CASE["out/proto/main"])
    close(2 * (loss - main), CASE["out/proto/children"])
    loss.backward()
    close(features[1].grad, CASE["out/proto/grad_vis"], 1e-6)


def test_density(features):
    density = mixture()
    for name, made in (("pi", density.weights), ("mu", density.means), ("var", density.variances)):
        close(made, CASE[f"in/den/{name}"], 1e-6)
    clusters, means = batch_means(features[0], LABELS)
    assert torch.equal(clusters, CASE["out/den/present_clusters"].long())
    close(means, CASE["out/den/batch_means"])
    shares = density.log_shares(means)
    torch.testing.assert_close(-shares.logsumexp(1).detach().double(), CASE["out/den/nll"], atol=0, rtol=1e-5)
    close(shares.softmax(1), CASE["out/den/responsibilities"])
    loss = density_loss(density, features[0], LABELS)
    close(loss, CASE["out/den/value"])
    loss.backward()
    close(features[0].grad, CASE["out/den/grad_fus"], 3e-5)
    density.update(means)
    made = {"s0": density.shares, "s1": density.sums, "s2": density.squares}
    made |= {"pi": density.weights, "mu": density.means, "var": density.variances}
    for name, value in made.items():
        close(value, CASE[f"out/den/{name}_after"], 1e-6)


def test_total(memory, features):
    total = (
        transport_contrast(memory, *features, plans_of(memory))
        + 0.1 * prototype_alignment(memory, features[1], INFRARED, LABELS)
        + density_weight(150, 1000) * density_loss(mixture(), features[0], LABELS)
        + 0.1 * alignment(memory, CASE["in/align/cls_layers"], LABELS)
    )
    close(total, CASE["out/total"])


def test_every_output_is_compared():
    outputs = {name.split("/")[1] for name in CASE if name.startswith("out/")}
    assert outputs == {"con", "align", "proto", "den", "total"}
