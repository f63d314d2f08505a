"""Missing spectra: an observation may lack some, in training and in use; the released code needs all of them.

Decision: whatever an observation has makes its embedding. The parts of the descriptor that it lacks are zero, so two
observations are compared by what both have. Training may drop spectra on purpose, so that the network meets every
subset: each spectrum of an observation with the given probability, but never all that it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from reknow.errors import DataError
from reknow.observation import Batch, Spectrum


def completed(batch: Batch, spectra: Sequence[Spectrum]) -> Batch:
    """The batch with all spectra that a network looks at, in its order; zero and absent where there are none.

    Args:
        batch: any of the spectra may be missing.
        spectra: what the network looks at.

    Raises:
        DataError: an observation without any of them.
    """
    given = next((batch.images[name] for name in spectra if name in batch.images), None)
    if given is None:
        raise _nothing(spectra, f"only {', '.join(batch.images) or 'nothing'}")
    nowhere = torch.zeros(len(given), dtype=torch.bool, device=given.device)
    present = {name: batch.present[name] if name in batch.images else nowhere for name in spectra}
    empty = ~torch.stack(list(present.values())).any(0)
    if bool(empty.any()):
        raise _nothing(spectra, f"{int(empty.sum())} observations of a batch have none of them")
    images = {name: batch.images[name] if name in batch.images else torch.zeros_like(given) for name in spectra}
    return replace(batch, images=images, present=present)


def drop_spectra(
    present: Mapping[Spectrum, Bool[Tensor, "batch"]], probability: float
) -> dict[Spectrum, Bool[Tensor, "batch"]]:
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


def _nothing(spectra: Sequence[Spectrum], found: str) -> DataError:
    return DataError(
        "spectra of an observation",
        found=found,
        expected=f"an image of at least one of {', '.join(spectra)} in every observation",
        remedy="Leave those rows out, or set network.spectra to what the data have.",
    )
