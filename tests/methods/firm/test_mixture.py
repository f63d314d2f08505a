"""The mixture of Gaussians: torch's own densities, the running sums, how it begins, and components that die."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn.functional import normalize

from reknow.errors import ContractError
from reknow.methods.firm.mixture import GaussianMixture

close = torch.testing.assert_close


def two_groups(seed: int = 0, rows: int = 30, dim: int = 6) -> torch.Tensor:
    """Unit rows, a third of them around one direction and the others around another."""
    random = torch.Generator().manual_seed(seed)
    centers = torch.eye(dim)[(torch.arange(rows) % 3 > 0).long()]
    return normalize(centers + 0.1 * torch.randn(rows, dim, generator=random), dim=1)


def begun(rows: torch.Tensor, **settings: float) -> GaussianMixture:
    mixture = GaussianMixture(rows.shape[1], **settings)
    mixture.begin(rows)
    return mixture


def test_it_begins_with_the_two_groups():
    rows = two_groups()
    mixture = begun(rows)
    first = torch.arange(30) % 3 == 0
    close(mixture.weights, torch.tensor([1 / 3, 2 / 3]))
    close(mixture.means, torch.stack([rows[first].mean(0), rows[~first].mean(0)]))
    expected = torch.stack([rows[first].var(0, correction=0), rows[~first].var(0, correction=0)])
    close(mixture.variances, expected.clamp(min=1e-3), atol=1e-6, rtol=0)


def test_the_loss_is_the_mean_log_density_over_the_dimension():
    mixture, rows = begun(two_groups()), two_groups(1, rows=7)
    parts = Independent(Normal(mixture.means, mixture.variances.sqrt()), 1)
    density = MixtureSameFamily(Categorical(mixture.weights), parts)
    close(mixture(rows), -density.log_prob(rows).mean() / 6, atol=1e-5, rtol=0)


def test_an_update_is_a_step_of_the_running_sums():
    mixture, rows = begun(two_groups(), momentum=0.9), two_groups(1, rows=7)
    responsible = mixture.log_shares(rows).softmax(1)
    expected = []
    for old, power in ((mixture.shares, 0), (mixture.sums, 1), (mixture.squares, 2)):
        new = torch.stack([(responsible[:, [c]] * rows**power).mean(0) for c in range(2)])
        expected.append(0.9 * old + 0.1 * (new[:, 0] if power == 0 else new))
    mixture.update(rows)
    for made, value in zip((mixture.shares, mixture.sums, mixture.squares), expected, strict=True):
        close(made, value)


def test_rows_near_a_mean_cost_less_and_the_gradient_leads_there():
    mixture = begun(two_groups())
    row = torch.full((1, 6), 0.3, requires_grad=True)
    loss = mixture(row)
    loss.backward()
    assert mixture(row.detach() - 0.01 * row.grad) < loss


@pytest.mark.parametrize("rows", [1, 5])
def test_equal_rows_make_equal_components(rows):
    mixture = begun(torch.ones(rows, 4))
    close(mixture.means, torch.ones(2, 4))
    assert (mixture.variances == 1e-3).all() and mixture.weights.tolist() == [0.5, 0.5]
    assert mixture(torch.ones(2, 4)).isfinite()


def test_a_component_that_dies_leaves_the_other_and_finite_numbers():
    mixture, rows = begun(two_groups(), momentum=0.1), two_groups()[torch.arange(30) % 3 == 0]
    for _ in range(100):
        mixture.update(rows)
    assert mixture.shares[1] == 0 and mixture.weights[0] == 1
    near = rows.clone().requires_grad_()
    loss = mixture(near)
    loss.backward()
    assert loss.isfinite() and near.grad.isfinite().all() and near.grad.any()
    mixture.update(rows)
    close(mixture.means[0], rows.mean(0))


def test_no_rows_cost_nothing_and_change_nothing():
    mixture, none = begun(two_groups()), torch.zeros(0, 6, requires_grad=True)
    before = [buffer.clone() for buffer in mixture.buffers()]
    loss = mixture(none)
    loss.backward()
    mixture.update(none.detach())
    assert loss == 0
    assert all(torch.equal(old, new) for old, new in zip(before, mixture.buffers(), strict=True))


def test_before_it_has_begun_a_loss_is_refused():
    mixture = GaussianMixture(4)
    for use in (mixture, mixture.update):
        with pytest.raises(ContractError, match="Call begin"):
            use(torch.ones(2, 4))
    assert mixture(torch.zeros(0, 4)) == 0


def test_a_checkpoint_goes_on_with_it():
    mixture, resumed = begun(two_groups()), GaussianMixture(6)
    resumed.load_state_dict(mixture.state_dict())
    close(resumed(two_groups(1)), mixture(two_groups(1)))
