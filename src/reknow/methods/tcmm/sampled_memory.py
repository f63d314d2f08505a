"""Sampled memory: the instance memory for collections too large to keep whole. Not in the paper.

The paper keeps every training picture and asks whether that holds at web scale (its open question). Here S rows are
kept (decision 17 in docs/methods/tcmm.md). Every epoch draws them anew: one of each cluster first, so that every
cluster has a positive, the others evenly from the rest, outliers in their share. Their vectors are taken from that
epoch's embeddings. Within an epoch the batches update them as in :mod:`.instance_memory`, which does all the rest. With
S = N it differs from the full memory in one thing: the vectors are renewed every epoch.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reknow.methods.tcmm.instance_memory import InstanceMemory


class SampledMemory(nn.Module):
    """S of N training pictures' vectors: S x (D + 2) x 4 bytes, and 8 bytes per picture to find them.

    Args:
        rows: N, training pictures.
        memory: holds the vectors; its size is S.
        seed: of the draw, together with the number of epochs drawn so far.
    """

    place: Tensor
    drawn: Tensor

    def __init__(self, rows: int, memory: InstanceMemory, seed: int = 0) -> None:
        super().__init__()
        self.memory = memory
        self.seed = seed
        self.register_buffer("place", torch.full((rows,), -1))
        self.register_buffer("drawn", torch.tensor(0))

    @torch.no_grad()
    def begin_epoch(self, embeddings: Float[Tensor, "rows dim"], labels: Int[Tensor, "rows"]) -> None:
        """Draw S rows and take their vectors and labels."""
        random = torch.Generator().manual_seed(self.seed * 100_003 + int(self.drawn))
        kept = one_of_each_first(labels.cpu(), len(self.memory.vectors), random)
        self.place.fill_(-1)
        self.place[kept.to(self.place.device)] = torch.arange(len(kept), device=self.place.device)
        self.drawn += 1
        self.memory.vectors.copy_(embeddings[kept.to(embeddings.device)])
        self.memory.labels.copy_(labels[kept.to(labels.device)])
        self.memory.filled.fill_(True)

    def forward(self, embeddings: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
        """The loss against the kept rows; where S is below the number of clusters, some rows are left out."""
        return self.memory(embeddings, labels)

    @torch.no_grad()
    def update(self, embeddings: Float[Tensor, "batch dim"], index: Int[Tensor, "batch"]) -> None:
        """Move the rows of those pictures of the batch that are kept."""
        place = self.place[index]
        self.memory.update(embeddings[place >= 0], place[place >= 0])


def one_of_each_first(labels: Int[Tensor, "rows"], count: int, random: torch.Generator) -> Int[Tensor, "kept"]:
    """`count` different rows: one of each label from 0 up, then evenly of what is left.

    Example:
        >>> sorted(one_of_each_first(torch.tensor([0, 1, -1]), 2, torch.Generator()).tolist())
        [0, 1]
    """
    order = torch.randperm(len(labels), generator=random)
    shuffled = labels[order]
    # A stable sort puts each label's rows together in their random order, so the first of them is a fair draw.
    by_label = shuffled.argsort(stable=True)
    value = shuffled[by_label]
    first = torch.ones_like(value, dtype=torch.bool)
    first[1:] = value[1:] != value[:-1]
    chosen = torch.zeros_like(first)
    chosen[by_label] = first & (value >= 0)
    # Representatives in random order, then the others in random order.
    return order[torch.cat([chosen.nonzero()[:, 0], (~chosen).nonzero()[:, 0]])][:count]
