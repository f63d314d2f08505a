"""Read what torch.save wrote, without running anything that the file names.

A checkpoint is a pickle: a program that may import and call anything. This reader builds tensors and plain containers.
Every other name in a file (options, paths, dates, numpy's numbers, a whole network, an attack) becomes a
:class:`Placeholder`, which accepts every operation of the pickle and does nothing; nothing is imported or called for
it. So a checkpoint may contain anything beside its weights. torch's own restricted reader (``weights_only``) refuses
such files, even for a path among a training's options, with advice that only a programmer can follow.
"""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, ClassVar

import torch
from torch.storage import TypedStorage


class Placeholder:
    """Replaces an object of a kind that is not built; it accepts every operation of a pickle and does nothing.

    Attributes:
        kind: the name that the file gives, such as ``argparse.Namespace``.
        dump_patches: an attribute that old files read from a network's class.
    """

    kind: ClassVar[str] = ""
    dump_patches: ClassVar[bool] = False

    def __new__(cls, *values: Any, **named: Any) -> Placeholder:
        """Take any arguments, as the replaced class may."""
        return super().__new__(cls)

    def __init__(self, *values: Any, **named: Any) -> None: ...

    def __call__(self, *values: Any, **named: Any) -> Placeholder:
        """The result of calling it is unknown, too."""
        return type(self)()

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None:
        """Forget the value."""

    def extend(self, values: Any) -> None:
        """Forget the values."""

    def add(self, value: Any) -> None:
        """Forget the value."""


def read_checkpoint(path: Path) -> Any:
    """The content of a file that torch.save wrote, on the CPU.

    Raises:
        Exception: of many kinds, if the file is damaged; the caller makes the message.
    """
    # As an open file, since torch uses the suffix of a path; its warnings are for programmers.
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=False, pickle_module=_READER)


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *unused: Any) -> Any:
    """A tensor on its storage; flags for gradients, and hooks, matter only in training and are ignored."""
    if not isinstance(storage, TypedStorage):
        return _placeholder("a tensor without plain storage")()
    return torch.empty(0, dtype=storage.dtype).set_(storage.untyped(), offset, size, stride)


def _tensor_of_type(
    storage: Any,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    grad: Any,
    hooks: Any,
    dtype: Any,
    *_: Any,
) -> Any:
    """A tensor of a kind of number that came after typed storages."""
    if not isinstance(storage, TypedStorage) or not isinstance(dtype, torch.dtype):
        return _placeholder("a tensor without plain storage")()
    return torch.empty(0, dtype=dtype).set_(storage.untyped(), offset, size, stride)


def _same(tensor: Any, *unused: Any) -> Any:
    """A parameter is a tensor."""
    return tensor


def _plain_part(build: Any, kind: Any, values: tuple[Any, ...], *unused: Any) -> Any:
    """A tensor of a class of its own, as a plain tensor."""
    return build(*values) if build in (_tensor, _tensor_of_type, _same) else _placeholder(str(kind))()


def _bytes(text: str, encoding: str) -> bytes:
    """Bytes, which old pickles hold as text."""
    return text.encode("latin1")


_ADMITTED: Mapping[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_type,
    ("torch._utils", "_rebuild_parameter"): _same,
    ("torch._utils", "_rebuild_parameter_with_state"): _same,
    ("torch._tensor", "_rebuild_from_type_v2"): _plain_part,
    ("torch.storage", "UntypedStorage"): torch.UntypedStorage,
    ("torch", "Size"): torch.Size,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _bytes,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (dict, list, tuple, set, frozenset, int, float, bool, str)
    },
}
"""By the name in the file: the object that is built. None of these can import, call or open anything."""


def _placeholder(kind: str) -> type[Placeholder]:
    return type(Placeholder.__name__, (Placeholder,), {"kind": kind})


def _default_dict(*values: Any) -> dict[Any, Any]:
    """An empty dictionary."""
    return {}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The replacement of a name; the named object itself is never imported."""
        if (module, name) == ("collections", "defaultdict"):
            return _default_dict
        dtype = getattr(torch, name, None) if module == "torch" and name.isidentifier() else None
        if isinstance(dtype, torch.dtype):
            return dtype
        return _ADMITTED.get((module, name)) or _placeholder(f"{module}.{name}")


def _load(file: BinaryIO, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


_READER: Any = SimpleNamespace(__name__=__name__, Unpickler=_Unpickler, load=_load)
"""Passed to torch in place of the module :mod:`pickle`."""
