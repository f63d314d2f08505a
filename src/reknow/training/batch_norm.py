"""Batch-norm statistics over a stated number of pictures, whatever the number of processes.

Results depend on them (TCMM's batch of 512 has statistics over the 128 of each of its four GPUs; many a number could
not be reproduced on another machine for that reason alone). So a recipe says how many pictures they are over, and a
step is carried out in *parts* of that size: one process takes several parts one after the other, several processes
share a part and exchange its sums, and the gradient is the same. Running statistics move once per step, by the mean of
all parts. (TCMM's released code keeps those of its first GPU, a sample of the same mean.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn.modules.batchnorm import _BatchNorm

from reknow.distributed import sharing_part
from reknow.errors import RecipeError


def check_parts(batch_size: int, over: int | None, processes: int) -> None:
    """Refuse a recipe whose parts cannot be spread over the processes evenly.

    Args:
        batch_size: pictures per step.
        over: pictures per part, a divisor of the batch size; None means the whole batch.
        processes: how many take part.

    Raises:
        RecipeError: neither parts per process nor processes per part are whole numbers.
    """
    if over is None:
        return
    parts = batch_size // over
    if parts % processes and processes % parts:
        raise RecipeError(
            "sampling.statistics_over",
            found=f"{parts} parts of {over} pictures on {processes} processes",
            expected="as many parts for every process, or as many processes for every part",
            remedy="Set --sampling.statistics-over to another divisor, or start another number of processes.",
        )


def parts_of(size: int, over: int | None, processes: int) -> int:
    """Into how many parts a batch falls: one for every `over` pictures, as far as the processes can share them.

    A batch smaller than the recipe's, on tiny data, falls into fewer; one part always works.

    Example:
        >>> parts_of(512, over=128, processes=2), parts_of(512, over=128, processes=8), parts_of(512, None, 2)
        (4, 4, 1)
    """
    wanted = 1 if over is None else max(1, size // over)
    return next(n for n in range(wanted, 0, -1) if n % processes == 0 or processes % n == 0)


def shares_of(rows: Int[np.ndarray, "batch"], parts: int, processes: int) -> list[list[Int[np.ndarray, "share"]]]:
    """Which rows of a batch each process takes: per process, its parts or its piece of a part, in batch order."""
    divided = np.array_split(rows, parts)
    if parts % processes == 0:
        return [divided[rank * parts // processes : (rank + 1) * parts // processes] for rank in range(processes)]
    sharing = processes // parts
    return [[np.array_split(divided[rank // sharing], sharing)[rank % sharing]] for rank in range(processes)]


class BatchNormStatistics:
    """Keeps the running statistics of all batch norms in a module equal, and moves them once per step.

    Args:
        module: whatever holds batch norms.
        processes: how many take part.
    """

    def __init__(self, module: nn.Module, processes: int) -> None:
        self._all = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
        self.processes = processes
        self._groups: dict[int, ProcessGroup | None] = {1: None}

    @property
    def layers(self) -> list[_BatchNorm]:
        """Those whose statistics move; a layer in eval mode (of a momentum encoder, say) is not touched."""
        return [layer for layer in self._all if layer.training]

    @property
    def buffers(self) -> list[Tensor]:
        """Their running statistics."""
        return [
            buffer
            for layer in self.layers
            for buffer in (layer.running_mean, layer.running_var)
            if isinstance(buffer, Tensor)
        ]

    @contextmanager
    def step(self, parts: int) -> Iterator[None]:
        """Around the forward passes of one step; inside, wrap each of them in :meth:`part`."""
        local = max(1, parts // self.processes)
        together = self._sharing(self.processes // parts) if parts < self.processes else None
        averaged = local > 1 or (self.processes > 1 and parts > 1)
        self._moving = self.buffers if averaged else []
        self._start = [buffer.clone() for buffer in self._moving]
        self._sums = [torch.zeros_like(buffer) for buffer in self._start]
        with self._exchanging(together):
            yield
        if self._moving:
            flat = torch.cat([total.flatten() for total in self._sums]) / local
            if self.processes > 1:
                torch.distributed.all_reduce(flat)
                flat /= self.processes
            for buffer, mean in zip(self._moving, flat.split([b.numel() for b in self._moving]), strict=True):
                buffer.copy_(mean.view_as(buffer))

    @contextmanager
    def part(self) -> Iterator[None]:
        """One forward pass: it starts from the step's first statistics, as all the others do."""
        yield
        if self._start:
            for total, buffer, start in zip(self._sums, self._moving, self._start, strict=True):
                total += buffer
                buffer.copy_(start)

    def _sharing(self, together: int) -> ProcessGroup | None:
        """The processes that share a part with this one: `together` consecutive ones."""
        if together not in self._groups:
            for first in range(0, self.processes, together):
                group = torch.distributed.new_group(list(range(first, first + together)))
                if isinstance(group, ProcessGroup):  # torch returns a number to those that are not in it
                    self._groups[together] = group
        return self._groups[together]

    @contextmanager
    def _exchanging(self, group: ProcessGroup | None) -> Iterator[None]:
        """Batch norms see the pictures of the whole group; class, parameters and place of each layer stay."""
        if group is None:
            yield
            return
        layers = self.layers
        for layer in layers:
            vars(layer)["forward"] = partial(shared_batch_norm, layer, group)
        try:
            with sharing_part(group):
                yield
        finally:
            for layer in layers:
                del vars(layer)["forward"]


def shared_batch_norm(layer: _BatchNorm, group: ProcessGroup, values: Tensor) -> Tensor:
    """A batch norm's forward with the pictures of all processes of a group; gradients flow through the exchange.

    torch's own SyncBatchNorm does this on GPUs only.

    Args:
        layer: whose weights and running statistics count.
        group: the processes.
        values: (B, C) or (B, C, ...), with any B on each process.
    """
    if not layer.training and layer.running_mean is not None:
        return type(layer).forward(layer, values)
    axes = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1] + [1] * (values.ndim - 2)
    with torch.autocast(values.device.type, enabled=False):
        exact = values.float()
        count = _summed(exact.new_tensor([exact.numel() / exact.shape[1]]), group)
        mean = _summed(exact.sum(axes), group) / count
        centered = exact - mean.view(shape)
        # Two exchanges instead of one: the mean of squares minus the square of the mean cancels in 32 bit.
        variance = _summed(centered.square().sum(axes), group) / count
        normal = centered * (variance + layer.eps).rsqrt().view(shape)
        if layer.affine:
            normal = normal * layer.weight.view(shape) + layer.bias.view(shape)
    if layer.training and isinstance(layer.running_mean, Tensor) and isinstance(layer.running_var, Tensor):
        with torch.no_grad():
            momentum = 0.1 if layer.momentum is None else layer.momentum
            layer.running_mean.lerp_(mean, momentum)
            layer.running_var.lerp_(variance * (count / (count - 1)), momentum)
    return normal.to(values.dtype)


class _Summed(torch.autograd.Function):
    """The sum over the processes; backward sums the gradients, since every process's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        total = values.clone()
        torch.distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        torch.distributed.all_reduce(total, group=ctx.group)
        return total, None


def _summed(values: Tensor, group: ProcessGroup) -> Tensor:
    total = _Summed.apply(values, group)
    assert isinstance(total, Tensor)
    return total
