"""Channel search: a trunk that holds all networks of a search space at once, and each of these networks by itself.

Wan et al., "FBNetV2: Differentiable Neural Architecture Search for Spatial and Channel Dimensions" (CVPR 2020, section
3.1), which RIB's searched backbone takes over (Wang et al., arXiv 2505.08961; "DCS-DNB"). A *unit* is a stage of
inverted residuals whose number of channels is searched; its options are its first c_i = most - i step channels. Per
unit one vector theta is learned, and for each batch one mask of channels is made of it:

    g = softmax((theta + Gumbel noise) / tau)      mask = sum_i g_i 1[channel < c_i]      tau falls from epoch to epoch

:class:`SupernetConfig` builds the trunk with all options, :class:`FoundConfig` the network of one option for each unit.
At test the supernet is one of these networks, too: its masks are 0 and 1, for the options that were chosen, and its
output is the one of that network with the first of its weights (a test shows it). For this a mask acts on all that a
network with fewer channels lacks (decision 14 in docs/methods/rib.md): what leaves a block, after its last norm and
before the addition; the channels between its convolutions, `expansion` for each that comes in; and what attention adds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import RecipeError
from reknow.fields import PositiveFloat, PositiveInt, PositiveShare, check_fields
from reknow.models.channel_selection import SelectiveBlock
from reknow.models.epochs import FallingTemperature, FollowsEpochs, Remarks
from reknow.models.inverted_residuals import Block, InvertedResiduals, InvertedResidualsConfig, Stage
from reknow.models.operations import Count, operations

MOST_NETWORKS = 100_000
"""Larger spaces are refused: all networks of a space are counted when the found one is chosen."""

WITHIN = 0.02
"""Networks whose operations differ by no more than this share are called equal in operations."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A stage whose channels are searched.

    Attributes:
        blocks: how many inverted residuals.
        most: channels of the first option, the largest.
        options: how many there are.
        step: channels by which an option is smaller than the one before.
        stride: of the first block.
        expansion: channels inside a block over those that come in.

    Example:
        >>> Unit(blocks=3, most=28, options=4, step=4).channels
        (28, 24, 20, 16)
    """

    blocks: PositiveInt
    most: PositiveInt
    options: PositiveInt
    step: PositiveInt
    stride: Literal[1, 2] = 2
    expansion: PositiveInt = 6

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk.units")
        if self.channels[-1] < 1:
            raise RecipeError(
                "network.trunk.units",
                found=f"{self.options} options by steps of {self.step} from {self.most}: the last has no channel",
                expected="channels in every option",
                remedy="Lower options or step.",
            )

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each option, the largest first."""
        return tuple(self.most - number * self.step for number in range(self.options))

    def mask(self, shares: Float[Tensor, "options"]) -> Float[Tensor, "most"]:
        """How much each channel counts, where the options have these shares."""
        sizes = torch.tensor(self.channels, device=shares.device)
        return shares @ (torch.arange(self.most, device=shares.device) < sizes[:, None]).to(shares.dtype)

    def counted(self, shares: Float[Tensor, "options"]) -> Float[Tensor, ""]:
        """How many channels that are: sum_i g_i c_i.

        Example:
            >>> unit = Unit(blocks=1, most=4, options=2, step=2)
            >>> shares = torch.tensor([0.5, 0.5])
            >>> unit.mask(shares), unit.counted(shares)
            (tensor([1.0000, 1.0000, 0.5000, 0.5000]), tensor(3.))
        """
        return shares @ torch.tensor(self.channels, device=shares.device, dtype=shares.dtype)


FBNETV2_UNITS = (
    Unit(blocks=3, most=28, options=4, step=4),
    Unit(blocks=12, most=40, options=4, step=8),
    Unit(blocks=21, most=128, options=7, step=8),
    Unit(blocks=12, most=216, options=13, step=8, stride=1),
)
"""The authors' search space: 1,456 networks."""


@dataclass(frozen=True, kw_only=True)
class SearchSpace(InvertedResidualsConfig):
    """What a supernet and its networks have in common: a first convolution, a block of stage1, units, a last one.

    Attributes:
        within: no module can stand in the blocks.
        after: names of stages (stage1, and stage2 on for the units), each with the block of attention that follows it.
        stems: spectra that have a first convolution of their own; empty for one for all pictures.
        first: channels of the first convolution, which strides, and of stage1.
        units: the searched stages, in order.
        last: channels of the 1 x 1 convolution that ends the map.
    """

    first: PositiveInt = 16
    units: tuple[Unit, ...] = FBNETV2_UNITS
    last: PositiveInt = 1984

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk")
        count = math.prod(unit.options for unit in self.units)
        if not self.units or count > MOST_NETWORKS:
            raise RecipeError(
                "network.trunk.units",
                found=f"a space of {count:,} networks" if self.units else "none",
                expected=f"at least one unit, and at most {MOST_NETWORKS:,} networks",
                remedy="Give the units fewer options." if self.units else "Add a unit.",
            )
        super().__post_init__()
        operations(self, (1, 1))  # which refuses modules that a mask cannot act on

    @property
    def searched(self) -> Mapping[str, Unit]:
        """The units by the names of their stages."""
        return {f"stage{number}": unit for number, unit in enumerate(self.units, start=2)}

    @property
    def ends(self) -> tuple[int, int]:
        """`first` and `last`."""
        return self.first, self.last

    @property
    def table(self) -> Mapping[str, Stage]:
        """The stages with all channels of every unit."""
        return self._table(tuple(unit.most for unit in self.units))

    def _table(self, channels: Sequence[int]) -> Mapping[str, Stage]:
        units = {
            name: Stage(unit.expansion, number, unit.blocks, unit.stride)
            for (name, unit), number in zip(self.searched.items(), channels, strict=True)
        }
        return {"stage1": Stage(1, self.first, 1, 1), **units}

    def operations(self, channels: Sequence[Count], size: tuple[int, int]) -> Count:
        """Operations of a network of the space for one picture.

        Args:
            channels: of each unit; tensors of one shape count many networks, or networks between the options.
            size: height and width of the picture.
        """
        by_stage: dict[str, Count] = {"stage1": self.first}
        return operations(self, size, by_stage | dict(zip(self.searched, channels, strict=True)))

    def range_of_operations(self, size: tuple[int, int]) -> tuple[int, int]:
        """Operations of the smallest network and of the largest one for a picture of this size."""
        smallest, largest = (self.operations([unit.channels[end] for unit in self.units], size) for end in (-1, 0))
        return int(smallest), int(largest)

    def networks(self) -> Int[Tensor, "networks units"]:
        """The option of each unit in every network of the space, counted from 0; the largest network comes first."""
        options = [torch.arange(unit.options) for unit in self.units]
        return torch.cartesian_prod(*options).view(-1, len(self.units))

    def channels_of(self, networks: Int[Tensor, "networks units"]) -> Int[Tensor, "networks units"]:
        """The channels of options."""
        sizes = [torch.tensor(unit.channels)[chosen] for unit, chosen in zip(self.units, networks.T, strict=True)]
        return torch.stack(sizes, dim=1)

    def all_operations(self, size: tuple[int, int]) -> Int[Tensor, "networks"]:
        """Operations of every network, in the order of :meth:`networks`."""
        return torch.as_tensor(self.operations(list(self.channels_of(self.networks()).T), size))

    def most_probable(
        self, probabilities: Sequence[Float[Tensor, "_"]], size: tuple[int, int], budget: int | float
    ) -> Int[Tensor, "units"]:
        """Among the networks within a budget the one with the largest product of probabilities.

        Args:
            probabilities: of the options of each unit.
            size: height and width of the picture that operations are counted for.
            budget: operations; not below those of the smallest network.

        Returns:
            the option of each unit.
        """
        networks = self.networks()
        logarithms = [row.detach().double().cpu().log() for row in probabilities]
        likelihood = sum(
            (row[chosen] for row, chosen in zip(logarithms, networks.T, strict=True)), torch.zeros(len(networks))
        )
        return networks[likelihood.masked_fill(self.all_operations(size) > budget, -math.inf).argmax()]

    def random_networks(
        self, count: int, size: tuple[int, int], operations: int | float, *, seed: int, without: Sequence[int] = ()
    ) -> list[tuple[int, ...]]:
        """Networks as expensive as another one, drawn without repetition.

        Args:
            count: how many.
            size: height and width of the picture that operations are counted for.
            operations: of the other one; those of the drawn ones differ by 2 % at most.
            seed: of the draw.
            without: channels of a network that is not drawn.

        Returns:
            the channels of the units of each.

        Raises:
            RecipeError: the space has fewer of them.
        """
        equal = (self.all_operations(size) - operations).abs() <= WITHIN * operations
        candidates = [row for row in map(tuple, self.channels_of(self.networks())[equal].tolist()) if row != without]
        if len(candidates) < count:
            raise RecipeError(
                "network.trunk.units",
                found=f"{len(candidates)} other networks of {operations / 1e9:.3g} billion operations within 2 %",
                expected=f"at least {count}",
                remedy="Ask for fewer, or give the units more options.",
            )
        drawn = np.random.default_rng(seed).choice(len(candidates), count, replace=False)
        return [candidates[number] for number in drawn]

    def with_channels(self, channels: Sequence[int]) -> FoundConfig:
        """The network of the space with these channels in its units."""
        shared = {each.name: getattr(self, each.name) for each in fields(SearchSpace)}
        return FoundConfig(**shared, channels=tuple(channels))


@dataclass(frozen=True, kw_only=True)
class SupernetConfig(FallingTemperature, SearchSpace):
    """Shape of a supernet; further fields as of :class:`SearchSpace`.

    Attributes:
        temperature: tau of the masks at the start.
        decay: factor of tau after each epoch.
        least_temperature: smallest tau; gradients grow with 1 / tau.
    """

    temperature: PositiveFloat = 5.0
    decay: PositiveShare = 0.956
    least_temperature: PositiveFloat = 0.1

    def build(self) -> Supernet:
        """The trunk, with fresh random weights and all options equally probable."""
        return Supernet(self)


@dataclass(frozen=True, kw_only=True)
class FoundConfig(SearchSpace):
    """Shape of a network of a search space; further fields as of :class:`SearchSpace`.

    Attributes:
        channels: of each unit, one of its options; empty where the network has yet to be found.
    """

    channels: tuple[PositiveInt, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "network.trunk")
        self._check_channels()
        super().__post_init__()

    @property
    def table(self) -> Mapping[str, Stage]:
        """The stages with the channels of this network, as far as they are known."""
        return self._table(self.channels) if self.channels else super().table

    def build(self) -> InvertedResiduals:
        """The trunk, with fresh random weights.

        Raises:
            RecipeError: no channels.
        """
        if not self.channels:
            raise RecipeError(
                "network.trunk.channels",
                found="none, so the network has yet to be found",
                expected=f"the channels of {', '.join(self.searched)}",
                remedy="Search first (reknow train rib/dcs_dnb_search), then name that run: --network.trunk RUN",
            )
        return _adding_within_units(InvertedResiduals(self))

    def _check_channels(self) -> None:
        if not self.channels:
            return
        if len(self.channels) != len(self.units):
            raise RecipeError(
                "network.trunk.channels",
                found=f"{len(self.channels)} numbers for {len(self.units)} units",
                expected=f"one for each of {', '.join(self.searched)}",
                remedy="Restore what the search wrote.",
            )
        for (name, unit), number in zip(self.searched.items(), self.channels, strict=True):
            if number not in unit.channels:
                raise RecipeError(
                    "network.trunk.channels",
                    found=f"{number} for {name}",
                    expected=f"one of {', '.join(map(str, unit.channels))}",
                    remedy="Restore what the search wrote, or choose one of these.",
                )


class Supernet(InvertedResiduals, FollowsEpochs):
    """All networks of a space: images to tokens; see :class:`~reknow.models.insertion.ConvolutionalTrunk`.

    Args:
        config: its shape.

    Attributes:
        architecture: theta by the name of the unit's stage, (options,); 0 at the start, all options equally probable.
        chosen: (units,) the option of each unit that the network has at test.
        temperature: tau of the epoch.

    Example:
        >>> units = (Unit(blocks=1, most=8, options=2, step=4), Unit(blocks=2, most=12, options=3, step=4))
        >>> trunk = SupernetConfig(units=units, last=32).build()
        >>> trunk(torch.rand(2, 3, 32, 16)).cls.shape, trunk.config.networks().shape
        (torch.Size([2, 32]), torch.Size([6, 2]))
    """

    config: SupernetConfig

    def __init__(self, config: SupernetConfig) -> None:
        super().__init__(config)
        _adding_within_units(self)
        self.architecture = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(unit.options)) for name, unit in config.searched.items()}
        )
        self.chosen: Tensor
        self.register_buffer("chosen", torch.zeros(len(config.units), dtype=torch.long))
        self.temperature = config.temperature

    def probabilities(self) -> list[Float[Tensor, "_"]]:
        """Of the options of each unit: softmax(theta)."""
        return [theta.softmax(0) for theta in self.architecture.values()]

    def expected_channels(self) -> list[Float[Tensor, ""]]:
        """Of each unit, by these probabilities."""
        return [unit.counted(shares) for unit, shares in zip(self.config.units, self.probabilities(), strict=True)]

    def chosen_channels(self) -> tuple[int, ...]:
        """Channels of each unit in the network that it is at test."""
        return tuple(
            unit.channels[option] for unit, option in zip(self.config.units, self.chosen.tolist(), strict=True)
        )

    def begin_epoch(self, epoch: int, name: str) -> Remarks:
        """Set tau, and say how many channels each unit is expected to have."""
        self.temperature = self.config.temperature_in(epoch)
        channels = zip(self.architecture, self.expected_channels(), strict=True)
        return Remarks({f"channels/{stage}": number.item() for stage, number in channels})

    def shares(self) -> dict[str, Float[Tensor, "_"]]:
        """g of each unit: drawn in training, and at test 1 for the chosen option."""
        if self.training:
            return {
                name: functional.gumbel_softmax(theta, tau=self.temperature)
                for name, theta in self.architecture.items()
            }
        return {
            name: functional.one_hot(option, len(theta)).to(theta.dtype)
            for (name, theta), option in zip(self.architecture.items(), self.chosen, strict=True)
        }

    def through_stages(
        self, maps: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs rows columns"]:
        """Maps through stage1 and all units, whose channels count by one draw for the batch."""
        maps = self.through_stage("stage1", maps)
        incoming = maps.new_ones(self.config.first)
        for name, shares in self.shares().items():
            unit = self.config.searched[name]
            mask = unit.mask(shares)
            for block in self.get_submodule(name).children():
                assert isinstance(block, Block)
                maps = _through(block, maps, incoming.repeat_interleave(unit.expansion), mask)
                incoming = mask
            if name in self.after:
                attention = self.after[name]
                assert isinstance(attention, SelectiveBlock)
                maps = maps + _by_channel(mask) * attention.added(maps, counted=unit.counted(shares))
        return maps


def _through(
    block: Block,
    maps: Float[Tensor, "batch inputs height width"],
    between: Float[Tensor, "inner"],
    leaving: Float[Tensor, "outputs"],
) -> Float[Tensor, "batch outputs rows columns"]:
    """Maps through a block.

    Args:
        block: an inverted residual without a module in it.
        maps: (B, C, H, W).
        between: how much each channel between its convolutions counts.
        leaving: how much each channel that leaves it counts.
    """
    *widened, narrowing, norm = block.conv
    inner = maps
    for layer in widened:
        inner = layer(inner)
    # Before the addition: behind it a mask would act once for every block that a map has passed, to its 21st power.
    made = norm(narrowing(inner * _by_channel(between))) * _by_channel(leaving)
    return made + maps if block.use_res_connect else made


def _by_channel(mask: Float[Tensor, "channels"]) -> Float[Tensor, "channels 1 1"]:
    return mask[:, None, None]


def _adding_within_units(trunk: InvertedResiduals) -> InvertedResiduals:
    """The trunk whose units begin with a block that does not add its input.

    A block adds its input where no channels are gained or lost. At a unit's begin that would depend on what is found
    for the unit before it, so that networks of one space would differ in more than channels.
    """
    assert isinstance(trunk.config, SearchSpace)
    for name in trunk.config.searched:
        first = next(trunk.get_submodule(name).children())
        assert isinstance(first, Block)
        first.use_res_connect = False
    return trunk
