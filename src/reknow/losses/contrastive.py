"""Contrast with prototypes: InfoNCE over one vector per class (Dai et al., "Cluster Contrast", ACCV 2022, eq. 2).

Also the prototype term of TCMM (spec section 2.4, temperature 0.05 [C]). Prototypes are constants of the loss: how
they are kept and moved is the method's business.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def prototype_contrast(
    features: Float[Tensor, "batch dim"],
    prototypes: Float[Tensor, "classes dim"],
    labels: Int[Tensor, "batch"],
    temperature: float = 0.05,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the similarities to all prototypes.

    Args:
        features: (B, D), unit rows.
        prototypes: (C, D), unit rows.
        labels: (B,) each feature's own prototype.
        temperature: divides the cosines; smaller attends more to the nearest prototypes.

    Example:
        >>> import torch
        >>> prototype_contrast(torch.eye(2), torch.eye(2), torch.tensor([0, 1]), temperature=1.0)
        tensor(0.3133)
    """
    return functional.cross_entropy(features @ prototypes.T / temperature, labels)
