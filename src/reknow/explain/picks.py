"""Picks: which patches EDITOR keeps of an observation's spectra, and for which reason (section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.methods.editor.network import EditorNetwork
from reknow.observation import Batch, Spectrum


@dataclass(frozen=True)
class Picks:
    """What was picked in B observations of N patches a spectrum; mappings are by spectrum, false where it is missing.

    Attributes:
        rollout: (B, N) what CLS attends to through all blocks, the mean over heads; zero where nothing asks for it.
        spatial: (B, N) patches that heads of this spectrum ask for.
        frequency: (B, N) patches that the pixels ask for.
        kept: (B, N) patches that stay; with one mask for all spectra, also those that another one asks for.
        grid: (rows, columns) of the patches.
    """

    rollout: Mapping[Spectrum, Float[np.ndarray, "batch patches"]]
    spatial: Mapping[Spectrum, Bool[np.ndarray, "batch patches"]]
    frequency: Mapping[Spectrum, Bool[np.ndarray, "batch patches"]]
    kept: Mapping[Spectrum, Bool[np.ndarray, "batch patches"]]
    grid: tuple[int, int]


def picks_of(network: EditorNetwork, batch: Batch) -> Picks:
    """What a network picks in a batch."""
    selected = network.look(batch).selected

    def arrays(tensors: Mapping[Spectrum, Tensor]) -> dict[Spectrum, np.ndarray]:
        return {name: tensors[name].cpu().numpy() for name in network.spectra}

    heads: dict[Spectrum, Tensor] = {name: attention.mean(1) for name, attention in selected.attention.items()}
    return Picks(
        arrays(heads),
        arrays(selected.spatial),
        arrays(selected.frequency),
        arrays(selected.kept),
        network.trunk.grid,
    )


def joined(picks: Sequence[Picks]) -> Picks:
    """The picks of several batches as one."""

    def whole(name: str) -> dict[Spectrum, np.ndarray]:
        parts = [getattr(one, name) for one in picks]
        return {spectrum: np.concatenate([part[spectrum] for part in parts]) for spectrum in parts[0]}

    return Picks(whole("rollout"), whole("spatial"), whole("frequency"), whole("kept"), picks[0].grid)
