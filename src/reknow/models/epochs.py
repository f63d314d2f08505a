"""Modules that change from epoch to epoch, such as an attention whose temperature falls, and what they say of the last.

The training loop calls :func:`begin_epoch` on the network of every method, so that such a module works in all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from reknow.fields import PositiveFloat, PositiveShare


@dataclass(frozen=True, kw_only=True)
class FallingTemperature:
    """A temperature that falls by a factor from epoch to epoch, down to a smallest one.

    Attributes:
        temperature: tau at the start.
        decay: factor of tau after each epoch.
        least_temperature: smallest tau.
    """

    temperature: PositiveFloat = 1.0
    decay: PositiveShare = 1.0
    least_temperature: PositiveFloat = 0.5

    def temperature_in(self, epoch: int) -> float:
        """tau in an epoch, counted from 0.

        Example:
            >>> FallingTemperature(temperature=5.0, decay=0.5, least_temperature=1.0).temperature_in(2)
            1.25
        """
        return max(self.temperature * self.decay**epoch, min(self.least_temperature, self.temperature))


@dataclass(frozen=True)
class Remarks:
    """What a module, or a network, says of the epoch that is over.

    Attributes:
        numbers: to log, by name.
        notes: sentences for the user.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class FollowsEpochs(ABC):
    """A module that is told which epoch begins."""

    @abstractmethod
    def begin_epoch(self, epoch: int, name: str) -> Remarks:
        """Set what changes, and say what was counted since the last call.

        Args:
            epoch: from 0.
            name: of the module in its network, for the remarks.
        """


def begin_epoch(network: nn.Module, epoch: int) -> Remarks:
    """Tell every such module of a network, and gather their remarks."""
    numbers: dict[str, float] = {}
    notes: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, FollowsEpochs):
            remarks = module.begin_epoch(epoch, name)
            numbers |= remarks.numbers
            notes += remarks.notes
    return Remarks(numbers, tuple(notes))
