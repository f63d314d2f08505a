"""Channel search: masks, the supernet beside the network that it stands for, networks of a space, bad shapes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reknow.errors import RecipeError
from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.channel_search import FBNETV2_UNITS, FoundConfig, Supernet, SupernetConfig, Unit
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.epochs import begin_epoch
from reknow.models.inverted_residuals import FBNetV2Config, InvertedResiduals
from reknow.values import from_plain, to_plain

SIZE = (32, 16)
UNITS = (
    Unit(blocks=2, most=12, options=3, step=4, expansion=2),
    Unit(blocks=3, most=12, options=3, step=2, expansion=3, stride=1),
)
SPACE = SupernetConfig(
    first=4, last=16, units=UNITS, after=tuple((stage, ChannelSelectionBlock()) for stage in ("stage2", "stage3"))
)
IMAGES = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def disturbed(trunk: nn.Module) -> nn.Module:
    """Norms as in the middle of a run: with other weights and statistics than those of the start."""
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.add_(torch.rand_like(tensor))
    return trunk


def first_of(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor[tuple(slice(length) for length in like.shape)]


def network_with_weights_of(supernet: Supernet, channels: tuple[int, ...]) -> InvertedResiduals:
    """The plain network with the first of the supernet's weights."""
    network = supernet.config.with_channels(channels).build().eval()
    state = supernet.state_dict()
    mine = network.state_dict()
    network.to(next(supernet.parameters()).dtype).load_state_dict(
        {name: first_of(state[name], mine[name]) for name in mine}
    )
    return network


@pytest.mark.parametrize("options", list(itertools.product(range(3), range(3))))
def test_of_one_option_the_supernet_is_the_plain_network_with_its_first_weights(options: tuple[int, int]) -> None:
    # (0, 0), (1, 2): both units have as many channels, where a plain block would add its input.
    torch.manual_seed(0)
    supernet = disturbed(SPACE.build()).double().eval()
    supernet.chosen.copy_(torch.tensor(options))
    network = network_with_weights_of(supernet, supernet.chosen_channels())
    with torch.inference_mode():
        tokens, expected = supernet(IMAGES.double()), network(IMAGES.double())
    assert float(expected.cls.std()) > 0.1
    torch.testing.assert_close(tokens.patches, expected.patches, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(tokens.cls, expected.cls, rtol=1e-6, atol=1e-6)


def test_in_training_too_where_theta_leaves_no_doubt() -> None:
    torch.manual_seed(0)
    supernet = replace(SPACE, after=()).build().train()
    supernet.chosen.copy_(torch.tensor([1, 2]))
    network = network_with_weights_of(supernet, (8, 8)).train()
    with torch.no_grad():
        for theta, option in zip(supernet.architecture.values(), (1, 2), strict=True):
            theta[option] = 1e4
        torch.testing.assert_close(supernet(IMAGES).cls, network(IMAGES).cls, rtol=1e-5, atol=1e-5)


@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda row: sum(row) > 0.1))
@settings(max_examples=25, deadline=None)
def test_a_mask_falls_from_one_and_its_sum_is_the_number_of_channels(weights: list[float]) -> None:
    unit = Unit(blocks=1, most=28, options=4, step=4)
    shares = torch.tensor(weights, dtype=torch.float64)
    shares = shares / shares.sum()
    mask = unit.mask(shares)
    assert mask.shape == (28,) and float(mask[:16].min()) == pytest.approx(1)
    assert (mask.diff() <= 1e-12).all()
    torch.testing.assert_close(mask.sum(), unit.counted(shares))
    torch.testing.assert_close(mask[[16, 20, 24]], 1 - shares.flip(0).cumsum(0)[:3])


def test_the_draw_of_a_batch_is_soft_and_differs_and_theta_has_a_gradient() -> None:
    torch.manual_seed(0)
    supernet = SPACE.build().train()
    with torch.no_grad():
        first, second = supernet.shares(), supernet.shares()
    for name, shares in first.items():
        assert float(shares.sum()) == pytest.approx(1, abs=1e-6) and ((shares > 0) & (shares < 1)).all()
        assert not torch.equal(shares, second[name])
    supernet(IMAGES).cls.square().sum().backward()
    assert all(theta.grad.abs().sum() > 0 for theta in supernet.architecture.values())
    assert not supernet.eval()(IMAGES).cls.equal(supernet.train()(IMAGES).cls)


def test_the_temperature_falls_by_the_power_of_the_epoch_and_expected_channels_are_told() -> None:
    supernet = SPACE.build()
    remarks = begin_epoch(supernet, 10)
    assert supernet.temperature == pytest.approx(5 * 0.956**10)  # and not 4.78 in every epoch
    begin_epoch(supernet, 1000)
    assert supernet.temperature == 0.1
    assert remarks.numbers == {"channels/stage2": pytest.approx(8), "channels/stage3": pytest.approx(10)}
    # A small temperature leaves one option, a large one mixes all of them.
    supernet.train()
    for temperature, least, most in ((1e-3, 0.999, 1.0), (1e4, 1 / 3, 0.34)):
        supernet.temperature = temperature
        for shares in supernet.shares().values():
            assert least <= shares.detach().max() <= most


def test_the_default_space_is_the_published_one_and_its_largest_network_the_fixed_one() -> None:
    assert [unit.channels for unit in FBNETV2_UNITS] == [
        (28, 24, 20, 16),
        (40, 32, 24, 16),
        tuple(range(128, 79, -8)),
        tuple(range(216, 119, -8)),
    ]
    config = SupernetConfig()
    assert config.table == FBNetV2Config().table and config.ends == FBNetV2Config().ends
    assert config.networks().shape == (4 * 4 * 7 * 13, 4)
    assert config.channels_of(config.networks())[[0, -1]].tolist() == [[28, 40, 128, 216], [16, 16, 80, 120]]


def test_the_most_probable_network_within_the_budget_is_the_best_of_all_that_are_within() -> None:
    probabilities = [torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.4, 0.25, 0.35])]
    every = list(itertools.product(range(3), range(3)))
    cost = {
        pair: SPACE.operations([unit.channels[i] for unit, i in zip(UNITS, pair, strict=True)], SIZE) for pair in every
    }
    for budget in sorted(cost.values()):
        within = [pair for pair in every if cost[pair] <= budget]
        best = max(within, key=lambda pair: float(probabilities[0][pair[0]] * probabilities[1][pair[1]]))
        assert tuple(SPACE.most_probable(probabilities, SIZE, budget).tolist()) == best
    assert tuple(SPACE.most_probable(probabilities, SIZE, 1e12).tolist()) == (0, 0)


def test_random_networks_are_as_expensive_all_different_and_the_same_for_a_seed() -> None:
    config = SupernetConfig()
    target = int(config.operations((20, 32, 96, 160), (256, 128)))
    drawn = config.random_networks(5, (256, 128), target, seed=3, without=(20, 32, 96, 160))
    assert len(set(drawn)) == 5 and (20, 32, 96, 160) not in drawn
    for channels in drawn:
        assert config.with_channels(channels).operations(channels, (256, 128)) == pytest.approx(target, rel=0.02)
    assert config.random_networks(5, (256, 128), target, seed=3, without=(20, 32, 96, 160)) == drawn
    assert config.random_networks(5, (256, 128), target, seed=4) != drawn
    with pytest.raises(RecipeError, match=r"0 other networks of .* within 2 %; expected at least 1"):
        config.random_networks(1, (256, 128), target / 10, seed=3)


def test_shapes_come_back_from_a_file_and_the_plain_trunk_has_no_attention() -> None:
    for config in (SPACE, SPACE.with_channels((8, 10))):
        assert from_plain(to_plain(config), "recipe.yaml") == config
        assert config.plain().after == () and config.plain().units == UNITS


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SPACE.with_channels((8,)), r"channels: 1 numbers for 2 units; expected one for each of stage2, sta"),
        (lambda: SPACE.with_channels((9, 10)), r"channels: 9 for stage2; expected one of 12, 8, 4"),
        (lambda: SPACE.with_channels((8, -2)), r"channels: \(8, -2\)"),
        (lambda: replace(SPACE, units=()), r"units: none; expected at least one unit"),
        (lambda: replace(SPACE, units=(Unit(blocks=1, most=400, options=400, step=1),) * 2), r"space of 160,000"),
        (lambda: replace(SPACE, within=SqueezeExcitation()), r"within: SqueezeExcitation"),
        (lambda: replace(SPACE, after=(("stage2", SqueezeExcitation()),)), r"after: SqueezeExcitation"),
        (lambda: replace(SPACE, after=(("stage4", ChannelSelectionBlock()),)), r"stage 'stage4'"),
        (lambda: replace(SPACE, temperature=0.0), r"temperature"),
        (lambda: Unit(blocks=1, most=8, options=3, step=4), r"3 options by steps of 4 from 8: the last has no channel"),
        (lambda: Unit(blocks=0, most=8, options=2, step=4), r"units\.blocks"),
        (lambda: FoundConfig(units=UNITS).build(), r"channels: none, so the network has yet to be found; .* stage3"),
    ],
)  # fmt: skip
def test_a_shape_that_makes_no_sense_is_refused(make, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make()
