"""Instance memory: one unit vector per training picture, outliers included (TCMM).

A batch row b with cluster y_b is compared with the memory as it was before the step:

    positive    the row with label y_b that is LEAST similar (its own row is a candidate)
    negatives   the K most similar rows with another label; outliers (-1) have another label than any picture
    loss        L = mean over b of  - log ( e^(p/t) / ( e^(p/t) + sum over k of e^(n_k/t) ) )

After the step the batch's rows are updated, in batch order: g <- m g + (1 - m) x, g <- g / |g|, with m the share of the
OLD vector. The memory is filled once, before the first epoch, and never rebuilt; an epoch only brings new labels
(decision 7 in docs/methods/tcmm.md). So the row of an outlier stays as it was when the picture was last in a batch;
`refresh_outliers` renews those rows from each epoch's embeddings (decision 8). With fewer than K other rows all of them
are negatives, with none the loss is 0 (decision 16).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from reknow.errors import RunError
from reknow.losses.prototype_memory import occurrence

ROWS_AT_ONCE = 65_536
"""Memory rows that are compared at a time: 128 pictures then take 34 MB of similarities however large the memory is,
and the 32,621 rows of MSMT17 are one piece."""


class InstanceMemory(nn.Module):
    """Every training picture's vector. It takes N x (D + 2) x 4 bytes: 100 MB for MSMT17's 32,621 pictures at D 768.

    Args:
        rows: N, training pictures.
        dim: D, the embedding size.
        negatives: K.
        momentum: share of the old vector that an update keeps, in [0, 1].
        temperature: t of the softmax.
        outliers: whether outliers are negatives (without them: an ablation).
        refresh_outliers: renew the outliers' rows every epoch.

    Example:
        >>> memory = InstanceMemory(rows=3, dim=2, negatives=1, temperature=1.0)
        >>> memory.begin_epoch(torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), torch.tensor([0, 0, -1]))
        >>> memory(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))  # positive 0.6, negative 0.0
        tensor(0.4375)
    """

    vectors: Tensor
    labels: Tensor
    filled: Tensor

    def __init__(
        self,
        rows: int,
        dim: int,
        *,
        negatives: int = 4,
        momentum: float = 0.2,
        temperature: float = 0.05,
        outliers: bool = True,
        refresh_outliers: bool = False,
    ) -> None:
        super().__init__()
        self.negatives = negatives
        self.momentum = momentum
        self.temperature = temperature
        self.outliers = outliers
        self.refresh_outliers = refresh_outliers
        self.register_buffer("vectors", torch.zeros(rows, dim))
        self.register_buffer("labels", torch.full((rows,), -1))
        self.register_buffer("filled", torch.tensor(False))

    @torch.no_grad()
    def begin_epoch(self, embeddings: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"]) -> None:
        """New labels; the vectors stay, except before the first epoch."""
        if not self.filled:
            self.vectors.copy_(embeddings)
            self.filled.fill_(True)
        elif self.refresh_outliers:
            outlying = labels < 0
            self.vectors[outlying.to(self.vectors.device)] = embeddings[outlying].to(self.vectors)
        self.labels.copy_(labels)

    def forward(self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """The loss; rows whose label is not in the memory are left out of it."""
        # 32 bit also under autocast, as the logits are similarities over a temperature of 0.05.
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.float()
            rows, exists = self.choose(embeddings, labels)
            logits = torch.einsum("bd,bkd->bk", embeddings, self.vectors[rows]) / self.temperature
            logits = logits.masked_fill(~exists, -torch.inf)
            compared = exists[:, 0]
            if not bool(compared.any()):
                return (embeddings * 0).sum()
            logits = logits[compared]
            return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))

    @torch.no_grad()
    def choose(
        self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]
    ) -> tuple[Int[Tensor, "batch chosen"], Bool[Tensor, "batch chosen"]]:
        """The hardest positive and, behind it, the K hardest negatives, descending.

        Returns:
            (B, 1 + K) rows of the memory, and whether each exists.
        """
        lowest, positive = embeddings.new_full((len(labels),), torch.inf), torch.zeros_like(labels)
        highest, negative = embeddings.new_empty(len(labels), 0), labels.new_empty(len(labels), 0)
        for start in range(0, len(self.vectors), ROWS_AT_ONCE):
            stop = start + ROWS_AT_ONCE
            similarity = embeddings @ self.vectors[start:stop].T
            held = self.labels[start:stop]
            same = labels[:, None] == held
            value, row = similarity.masked_fill(~same, torch.inf).min(1)
            positive = torch.where(value < lowest, row + start, positive)
            lowest = torch.minimum(value, lowest)
            similarity.masked_fill_(same if self.outliers else same | (held < 0), -torch.inf)
            values, rows = similarity.topk(min(self.negatives, similarity.shape[1]), dim=1)
            highest, negative = torch.cat([highest, values], 1), torch.cat([negative, rows + start], 1)
            if highest.shape[1] > self.negatives:
                highest, order = highest.topk(self.negatives, dim=1)
                negative = negative.gather(1, order)
        exists = torch.cat([lowest[:, None] < torch.inf, highest > -torch.inf], dim=1)
        return torch.cat([positive[:, None], negative], dim=1), exists

    @torch.no_grad()
    def update(self, embeddings: Float[Tensor, "batch dim"], index: Int[Tensor, "batch"]) -> None:
        """Move the rows of these pictures; one that occurs twice moves twice, in batch order."""
        embeddings = embeddings.to(self.vectors)
        turn = occurrence(index.unique(return_inverse=True)[1])
        for k in range(int(turn.max().item()) + 1 if len(turn) else 0):
            members = turn == k
            rows = index[members]
            moved = self.momentum * self.vectors[rows] + (1 - self.momentum) * embeddings[members]
            self.vectors[rows] = functional.normalize(moved, dim=1)

    def _load_from_state_dict(  # pyright: ignore[reportIncompatibleMethodOverride] (the rest is torch's to name)
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        stored = state_dict.get(f"{prefix}vectors")
        if stored is not None and stored.shape != self.vectors.shape:
            raise RunError(
                "checkpoint, instance memory",
                found=f"{tuple(stored.shape)} vectors",
                expected=f"{tuple(self.vectors.shape)}: one per training picture, of the network's embedding size",
                remedy="Resume with the data and the network that the run began with.",
            )
        super()._load_from_state_dict(state_dict, prefix, *rest)
