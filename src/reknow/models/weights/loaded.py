"""Loaded: what a file of weights gave to a network, and the report of it in words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Loaded:
    """What a file gave to a trunk, and to the network around it.

    Attributes:
        origin: whose network the file holds.
        path: of the file.
        total: number of the trunk's tensors.
        loaded: names that were taken, whole or in part.
        resized: names that were taken in another size, and from which to which.
        ignored: names of the file that the trunk has no place for.
        left: names that the trunk has and the file lacks; they stay as they were. ``pos_embed[4:5]`` are rows.
        notes: how the file was understood, a sentence for each thing that it does not tell.
        parts: what else of the network came with them, such as its neck.
        fresh: names of the network's tensors beside the trunk that stay as they were.
    """

    origin: str
    path: Path
    total: int
    loaded: tuple[str, ...]
    resized: tuple[str, ...]
    ignored: tuple[str, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """The report, a line each; modules with many tensors are named once, blocks of one kind together.

        Example:
            >>> heads, left = ("head.weight", "head.bias"), ("sie_embed", "blocks.0.attn.mask", "blocks.1.attn.mask")
            >>> loaded = Loaded("PASS ViT-S/16", Path("w/pass.pth"), 154, ("norm.bias",), (), heads, left)
            >>> print("\\n".join(loaded.sentences()))
            weights: PASS ViT-S/16 from pass.pth, 1 of the trunk's 154 tensors
            ignored: head (2 tensors)
            left as they were: sie_embed, blocks.*.attn (2 tensors)
        """
        lines = [
            f"weights: {self.origin} from {self.path.name}, {len(self.loaded)} of the trunk's {self.total} tensors"
        ]
        lines.extend(self.notes)
        if self.resized:
            lines.append(f"resized: {', '.join(self.resized)}")
        if self.ignored:
            lines.append(f"ignored: {', '.join(_by_part(self.ignored))}")
        if self.left or self.fresh:
            lines.append(f"left as they were: {', '.join([*_by_module(self.left), *_by_part(self.fresh)])}")
        lines.extend(f"the {part} came with them" for part in self.parts)
        return lines


def _by_part(names: Iterable[str]) -> list[str]:
    """The first steps of tensors' names, ``head`` of ``head.weight``, with the number of tensors."""
    parts = Counter(name.partition(".")[0] for name in names)
    return [f"{part} ({count} tensors)" if count > 1 else part for part, count in parts.items()]


def _by_module(names: Iterable[str]) -> list[str]:
    """The modules that have tensors, with a star for numbers; a tensor that is alone there by its own name."""
    modules: dict[str, list[str]] = defaultdict(list)
    for name in names:
        modules[re.sub(r"\.\d+(?=\.)", ".*", name).rpartition(".")[0] or name].append(name)
    return [f"{module} ({len(own)} tensors)" if len(own) > 1 else own[0] for module, own in modules.items()]
