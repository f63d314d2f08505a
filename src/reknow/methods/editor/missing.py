"""Missing spectra: an observation may lack some, in training and in use; the released code needs all of them.

Every subset that is not empty makes an embedding (decision 15 in docs/methods/editor.md). The parts of the descriptor
that an observation lacks are zero, so two observations are compared by what both have. Training may drop spectra on
purpose, so that the network meets every subset: each spectrum of an observation with the given probability, but never
all that it has.

Then the mean of all descriptors matters, so :class:`Means` subtracts it before they are compared (decision 16). No
batch norm precedes the comparison, and nearly all of a descriptor's length is the same for all observations: on the
world 42.86 of 42.86, with deviations of 0.4. Without the subtraction, mAP is 1 to 3 points lower where both sides have
the same spectra. Where a query lacks one, nearly all is lost: the tokens of the others attend to less, all parts of the
descriptor move together, and a query in near infrared alone found its identity in a gallery of three spectra with mAP
7; without the mean of its own subset, with 45. So there is a mean for each subset of the spectra.

The mean is so large beside the differences that it has to be that of the network as it is: running means of some
hundred steps were of no use (mAP 6). It is measured before each evaluation, on training pictures without augmentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reknow.errors import DataError
from reknow.observation import Batch, Spectrum


def completed(batch: Batch, spectra: Sequence[Spectrum]) -> Batch:
    """The batch with all spectra that a network reads, in its order; missing ones are zero and marked as absent.

    Args:
        batch: any of the spectra may be missing.
        spectra: those that the network reads.

    Raises:
        DataError: an observation without any of them.
    """
    given = next((batch.images[name] for name in spectra if name in batch.images), None)
    if given is None:
        raise _no_spectrum(spectra, f"only {', '.join(batch.images) or 'nothing'}")
    absent = torch.zeros(len(given), dtype=torch.bool, device=given.device)
    present = {name: batch.present[name] if name in batch.images else absent for name in spectra}
    empty = ~torch.stack(list(present.values())).any(0)
    if bool(empty.any()):
        raise _no_spectrum(spectra, f"{int(empty.sum())} observations of a batch have none of them")
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
    before = torch.stack(list(present.values()))
    after = before & (torch.rand(before.shape).to(before.device) >= probability)
    after = torch.where(after.any(0), after, before)
    return dict(zip(present, after, strict=True))


class Means(nn.Module):
    """Means of descriptors, one for each subset of the spectra; until they are measured nothing is subtracted.

    Args:
        dim: of a descriptor.
        spectra: those that a network reads.

    Example:
        >>> means, here = Means(4, ("rgb", "nir")), torch.tensor([True, True])
        >>> means.add(0b11, torch.tensor([[1.0, 0, 2, 0], [3, 0, 2, 0]]))
        >>> means(torch.tensor([[2.0, 5, 2, 0]]), {"rgb": here[:1], "nir": here[:1]})
        tensor([[0., 5., 0., 0.]])
    """

    mean: Float[Tensor, "subsets dim"]
    count: Int[Tensor, "subsets"]

    def __init__(self, dim: int, spectra: Sequence[Spectrum]) -> None:
        super().__init__()
        self.spectra = tuple(spectra)
        # Row b is the subset whose spectra are the bits of b; row 0, the empty one, is not used.
        self.register_buffer("mean", torch.zeros(2 ** len(spectra), dim))
        self.register_buffer("count", torch.zeros(2 ** len(spectra), dtype=torch.long))

    def forward(
        self, descriptors: Float[Tensor, "batch dim"], present: Mapping[Spectrum, Bool[Tensor, "batch"]]
    ) -> Float[Tensor, "batch dim"]:
        """Descriptors without the mean of their subset; parts of absent spectra stay zero.

        A subset that no training picture has is centered by the mean of the one that most have.
        """
        subset = torch.stack([present[name].long() << bit for bit, name in enumerate(self.spectra)]).sum(0)
        rows = torch.where(self.count[subset] > 0, subset, self.count.argmax())
        parts = torch.stack([present[name] for name in self.spectra], dim=1)
        mask = parts.repeat_interleave(descriptors.shape[1] // len(self.spectra), dim=1)
        return (descriptors - self.mean.to(descriptors)[rows]) * mask

    def subsets(
        self, present: Mapping[Spectrum, Bool[Tensor, "batch"]]
    ) -> Iterator[tuple[int, Int[Tensor, "rows"], dict[Spectrum, Bool[Tensor, "rows"]]]]:
        """Every subset that observations of a batch have: its number, those observations, and their spectra in it."""
        for subset in range(1, len(self.count)):
            inside = {name: bool(subset >> bit & 1) for bit, name in enumerate(self.spectra)}
            rows = torch.stack([present[name] for name in self.spectra if inside[name]]).all(0).nonzero()[:, 0]
            if len(rows):
                yield subset, rows, {name: present[name][rows] & inside[name] for name in self.spectra}

    def reset(self) -> None:
        """Start the measurement anew."""
        self.mean.zero_()
        self.count.zero_()

    def add(self, subset: int, descriptors: Float[Tensor, "batch dim"]) -> None:
        """Add descriptors of observations that have this subset."""
        self.count[subset] += len(descriptors)
        difference = descriptors.to(self.mean).mean(0) - self.mean[subset]
        self.mean[subset] += difference * (len(descriptors) / int(self.count[subset]))


def _no_spectrum(spectra: Sequence[Spectrum], problem: str) -> DataError:
    return DataError(
        "spectra of an observation",
        found=problem,
        expected=f"an image of at least one of {', '.join(spectra)} in every observation",
        remedy="Leave those rows out, or set network.spectra to what the data have.",
    )
