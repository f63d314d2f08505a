"""Modules that change from epoch to epoch, such as an attention whose temperature falls, and what they say of the last.

The training loop calls :func:`begin_epoch` on the network of every method, so that such a module works in all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn


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
