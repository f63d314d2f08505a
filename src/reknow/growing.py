"""Buffers whose number of rows changes in training, such as one row for each cluster of the last epoch.

torch refuses a stored buffer of another size than the module has. Here the stored one decides how many rows there are,
in checkpoints and in recognizers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn


class GrowingBuffers(nn.Module):
    """A module with buffers of any number of rows; what it is loaded with sets the number.

    Attributes:
        growing: names of those buffers.
    """

    growing: ClassVar[tuple[str, ...]]

    def _load_from_state_dict(  # pyright: ignore[reportIncompatibleMethodOverride] (torch names the other arguments)
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        for name in self.growing:
            stored, own = state_dict.get(f"{prefix}{name}"), getattr(self, name)
            if stored is not None and stored.shape[1:] == own.shape[1:]:
                setattr(self, name, torch.empty_like(stored, dtype=own.dtype, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def growing_buffers(network: nn.Module) -> frozenset[str]:
    """The names, in a network's state, of the buffers whose number of rows is not part of its shape."""
    return frozenset(
        f"{place}.{name}" if place else name
        for place, module in network.named_modules()
        if isinstance(module, GrowingBuffers)
        for name in module.growing
    )
