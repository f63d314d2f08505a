"""Outputs: what a function makes of batches, row by row, as one tensor on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import overload

import torch
from torch import Tensor

from reknow.errors import ContractError
from reknow.observation import Batch

Progress = Callable[[int, int], None]
"""Called with (observations done, observations in all)."""


@overload
def outputs_of(
    function: Callable[[Batch], Tensor], batches: Iterable[Batch], count: int, progress: Progress | None = None
) -> Tensor: ...


@overload
def outputs_of(
    function: Callable[[Batch], Mapping[str, Tensor]],
    batches: Iterable[Batch],
    count: int,
    progress: Progress | None = None,
) -> dict[str, Tensor]: ...


@torch.inference_mode()
def outputs_of(
    function: Callable[[Batch], Tensor] | Callable[[Batch], Mapping[str, Tensor]],
    batches: Iterable[Batch],
    count: int,
    progress: Progress | None = None,
) -> Tensor | dict[str, Tensor]:
    """Run a function over batches, without gradient.

    Args:
        function: a batch of B observations to (B, ...) values, or to several of them by name.
        batches: in the order of the result's rows.
        count: N, rows in all.
        progress: see :data:`Progress`.

    Returns:
        (N, ...) on the CPU, or by name: floating-point values in 32 bit, others in the type that they have.

    Raises:
        ContractError: values of another number of rows than the batch, or whose shape or names change between batches.

    Example:
        >>> batches = [Batch.of({"rgb": torch.full((2, 3, 4, 4), value)}) for value in (0.0, 1.0)]
        >>> outputs_of(lambda batch: batch.images["rgb"].mean((1, 2, 3)), batches, 4)
        tensor([0., 0., 1., 1.])
    """
    whole: dict[str, Tensor] = {}
    alone, done = True, 0
    for batch in batches:
        made = function(batch)
        alone = not isinstance(made, Mapping)
        parts = made if isinstance(made, Mapping) else {"": made}
        if done and parts.keys() != whole.keys():
            raise _changed(function, f"values named {sorted(parts)}", f"values named {sorted(whole)}, as before")
        for name, values in parts.items():
            if not isinstance(values, Tensor):
                raise _changed(function, f"a {type(values).__name__}", "a tensor")
            if values.ndim == 0:
                raise _changed(function, "one value for a whole batch", f"shape {(len(batch), '...')}")
            if name not in whole:
                kind = torch.float32 if values.is_floating_point() else values.dtype
                whole[name] = torch.empty(count, *values.shape[1:], dtype=kind)
            if values.shape != (len(batch), *whole[name].shape[1:]):
                found = f"values of shape {tuple(values.shape)} for a batch of {len(batch)}"
                raise _changed(function, found, f"shape {(len(batch), *whole[name].shape[1:])}")
            whole[name][done : done + len(batch)] = values
        done += len(batch)
        if progress is not None:
            progress(done, count)
    return whole.get("", torch.empty(0)) if alone else whole


def _changed(function: object, found: str, expected: str) -> ContractError:
    name, module = getattr(function, "__qualname__", repr(function)), getattr(function, "__module__", "") or ""
    return ContractError(
        f"{name} of the package '{module.partition('.')[0]}'",
        found=found,
        expected=f"{expected}: one row of values for every observation, of one shape in all batches",
        remedy="Correct what it returns.",
    )
