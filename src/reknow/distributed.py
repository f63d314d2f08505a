"""Distributed: the exchange between the processes of one run. With one process, these functions change nothing.

A run under ``torchrun`` has several processes, each with its share of every batch. Losses, statistics, memories and
pseudo-labels must be those of the whole batch. If one process skips an exchange, the others wait forever. So all
processes must call every function here, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.distributed import ProcessGroup

Value = TypeVar("Value")

_PART: ContextVar[ProcessGroup | None] = ContextVar("part", default=None)


def processes() -> int:
    """Number of processes of this run."""
    return torch.distributed.get_world_size() if _together() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return torch.distributed.get_rank() if _together() else 0


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _device() -> torch.device:
    """The device on which tensors must be for an exchange."""
    nccl = torch.distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")


def from_first(compute: Callable[[], Value]) -> Value:
    """The first process's result of `compute`, on all processes.

    For results that must not differ between hosts whose processors round differently. For example, a distance just
    below eps on one host and just above it on another would give the two hosts different pseudo-labels.

    Raises:
        any error of `compute`, on every process.
    """
    if processes() == 1:
        return compute()
    message: list[Any] = [None]
    if rank() == 0:
        try:
            message = [(compute(), None)]
        except Exception as error:  # the other processes wait for a result, and must stop too
            message = [(None, error)]
    torch.distributed.broadcast_object_list(message, src=0, device=_device())
    value, error = message[0]
    if error is not None:
        try:
            raise error
        finally:
            # The error's traceback holds this frame: a cycle, which would keep the caller's process group past its end.
            del error, message
    return value


def gathered(tensor: Shaped[Tensor, "share ..."]) -> Shaped[Tensor, "all ..."]:
    """The rows of all processes in rank order, without gradient.

    Processes may have different numbers of rows, also none. With one process this is the tensor itself.
    """
    if processes() == 1:
        return tensor.detach()
    sizes: list[Any] = [None] * processes()
    torch.distributed.all_gather_object(sizes, len(tensor))
    # Padded to the largest share, since gathering needs equal shapes.
    padded = tensor.new_zeros(max(sizes), *tensor.shape[1:])
    padded[: len(tensor)] = tensor.detach()
    padded, home = padded.to(_device()), tensor.device
    parts = [torch.empty_like(padded) for _ in sizes]
    torch.distributed.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)]).to(home)


def summed(tensor: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """The sum of the processes' tensors, which have one shape; without gradient."""
    if processes() == 1:
        return tensor.detach()
    total = tensor.detach().to(_device(), copy=True)
    torch.distributed.all_reduce(total)
    return total.to(tensor.device)


@contextmanager
def sharing_part(group: ProcessGroup) -> Iterator[None]:
    """Inside the block, the processes of this group share one part of a step; the training loop sets it."""
    token = _PART.set(group)
    try:
        yield
    finally:
        _PART.reset(token)


def in_part(count: int) -> int:
    """The sum of a count of rows over all processes that share this part of the step.

    If a method skips a layer because it has not enough rows, it must decide by this sum: batch norms exchange their
    statistics, and if one process skipped a batch norm, the others would wait forever.
    """
    group = _PART.get()
    if group is None:
        return count
    total = torch.tensor([count], device=_device())
    torch.distributed.all_reduce(total, group=group)
    return int(total)


def part_rows(tensor: Shaped[Tensor, "share ..."]) -> tuple[Shaped[Tensor, "part ..."], int]:
    """The rows of all processes that share this part, in rank order, and the position of this process's first row.

    For losses that compare the pictures of a part with each other. Gradients flow through the exchange, so every
    process of the part must use the result, also a process without rows. With one process this is the tensor itself.
    """
    group = _PART.get()
    if group is None:
        return tensor, 0
    sizes: list[Any] = [None] * torch.distributed.get_world_size(group)
    torch.distributed.all_gather_object(sizes, len(tensor), group=group)
    place = torch.distributed.get_rank(group)
    whole = _PartRows.apply(tensor, sizes, place, group)
    assert isinstance(whole, Tensor)
    return whole, sum(sizes[:place])


class _PartRows(torch.autograd.Function):
    """Gathering; the gradient of each row is the sum over the losses of all processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int], place: int, group: ProcessGroup) -> Tensor:
        ctx.group, ctx.mine = group, slice(sum(sizes[:place]), sum(sizes[: place + 1]))
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        padded = padded.to(_device())
        parts = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(parts, padded, group=group)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)]).to(rows.device)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        total, home = gradients[0].to(_device(), copy=True).contiguous(), gradients[0].device
        torch.distributed.all_reduce(total, group=ctx.group)
        return total[ctx.mine].to(home), None, None, None
