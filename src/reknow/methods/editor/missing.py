"""Missing spectra: an observation may lack some, in training and in use; the released code needs all of them.

Decision: whatever an observation has makes its embedding. The parts of the descriptor that it lacks are zero, so two
observations are compared by what both have. Training may drop spectra on purpose, so that the network meets every
subset: each spectrum of an observation with the given probability, but never all that it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.errors import DataError


def completed(
    images: Mapping[Any, Float[Tensor, "batch 3 height width"]],
    present: Mapping[Any, Bool[Tensor, "batch"]] | None,
    spectra: Sequence[str],
) -> tuple[dict[str, Float[Tensor, "batch 3 height width"]], dict[str, Bool[Tensor, "batch"]]]:
    """Images and presence of all spectra that a network looks at, in its order; zero and absent where there are none.

    Args:
        images: per spectrum, (B, 3, H, W); any of them may be missing.
        present: per spectrum, (B,): which observations have it; None where all have what is given.
        spectra: what the network looks at.

    Raises:
        DataError: an observation without any of them.
    """
    given = next((images[name] for name in spectra if name in images), None)
    if given is None:
        raise _nothing(spectra, f"only {', '.join(images) or 'nothing'}")
    nowhere = torch.zeros(len(given), dtype=torch.bool, device=given.device)
    there = {}
    for name in spectra:
        known = present[name] if present is not None and name in present else ~nowhere
        there[name] = known if name in images else nowhere
    empty = ~torch.stack(list(there.values())).any(0)
    if bool(empty.any()):
        raise _nothing(spectra, f"{int(empty.sum())} observations of a batch have none of them")
    return {name: images[name] if name in images else torch.zeros_like(given) for name in spectra}, there


def drop_spectra(present: Mapping[str, Bool[Tensor, "batch"]], probability: float) -> dict[str, Bool[Tensor, "batch"]]:
    """Presence after dropping each spectrum with this probability; an observation that would lose all keeps all.

    Example:
        >>> here = torch.tensor([True, True])
        >>> drop_spectra({"rgb": here, "nir": ~here}, probability=0.9)["rgb"]
        tensor([True, True])
    """
    there = torch.stack(list(present.values()))
    left = there & (torch.rand(there.shape).to(there.device) >= probability)
    left = torch.where(left.any(0), left, there)
    return dict(zip(present, left, strict=True))


def _nothing(spectra: Sequence[str], found: str) -> DataError:
    return DataError(
        "spectra of an observation",
        found=found,
        expected=f"an image of at least one of {', '.join(spectra)} in every observation",
        remedy="Leave those rows out, or set network.spectra to what the data have.",
    )
