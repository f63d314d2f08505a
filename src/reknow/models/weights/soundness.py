"""Whether the tensors that a network would take are numbers that it can compute with.

A training that diverged, or a file that was damaged, leaves NaN; a network filled with it embeds every picture as NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from reknow.errors import WeightsError

_OTHER = "Choose another checkpoint."


def single(path: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in single precision, whatever they were saved in; counters stay whole.

    Args:
        path: of the file, for messages.
        state: the tensors that a network takes, by name.

    Raises:
        WeightsError: complex or whole numbers, or numbers of 8 bits, where weights should be; values that are not
            finite; a variance below 0. The message has the tensor's name.
    """
    return {name: _single(f"{path}, tensor '{name}'", name, tensor) for name, tensor in state.items()}


def _single(where: str, name: str, tensor: Tensor) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return tensor
    if not tensor.is_floating_point() or tensor.element_size() == 1:
        raise WeightsError(
            where,
            found=f"{str(tensor.dtype).removeprefix('torch.')} numbers",
            expected="floating-point numbers of 16, 32 or 64 bits",
            remedy="Choose weights that are neither quantized nor complex.",
        )
    tensor = tensor.float()
    # A sum is finite only where all its terms are: 37 ms for 340 MB, without a copy. It may overflow: counting decides.
    if not torch.isfinite(tensor.sum()) and (wrong := int((~torch.isfinite(tensor)).sum())):
        raise WeightsError(
            where,
            found=f"{wrong} of {tensor.numel()} values are not finite (NaN or infinite)",
            expected="numbers",
            remedy=f"The training that wrote it diverged, or the file is damaged. {_OTHER}",
        )
    if name.endswith("running_var") and bool((tensor < 0).any()):
        raise WeightsError(where, found="a variance below 0", expected="0 or more", remedy=_OTHER)
    return tensor
