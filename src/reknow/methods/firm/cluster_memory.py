"""The state of FIRM's memory: prototypes of every cluster in three views (section 3.3.1, eq. 12).

A picture has a fusion feature, which text has been injected into, and the visual feature of its own spectrum. So a
cluster k has three prototypes, each over those of its members that have the view:

    p^m_k  =  mean of their unit features, to length 1          m in fusion, rgb, infrared
    n_k    =  number of members,  s_k  =  sum of confidences    at first the cluster's size, and 0

Decisions. A view that no member has, or whose unit features cancel each other, is invalid: its prototype is zeros, and
nothing is compared with it. A feature shorter than 1e-6 points nowhere and counts in no mean. Rows of label -1 are
noise and belong nowhere. n_k grows with every update, so :func:`recounted` sets both numbers back at each refresh.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from reknow.errors import DataError
from reknow.growing import GrowingBuffers

VIEWS = ("fusion", "rgb", "infrared")
"""The views in the order of every tensor that has one entry for each."""

FUSION, RGB, INFRARED = range(3)

SHORTEST = 1e-6
"""Length below which a vector has no direction; two opposite unit rows in 32 bit add up to less than that."""

ROWS_AT_ONCE = 8192
"""Rows that are normalized together where only sums over rows are wanted: 16 MB at D 480."""


@dataclass(frozen=True)
class ClusterMemory:
    """K clusters in three views (:data:`VIEWS`). An update changes these tensors in place; all else makes new ones.

    Attributes:
        prototypes: (K, 3, D), of length 1; zeros where a view is invalid.
        valid: (K, 3) whether the cluster has the view.
        counts: (K,) n: its members at first, and each update by a picture.
        confidence_sums: (K,) s: the fusion confidences of these updates.
        parents: (K,) number that the children of one cluster have in common; -1 for a cluster that is no child.
        low_cycles: (K,) for how many cycles it has had too small a number of members.
    """

    prototypes: Float[Tensor, "clusters 3 dim"]
    valid: Bool[Tensor, "clusters 3"]
    counts: Int[Tensor, "clusters"]
    confidence_sums: Float[Tensor, "clusters"]
    parents: Int[Tensor, "clusters"]
    low_cycles: Int[Tensor, "clusters"]

    def __len__(self) -> int:
        return len(self.prototypes)

    def __getitem__(self, clusters: Int[Tensor, "chosen"]) -> ClusterMemory:
        """Some of the clusters, by their numbers."""
        return ClusterMemory(*(getattr(self, field.name)[clusters] for field in fields(self)))

    def to(self, device: torch.device | str) -> ClusterMemory:
        """The same memory on another device; the functions of this room take features from where the memory is."""
        return ClusterMemory(*(getattr(self, field.name).to(device) for field in fields(self)))


@torch.no_grad()
def bootstrap(
    fusion: Float[Tensor, "rows dim"],
    visual: Float[Tensor, "rows dim"],
    infrared: Bool[Tensor, "rows"],
    labels: Int[Tensor, "rows"],
    clusters: int | None = None,
) -> ClusterMemory:
    """The memory of labelled rows.

    Args:
        fusion: (N, D) fusion features of any length.
        visual: (N, D) visual features of any length.
        infrared: (N,) whether a row is an infrared picture; else it is a visible one.
        labels: (N,) cluster of each row, -1 for noise.
        clusters: K; by default one more than the largest label.

    Returns:
        A memory on the device of the features, in 32 bit at least. A cluster without members has no valid view. All
        noise gives a memory of no clusters.

    Raises:
        DataError: features that are not finite, labels outside -1 to K - 1, or numbers of rows that differ.

    Example:
        >>> visual = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> memory = bootstrap(visual, visual, torch.tensor([False, True, False]), torch.tensor([0, 0, 1]))
        >>> memory.prototypes[0].round(decimals=3), memory.valid[1]
        (tensor([[0.7070, 0.7070],
                [1.0000, 0.0000],
                [0.0000, 1.0000]]), tensor([ True,  True, False]))
    """
    check_rows(fusion, visual, infrared, labels)
    labels = labels.to(fusion.device)
    if clusters is None:
        clusters = max(int(labels.max()) + 1, 0) if len(labels) else 0
    check_labels(labels, clusters)
    prototypes, valid = view_means(fusion, visual, infrared, labels, clusters)
    counts = labels[labels >= 0].bincount(minlength=clusters)
    return ClusterMemory(
        prototypes,
        valid,
        counts,
        confidence_sums=prototypes.new_zeros(clusters),
        parents=torch.full_like(counts, -1),
        low_cycles=torch.zeros_like(counts),
    )


@torch.no_grad()
def view_means(
    fusion: Float[Tensor, "rows dim"],
    visual: Float[Tensor, "rows dim"],
    infrared: Bool[Tensor, "rows"],
    labels: Int[Tensor, "rows"],
    clusters: int,
) -> tuple[Float[Tensor, "clusters 3 dim"], Bool[Tensor, "clusters 3"]]:
    """Prototypes and which of them are valid; arguments as of :func:`bootstrap`. No copy of the features is made."""
    wide = torch.promote_types(fusion.dtype, torch.float32)
    sums = torch.zeros(3 * clusters, fusion.shape[1], dtype=wide, device=fusion.device)
    for part in parts(len(labels)):
        rows = (labels[part] >= 0).nonzero()[:, 0] + part.start
        slots = 3 * labels[rows]
        sums.index_add_(0, slots + FUSION, unit(fusion[rows], "fusion features"))
        sums.index_add_(0, slots + own_view(infrared[rows]), unit(visual[rows], "visual features").to(sums))
    prototypes = unit(sums, "prototypes").view(clusters, 3, fusion.shape[1])
    return prototypes, prototypes.any(2)


def recounted(memory: ClusterMemory, labels: Int[Tensor, "rows"]) -> ClusterMemory:
    """The same clusters with n set back to their sizes by these labels, and s to 0.

    Raises:
        DataError: labels outside -1 to K - 1.

    Example:
        >>> memory = bootstrap(torch.eye(2), torch.eye(2), torch.tensor([False, True]), torch.tensor([0, 1]))
        >>> recounted(memory, torch.tensor([1, 1, -1])).counts
        tensor([0, 2])
    """
    return replace(memory, counts=sizes(memory, labels), confidence_sums=torch.zeros_like(memory.confidence_sums))


def sizes(memory: ClusterMemory, labels: Int[Tensor, "rows"]) -> Int[Tensor, "clusters"]:
    """How many rows each cluster has."""
    labels = labels.to(memory.counts.device)
    check_labels(labels, len(memory))
    return labels[labels >= 0].bincount(minlength=len(memory))


class StoredMemory(GrowingBuffers):
    """A memory in the buffers of a module, so that checkpoints keep it whatever its number of clusters.

    Args:
        dim: D, the size of a feature.

    Example:
        >>> stored = StoredMemory(dim=2)
        >>> len(stored.memory)
        0
        >>> stored.memory = bootstrap(torch.eye(2), torch.eye(2), torch.tensor([False, True]), torch.tensor([0, 1]))
        >>> resumed = StoredMemory(dim=2)
        >>> resumed.load_state_dict(stored.state_dict())
        <All keys matched successfully>
        >>> len(resumed.memory)
        2
    """

    growing = tuple(field.name for field in fields(ClusterMemory))

    def __init__(self, dim: int) -> None:
        super().__init__()
        nothing = torch.zeros(0, dim)
        empty = bootstrap(nothing, nothing, torch.zeros(0, dtype=torch.bool), torch.zeros(0, dtype=torch.long))
        for field in fields(ClusterMemory):
            self.register_buffer(field.name, getattr(empty, field.name))

    @property
    def memory(self) -> ClusterMemory:
        """The memory; an update of it changes the buffers."""
        return ClusterMemory(*(getattr(self, field.name) for field in fields(ClusterMemory)))

    @memory.setter
    def memory(self, memory: ClusterMemory) -> None:
        for field in fields(ClusterMemory):
            # Copied, so that an update leaves the memory that was given as it is.
            setattr(self, field.name, getattr(memory, field.name).to(getattr(self, field.name), copy=True))


def unit(rows: Float[Tensor, "*rows dim"], name: str) -> Float[Tensor, "*rows dim"]:
    """Rows to length 1, in 32 bit at least; one shorter than 1e-6 becomes zeros and gets no gradient.

    Args:
        rows: (..., D).
        name: what they are, for the message.

    Raises:
        DataError: rows that hold NaN or infinity, or whose length is beyond their number format.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), "features")
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    if not bool(length.isfinite().all()):
        bad = (~length.isfinite()).flatten().nonzero()[:, 0].tolist()
        listing = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
        raise DataError(
            name,
            found=f"{len(bad):,} of {length.numel():,} rows hold NaN, infinity or too large numbers: rows {listing}",
            expected="finite vectors",
            remedy="Check these pictures. If all rows are bad, the network diverged: lower the learning rate.",
        )
    return rows / length.where(length > SHORTEST, torch.inf)


def own_view(infrared: Bool[Tensor, "rows"]) -> Int[Tensor, "rows"]:
    """The number of each row's own visual view."""
    return RGB + infrared.long() * (INFRARED - RGB)


def check_rows(
    fusion: Float[Tensor, "..."],
    visual: Float[Tensor, "..."],
    infrared: Shaped[Tensor, "..."],
    labels: Shaped[Tensor, "..."] | None = None,
    dim: int | None = None,
) -> None:
    """Refuse rows that do not belong together, which torch would broadcast, cut off or refuse in its own words.

    Args:
        fusion, visual: (N, D).
        infrared: (N,) bool.
        labels: (N,) whole numbers; None where there are none.
        dim: D, where a memory says it.

    Raises:
        DataError: names what differs.
    """
    rows, width = len(fusion), dim or fusion.shape[-1]
    wanted = {"fusion features": (fusion, (rows, width)), "visual features": (visual, (rows, width))}
    wanted |= {"infrared": (infrared, (rows,))} | ({} if labels is None else {"labels": (labels, (rows,))})
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != shape:
            raise DataError(
                name,
                found=f"shape {tuple(tensor.shape)}",
                expected=f"{shape}, a row for each of the {rows} fusion features",
                remedy="Pass tensors of the same pictures, in the same order.",
            )
    whole = labels is None or not (labels.is_floating_point() or labels.dtype == torch.bool)
    if infrared.dtype != torch.bool or not whole:
        name, tensor = ("labels", labels) if infrared.dtype == torch.bool else ("infrared", infrared)
        raise DataError(
            name,
            found=f"{tensor.dtype}" if tensor is not None else "none",
            expected="torch.bool" if name == "infrared" else "whole numbers, such as torch.int64",
            remedy="Convert it.",
        )


def check_labels(labels: Int[Tensor, "rows"], clusters: int) -> None:
    """Raise a DataError for a label that is neither -1 nor the number of a cluster."""
    outside = labels[(labels < -1) | (labels >= clusters)]
    if len(outside):
        raise DataError(
            "labels",
            found=f"cluster {int(outside[0])}",
            expected=f"-1 for noise, or 0 to {clusters - 1}" if clusters > 0 else "-1 for noise, or 0 and up",
            remedy="Pass the labels that belong to this memory.",
        )


def parts(rows: int) -> Iterator[slice]:
    """Consecutive slices of at most :data:`ROWS_AT_ONCE` rows."""
    return (slice(start, min(start + ROWS_AT_ONCE, rows)) for start in range(0, rows, ROWS_AT_ONCE))
