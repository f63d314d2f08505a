"""Attention maps: how much each patch of a picture counts for a network's feature.

- A transformer: attention rollout with the residual connection (:mod:`reknow.models.rollout`), read at the tokens that
  make the feature. Where CLS is joined with the mean of other tokens, each side counts one half.
- A convolutional network: class activation by gradients (:mod:`reknow.models.class_activation`), of the map that leaves
  a stage, for the feature behind its neck, which retrieval compares.

Decisions: of a jigsaw (TransReID, RIB) the map is that of the global branch, since each local one attends within its
own group of patches only; of a network of several spectra that of the shared trunk, spectrum by spectrum, before
anything is selected. What tokens before the patches get (CLS, extra ones, registers) belongs to no patch and is left
out. A map is divided by its sum, so that it says where the attention lies and not how much there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reknow.errors import RunError, nearest
from reknow.models.class_activation import class_activation, layer_of
from reknow.models.embedder import Embedder
from reknow.models.insertion import ConvolutionalTrunk
from reknow.models.network import Network
from reknow.models.rollout import Rollout, with_residual
from reknow.models.transformer import VisionTransformer
from reknow.observation import Batch, Spectrum

Kind = Literal["rollout", "class activation"]


@dataclass(frozen=True, kw_only=True)
class AttentionMaps:
    """What a network attends to in P observations.

    Attributes:
        kind: how the maps were made.
        layer: the stage whose map it is, of a class activation; empty of a rollout, which goes through all blocks.
        grid: (rows, columns) of the patches or positions; N = rows x columns.
        values: per spectrum, (P, N) not negative, of sum 1; all zero where an observation lacks the spectrum, or where
            no position speaks for the feature.
    """

    kind: Kind
    layer: str
    grid: tuple[int, int]
    values: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]]

    @property
    def form(self) -> str:
        """How the maps were made, in words."""
        return f"class activation of stage '{self.layer}'" if self.layer else "rollout of attention through all blocks"

    @property
    def known(self) -> bool:
        """Whether any picture has a map."""
        return any(bool(values.any()) for values in self.values.values())

    def share_on(
        self, inside: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]]
    ) -> Float[np.ndarray, "pictures"]:
        """The share of each observation's attention that lies on something; a patch's attention is spread over it
        evenly. The mean over the spectra in which the observation has a map, NaN without any.

        Args:
            inside: per spectrum, (P, N) of every patch, the share of its pixels that belong to it.
        """
        return self._mean({name: (values * inside[name]).sum(axis=1) for name, values in self.values.items()})

    def uniform_share_on(
        self, inside: Mapping[Spectrum, Float[np.ndarray, "pictures patches"]]
    ) -> Float[np.ndarray, "pictures"]:
        """What :meth:`share_on` would be if every patch got as much as any other."""
        return self._mean({name: inside[name].mean(axis=1) for name in self.values})

    def _mean(self, shares: Mapping[Spectrum, np.ndarray]) -> Float[np.ndarray, "pictures"]:
        there = np.stack([values.any(axis=1) for values in self.values.values()])
        total = np.where(there, np.stack(list(shares.values())), 0.0).sum(axis=0)
        return np.divide(total, there.sum(axis=0), out=np.full(len(total), np.nan), where=there.any(axis=0))


def kind_of(network: Network) -> Kind | None:
    """How the maps of a network are made; None where it has neither attention nor maps."""
    if isinstance(network.trunk, VisionTransformer):
        return "rollout"
    convolutional = isinstance(network, Embedder) and isinstance(network.trunk, ConvolutionalTrunk)
    return "class activation" if convolutional else None


def checked_layer(network: Network, layer: str | None, where: object) -> str:
    """The stage whose map is shown: the named one, by default the last; empty of a transformer.

    Args:
        network: of any kind.
        layer: as the user named it; not used of a transformer.
        where: the run, for messages.

    Raises:
        RunError: a stage that the network does not have; the nearest is named. Or a network without attention and maps.
    """
    kind = kind_of(network)
    if kind is None:
        raise RunError(
            where,
            found=f"{type(network).__name__} around {type(network.trunk).__name__}, which has no attention and no maps",
            expected="a network with a transformer, or an Embedder with a convolutional trunk",
            remedy="Name another run.",
        )
    if kind == "rollout":
        return ""
    stages = list(network.trunk.config.stages)
    if layer is not None and layer not in stages:
        raise RunError(
            f"{where}, layer '{layer}'",
            found=f"no such stage in {type(network.trunk).__name__}",
            expected=f"one of {', '.join(stages)}",
            remedy=nearest(layer, stages),
        )
    return layer or stages[-1]


def maps_of_batch(network: Network, batch: Batch, layer: str, where: object) -> dict[Spectrum, Tensor]:
    """The maps of a batch, in every spectrum that the network reads.

    Args:
        network: in eval mode.
        batch: B observations.
        layer: of :func:`checked_layer`.
        where: the run, for messages.

    Returns:
        per spectrum, (B, rows, columns) on the CPU, of sum 1 or all zero; see :class:`AttentionMaps`.

    Raises:
        RunError: no block of the transformer shows its attention, or the network makes NaN of a picture.
    """
    maps: dict[Spectrum, Tensor] = {}
    for spectrum in network.spectra:
        absent = torch.zeros(len(batch), dtype=torch.bool, device=batch.index.device)
        rows = batch.present.get(spectrum, absent).nonzero()[:, 0]
        if not len(rows):
            continue
        chosen = batch[rows]
        made = _rollout(network, chosen, spectrum, where) if not layer else _activation(network, chosen, layer)
        if not bool(made.isfinite().all()):
            raise RunError(where, found="NaN or infinity in its maps", remedy="Its weights are damaged: name another.")
        total = made.sum(dim=(1, 2), keepdim=True)
        spread = made.new_zeros(len(batch), *made.shape[1:])
        maps[spectrum] = spread.index_copy(0, rows, made / total.where(total > 0, 1.0)).cpu()
    return maps


@torch.no_grad()
def _rollout(network: Network, batch: Batch, spectrum: Spectrum, where: object) -> Float[Tensor, "batch rows columns"]:
    trunk: VisionTransformer = network.trunk
    rollout = Rollout(with_residual)
    trunk.encode(trunk.tokenize(batch.images[spectrum], batch.camera, spectrum), observe=rollout)
    if not rollout.blocks:
        attention = type(trunk.config.attention).__name__
        raise RunError(
            where,
            found=f"attention '{attention}' that shows its probabilities in no block",
            expected="one that calls `observe` with the function that computes them",
            remedy=f"Let the modules of {attention} do so (reknow.models.attention), or name another run.",
        )
    rows = rollout.rows()[:, 0]
    reading = _reading(network, rows.shape[-1]).to(rows)
    return (reading @ rows)[:, trunk.prefix :].unflatten(1, trunk.grid)


def _reading(network: Network, length: int) -> Float[Tensor, "length"]:
    """How much each token that leaves the trunk counts in the feature, in sum 1."""
    trunk, reading = network.trunk, torch.zeros(length)
    reading[0] = 1
    beside = {"cls+extra": slice(1, 1 + trunk.config.extra_tokens), "cls+patches": slice(trunk.prefix, None)}
    if network.feature in beside:
        reading[0] = 0.5
        reading[beside[network.feature]] = 0.5 / len(reading[beside[network.feature]])
    return reading


def _activation(network: Network, batch: Batch, layer: str) -> Float[Tensor, "batch rows columns"]:
    assert isinstance(network, Embedder) and isinstance(network.trunk, ConvolutionalTrunk)  # kind_of has checked it
    return class_activation(partial(_feature, network, batch), layer_of(network.trunk, layer))


def _feature(network: Embedder, batch: Batch) -> Float[Tensor, "batch dim"]:
    return network.features(batch)[0].behind
