"""A file of weights as named tensors: torch's ``.pth`` or safetensors, read without executing anything.

What checkpoints wrap around a state dict is removed here, because it says nothing about the network: the entry of a
training checkpoint that holds the state dict, and the prefixes of parallel, compiled or enclosing modules.

Decision: of several entries with weights the first of :data:`ENTRIES` is read. An average of the weights comes before
the weights of the last step, because projects that keep an average also test with it; the report says which entry was
read. An entry of another name is read if no other entry holds tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reknow.errors import WeightsError
from reknow.models.weights.signatures import REMEDY, container_of
from reknow.models.weights.source import FOLDER_VARIABLE, FileOptions, Source
from reknow.models.weights.unpickling import Placeholder, read_checkpoint

ENTRIES = (
    *("teacher", "state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "params_ema", "ema"),
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "params", "weights", "module"),
    "student",
)
"""Where training checkpoints keep the state dict. DINO's teacher comes before its student: it is what DINO uses."""

PREFIXES = (
    *("module.", "_orig_mod.", "model.", "network.", "net."),
    *("backbone.", "base.", "trunk.", "encoder.", "encoder_q.", "visual."),
)
"""Prefixes of data parallel and compiled modules, and other projects' names of the trunk in a larger network."""

_TENSORS = {
    "torch._utils._rebuild_qtensor": "a quantized tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without values",
    "torch.storage._load_from_bytes": "a tensor that torch.save did not write",
    "numpy.core.multiarray._reconstruct": "a numpy array",
    "numpy._core.multiarray._reconstruct": "a numpy array",
}
"""Placeholders in the place of a tensor."""


@dataclass(frozen=True)
class Content:
    """The content of a file.

    Attributes:
        path: of the file.
        options: what its user states about it.
        fallback: what a recipe's network states; used if neither the user nor anything published does.
        entry: of the checkpoint that held the state dict; empty if the file is the state dict.
        prefixes: which of :data:`PREFIXES` were removed, in order.
        state: every tensor; the trunk's without the prefixes, the others under their own names.
        notes: a sentence for each choice.
    """

    path: Path
    options: FileOptions
    fallback: FileOptions
    entry: str
    prefixes: tuple[str, ...]
    state: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def read(source: Source | Path | str, fallback: FileOptions | None = None) -> Content:
    """Read a file.

    Args:
        source: the file, and its options.
        fallback: what a recipe's network states; used if nothing else does.

    Raises:
        WeightsError: no such file, or not a file of weights.
    """
    source = Source.of(source)
    path = source.path
    if not path.is_file():
        raise WeightsError(
            path, found="no such file", remedy=f"Correct the path, or name the file's folder in {FOLDER_VARIABLE}."
        )
    entry, state, notes = _state_dict(path, _load(path))
    prefixes, state = _without_prefixes(state)
    return Content(path, source.options, fallback or FileOptions(), entry, prefixes, state, notes)


def _load(path: Path) -> Any:
    try:
        return load_file(path) if container_of(path) == "safetensors" else read_checkpoint(path)
    except WeightsError:
        raise
    except (SafetensorError, OSError) as error:
        raise WeightsError(path, found=f"it cannot be read ({error})", remedy=REMEDY) from error
    except Exception as error:  # torch and pickle raise a dozen kinds of errors for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            path, found=f"damaged, or cut short ({reason})", remedy="Download it again, or copy it once more."
        ) from error


def _state_dict(path: Path, content: Any) -> tuple[str, dict[str, Tensor], tuple[str, ...]]:
    """The entry's name, its tensors, and a sentence for each choice."""
    entry, notes = "", []
    while isinstance(content, dict):
        holding = [name for name, part in content.items() if isinstance(part, dict) and _holds_tensors(part)]
        known = [name for name in ENTRIES if name in holding]
        if not holding or (not known and len(holding) > 1):
            break
        entry = str(known[0] if known else holding[0])
        if len(known) > 1:
            notes.append(f"read from the entry '{entry}'; the file also holds {_quoted(known[1:])}")
        elif not known:
            notes.append(f"read from the entry '{entry}', the only one that holds tensors")
        content = content[known[0] if known else holding[0]]
    if isinstance(content, Placeholder):
        raise _no_state_dict(path, f"an object of the class {content.kind}")
    if not isinstance(content, dict):
        raise _no_state_dict(path, f"a {type(content).__name__}")
    state = {name: part for name, part in content.items() if isinstance(name, str) and isinstance(part, Tensor)}
    for name, part in content.items():
        if isinstance(part, Placeholder) and part.kind in _TENSORS and (state or not _nested(content)):
            raise WeightsError(
                f"{path}, tensor '{name}'",
                found=_TENSORS[part.kind],
                expected="a plain tensor",
                remedy="Save the network's state_dict() as plain floating-point tensors with torch.save.",
            )
    if not state or _nested(content):
        raise _no_state_dict(path, _in_words(content))
    if others := [name for name in content if name not in state]:
        notes.append(f"not read, since they are no tensors: {', '.join(map(str, others))}")
    return entry, state, tuple(notes)


def _nested(content: Mapping[Any, Any]) -> bool:
    """Whether entries of a checkpoint hold tensors themselves, so that it is no state dict."""
    return any(isinstance(part, dict) and _holds_tensors(part) for part in content.values())


def _holds_tensors(content: Mapping[Any, Any], depth: int = 3) -> bool:
    """Whether it contains a state dict; the keys of an optimizer's state are numbers, not names."""
    for name, part in content.items():
        if isinstance(part, Tensor) and isinstance(name, str):
            return True
        if isinstance(part, dict) and isinstance(name, str) and depth and _holds_tensors(part, depth - 1):
            return True
    return False


def _no_state_dict(path: Path, content: str) -> WeightsError:
    return WeightsError(
        path,
        found=f"no state dict, but {content}",
        expected="named tensors, alone or in an entry of their own",
        remedy="Save the network's state_dict() with torch.save, or name another file.",
    )


def _in_words(content: Mapping[Any, Any]) -> str:
    """The entries of a checkpoint, in words."""

    def kinds() -> Iterator[str]:
        for name, part in content.items():
            network = isinstance(part, Placeholder) and name in ENTRIES
            kind = part.kind if isinstance(part, Placeholder) else type(part).__name__
            yield f"'{name}' ({'a whole network, pickled: ' if network else ''}{kind})"

    listing = list(kinds())
    return f"the entries {', '.join(listing[:8])}{', ...' if len(listing) > 8 else ''}" if listing else "nothing"


def _quoted(names: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _without_prefixes(state: dict[str, Tensor]) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Remove prefixes, nested in any order; a name keeps its prefix if the shorter name is another tensor's.

    CLIP's two towers have the same names inside, the image tower's below ``visual.``: there all names keep it.
    """
    taken: list[str] = []
    while True:
        for prefix in PREFIXES:
            shortened = {name: name.removeprefix(prefix) for name in state}
            shorter = {
                name if short != name and short in state else short: state[name] for name, short in shortened.items()
            }
            if prefix == "visual." and any(name != short and short in state for name, short in shortened.items()):
                continue
            if shorter.keys() != state.keys():
                taken.append(prefix)
                state = shorter
                break
        else:
            return tuple(taken), state
