"""EDITOR's losses: pairs at heads, background consistency (BCC) and object-centric refinement (OCFR).

A *pair* is the two losses of a head: smoothed cross-entropy on the logits behind the head's batch norm, and the
batch-hard triplet with the soft margin on the feature before it; both have weight 1. The fused descriptor has one pair.
The CLS of the trunk has, beside it,

- ``BL`` ("B" in the paper's tables): one head for all spectra, and a pair for each spectrum;
- ``AL`` ("A"): one pair, of the spectra side by side.

The bias of the batch norm is trained here, unlike in the baseline's neck (decision 12 in docs/methods/editor.md).

Background consistency (EDITOR, section 3.2): patches that are not kept should be equal in all spectra. With
B_m = (1 - M) * patches_m,

    L_BCC = MSE(B_R, B_N) + MSE(B_R, B_T) + MSE(B_N, B_T),

each a mean over all B * N * D entries: kept patches add nothing to the sum and count in the mean. A pair of spectra is
compared in the observations that have both; a pair without such an observation adds 0 (decision 6).

Object-centric refinement (EDITOR, section 3.3): the CLS of an identity stays near its center. Per spectrum m there is a
table C_m of centers, one row per identity, zero at the start. It is moved, not trained. With z the CLS of stage 1 at
length 1, for the identities of a batch first

    C_m[y] <- s mean_m(y) + (1 - s) C_m[y]        with s = 0.8, the share of the **new** mean; not renormalized

and then L_OCFR = sum over m of MSE(C_m[y_i], z_mi), a mean over B * D. Rows are found by label (decision 10). An
observation that lacks a spectrum neither moves that center nor adds to the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reknow.losses.cross_entropy import SmoothedCrossEntropy
from reknow.losses.triplet import BatchHardTriplet
from reknow.observation import Spectrum

Variant = Literal["AL", "BL"]


class Head(nn.Module):
    """Batch norm and a classifier without bias.

    Args:
        dim: of the feature.
        identities: classes.
    """

    def __init__(self, dim: int, identities: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)
        self.classifier = nn.Linear(dim, identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, feature: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch identities"]:
        """Logits."""
        return self.classifier(self.norm(feature))


class Pair(nn.Module):
    """A head's two losses, summed.

    Args:
        smoothing: of the classifier's targets.
    """

    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.cross_entropy = SmoothedCrossEntropy(smoothing)
        self.triplet = BatchHardTriplet()

    def forward(
        self, head: Head, feature: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]
    ) -> Float[Tensor, ""]:
        """(B, D) features before the head, and their (B,) identities."""
        return self.cross_entropy(head(feature), labels) + self.triplet(feature, labels)


def background_consistency(
    patches: Mapping[Spectrum, Float[Tensor, "batch patches width"]],
    kept: Mapping[Spectrum, Bool[Tensor, "batch patches"]],
    present: Mapping[Spectrum, Bool[Tensor, "batch"]],
) -> Float[Tensor, ""]:
    """L_BCC.

    Args:
        patches: per spectrum, (B, N, D): the trunk's patch tokens.
        kept: per spectrum, (B, N): which of them were selected.
        present: per spectrum, (B,): which observations have it.

    Example:
        >>> ones, none, here = torch.ones(2, 4, 3), torch.zeros(2, 4, dtype=torch.bool), torch.tensor([True, True])
        >>> tokens = {"rgb": ones, "nir": 2 * ones, "tir": 2 * ones}
        >>> background_consistency(tokens, dict.fromkeys(tokens, none), dict.fromkeys(tokens, here))
        tensor(2.)
    """
    background: dict[Spectrum, Tensor] = {name: tokens * ~kept[name][..., None] for name, tokens in patches.items()}
    terms = []
    for (first_name, first), (second_name, second) in combinations(background.items(), 2):
        both = present[first_name] & present[second_name]
        squared = (first - second).square().mean((1, 2))
        terms.append((squared * both).sum() / both.sum().clamp(min=1))
    return torch.stack(terms).sum() if terms else next(iter(patches.values())).sum() * 0


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
        """L_OCFR against the centers as they are.

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
            identities, group = labels[present[name]].unique(return_inverse=True)
            table, new = self.table(name), vectors[name][present[name]]
            sums = table.new_zeros(len(identities), table.shape[1]).index_add_(0, group, new.to(table.dtype))
            means = sums / group.bincount(minlength=len(identities))[:, None]
            table[identities] = self.share * means + (1 - self.share) * table[identities]
