"""Weights into a whole network: its trunk, and whatever else it says can be filled.

Which modules these are the network says (:meth:`~reknow.models.network.Network.fillable`), so that nobody who loads
weights knows kinds of networks. What nothing was given for stays as it was built, and the report names it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from torch import Tensor, nn

from reknow.models.network import Network
from reknow.models.weights.filling import COUNTER, fill
from reknow.models.weights.loaded import Loaded
from reknow.models.weights.pretrained import PretrainedWeights

Parts = Mapping[str, Mapping[str, Tensor]]
"""By the name of a fillable module, its tensors."""


def fill_network(network: Network, pretrained: PretrainedWeights, parts: Parts | None = None) -> Loaded:
    """Fill a network's trunk from a file, and its other fillable modules by what came with it.

    A part that fits no module, or whose module is of another size, is ignored.

    Args:
        network: as it was built.
        pretrained: the file.
        parts: what came beside the trunk; by default the file's own.

    Raises:
        WeightsError: weights of another kind of network or of another size; the network is as it was.
    """
    parts = pretrained.parts if parts is None else parts
    loaded = fill(network.trunk, pretrained)
    given: dict[nn.Module, Collection[str]] = {network.trunk: network.trunk.state_dict()}  # its report is `loaded`
    came = []
    for name, module in network.fillable().items():
        state = {key: tensor for key, tensor in parts.get(name, {}).items() if not key.endswith(COUNTER)}
        if state and _fits(state, module.state_dict()):
            module.load_state_dict(state, strict=False)
            given[module] = state
            came.append(name)
    return replace(
        loaded,
        parts=tuple(came),
        ignored=(*loaded.ignored, *(name for name in parts if name not in came)),
        fresh=_beside(network, given),
    )


def _fits(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    return all(name in wanted and wanted[name].shape == tensor.shape for name, tensor in state.items())


def _beside(network: Network, given: Mapping[nn.Module, Collection[str]]) -> tuple[str, ...]:
    """Names of the network's tensors that nothing was given for."""
    modules = network.named_modules(remove_duplicate=False)
    known = {f"{place}.{name}" for place, module in modules for name in given.get(module, ())}
    return tuple(name for name in network.state_dict() if name not in known and not name.endswith(COUNTER))
