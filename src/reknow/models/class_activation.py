"""Class activation by gradients: which positions of a convolutional map a scalar of the network depends on.

Selvaraju et al., "Grad-CAM" (ICCV 2017, equations 1 and 2): of map A with channels A_k and a scalar s of the picture,

    alpha_k = mean over positions of ds / dA_k          map = ReLU(sum_k alpha_k A_k)

The paper's scalar is the score of a class. A retrieval vector has no classes, and its length is 1 whatever the picture
shows; so s is the length of the feature that becomes it, which is the part of the feature along its own direction.

Decision: written out here, since the package `grad-cam` brings OpenCV and scikit-learn along, which nothing else here
needs when it runs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reknow.models.insertion import ConvolutionalTrunk


def layer_of(trunk: ConvolutionalTrunk, name: str) -> nn.Module:
    """The module whose output leaves a stage: the stage, or what a recipe has put behind it.

    Args:
        trunk: of any kind.
        name: of one of its stages.

    Raises:
        KeyError: it has no such stage.
    """
    if name not in trunk.config.stages:
        raise KeyError(name)
    return trunk.after[name] if name in trunk.after else trunk.get_submodule(name)


@torch.enable_grad()
def class_activation(
    features: Callable[[], Float[Tensor, "batch dim"]], layer: nn.Module
) -> Float[Tensor, "batch rows columns"]:
    """The map of every picture, not negative and not scaled; all zero where nothing speaks for the feature.

    Args:
        features: runs the network, through the layer and once, and returns (B, D) features, not normalized. A picture's
            feature depends on no other picture, as in eval mode.
        layer: whose output are maps (B, C, H, W).

    Raises:
        ValueError: the run does not pass through the layer.

    Example:
        >>> layer = nn.Identity()
        >>> maps = torch.tensor([[[[3.0, 0.0], [0.0, 1.0]]]])
        >>> class_activation(lambda: layer(maps).sum((2, 3)), layer)
        tensor([[[3., 0.],
                 [0., 1.]]])
    """
    leaving: list[Tensor] = []

    def leaf(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        # What lies before the layer needs no gradient, nor do weights.
        leaving.append(output.detach().requires_grad_())
        return leaving[-1].clone()  # the next layer may change it in place

    handle = layer.register_forward_hook(leaf)
    try:
        lengths = features().norm(dim=1)
    finally:
        handle.remove()
    if not leaving:
        raise ValueError("the features were computed without the layer")
    maps = leaving[0]
    (gradient,) = torch.autograd.grad(lengths.sum(), maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps.detach()).sum(1).relu()
