"""Object-centric refinement (EDITOR section 3.3, "OCFR"; spec section 2.7 [C]): an identity's CLS keeps to its center.

Per spectrum m a table C_m of centers, one row per identity, zero at the start and moved, not trained. With z the CLS
of stage 1 at length 1, for the identities of a batch first

    C_m[y] <- s mean_m(y) + (1 - s) C_m[y]        with s = 0.8, the share of the **new** mean; not renormalized

and then L = sum over m of MSE(C_m[y_i], z_mi), a mean over B * D. Rows are found by label; the released code counts on
batches that are sorted into equal groups [D]. An observation without a spectrum neither moves that center nor pays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reknow.observation import Spectrum


class Centers(nn.Module):
    """The tables of centers, and how far from them a batch is.

    Args:
        identities: rows of each table.
        width: D.
        spectra: one table for each.
        share: s, of the new mean in an update, in [0, 1].

    Example:
        >>> centers = Centers(identities=2, width=3, spectra=("rgb",))
        >>> vectors, here = {"rgb": torch.ones(2, 3)}, {"rgb": torch.tensor([True, True])}
        >>> centers.update(vectors, here, torch.tensor([1, 1]))
        >>> centers.table("rgb")[:, 0], centers(vectors, here, torch.tensor([1, 1]))
        (tensor([0.0000, 0.8000]), tensor(0.0400))
    """

    def __init__(self, identities: int, width: int, spectra: Sequence[Spectrum], share: float = 0.8) -> None:
        super().__init__()
        self.spectra = tuple(spectra)
        self.share = share
        for name in self.spectra:
            self.register_buffer(name, torch.zeros(identities, width))

    def table(self, spectrum: Spectrum) -> Float[Tensor, "identities width"]:
        """A spectrum's centers."""
        return self.get_buffer(spectrum)

    def forward(
        self,
        vectors: Mapping[Spectrum, Float[Tensor, "batch width"]],
        present: Mapping[Spectrum, Bool[Tensor, "batch"]],
        labels: Int[Tensor, "batch"],
    ) -> Float[Tensor, ""]:
        """The loss against the centers as they are.

        Args:
            vectors: per spectrum, (B, D) of length 1.
            present: per spectrum, (B,): which observations have it.
            labels: (B,) identities.
        """
        terms = []
        for name in self.spectra:
            squared = (self.table(name)[labels] - vectors[name]).square().mean(1)
            terms.append((squared * present[name]).sum() / present[name].sum().clamp(min=1))
        return torch.stack(terms).sum()

    @torch.no_grad()
    def update(
        self,
        vectors: Mapping[Spectrum, Float[Tensor, "batch width"]],
        present: Mapping[Spectrum, Bool[Tensor, "batch"]],
        labels: Int[Tensor, "batch"],
    ) -> None:
        """Move the centers of the identities in a batch; the others stay."""
        for name in self.spectra:
            seen, group = labels[present[name]].unique(return_inverse=True)
            table, new = self.table(name), vectors[name][present[name]]
            sums = table.new_zeros(len(seen), table.shape[1]).index_add_(0, group, new.to(table.dtype))
            means = sums / group.bincount(minlength=len(seen))[:, None]
            table[seen] = self.share * means + (1 - self.share) * table[seen]
