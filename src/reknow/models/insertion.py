"""What a recipe may put into a convolutional trunk: a module inside every residual block, or behind named stages.

Attention over channels stands after a block's last norm and before the addition (Hu et al., "Squeeze-and-Excitation
Networks", CVPR 2018, figure 3; Woo et al., "CBAM", ECCV 2018, figure 3); non-local blocks stand behind stages (Wang et
al., CVPR 2018). Both are said by a value, a frozen dataclass that is a :class:`MapModuleConfig`. The trunk's own
tensors keep their names, so published weights fill it, and begin with the same random numbers as without the module.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from reknow.errors import RecipeError, nearest


class MapModuleConfig(ABC):
    """A module on maps: a frozen dataclass that builds it."""

    @abstractmethod
    def build(self, channels: int) -> nn.Module:
        """A module from maps (B, C, H, W) to maps of the same size, for C channels."""


@dataclass(frozen=True)
class Nothing(MapModuleConfig):
    """No module: maps stay as they are."""

    def build(self, channels: int) -> nn.Identity:
        """The identity."""
        return nn.Identity()


AfterStages = tuple[tuple[str, MapModuleConfig], ...]
"""Names of stages, each with what follows it."""


def check_stages(after: AfterStages, stages: Mapping[str, int]) -> None:
    """Refuse a stage that the trunk does not have, or that is named twice.

    Args:
        after: names of stages, each with what follows it.
        stages: names of the trunk's stages, and the channels that leave them.

    Raises:
        RecipeError: names it.
    """
    names = [name for name, _ in after]
    for name in names:
        if name not in stages or names.count(name) > 1:
            raise RecipeError(
                "network.trunk.after",
                found=f"stage '{name}'" + (" twice" if name in stages else ""),
                expected=f"one of {', '.join(stages)}, each at most once",
                remedy=nearest(name, stages) if name not in stages else "Leave one of them out.",
            )


def built_after(after: AfterStages, stages: Mapping[str, int]) -> nn.ModuleDict:
    """The modules that follow stages, by the stage's name; arguments as of :func:`check_stages`."""
    return nn.ModuleDict({name: config.build(stages[name]) for name, config in after})
