"""What happens to clusters between epochs: merge, split, retire, and the pull toward fusion (section 3.3.3).

    merge     cos_fusion > 0.85 and cos_rgb > 0.75 and cos_infrared > 0.75
    split     V_fusion > 0.25, or V_rgb > 0.30 and V_infrared > 0.30
    V^m_k     mean of 1 - cos(f^m_i, p^m_k) over the members i of k that have the view

The paper's V (eq. 16) is the variance of confidences, which lie between 0 and 1. Such a variance is at most 1/4
(Popoviciu), so that neither test of the paper could ever be true; its study of the thresholds, from 0.15 to 0.35, must
have measured something else. :func:`confidence_variance` computes it all the same, and :func:`split` takes it in the
place of the dispersion V.

Decisions. Merge: pairs in the order of decreasing cos_fusion, each cluster once a pass; where a view is invalid on
either side its condition is dropped, and cos_fusion must exceed 0.90; prototypes are averaged by n, where the paper has
a plain mean; n and s are added. The survivor is the lower number, and survivors keep their order. Split: the paper
names single linkage in one section and Ward in another; here Ward's on unit fusion features, cut in two, and a child
again while its own V_fusion is 0.25 or more. A cut that leaves a child with fewer than 5 members is not made. The first
child keeps the cluster's number, the others are appended; all share a new parent number and begin as in a bootstrap. A
merged cluster is nobody's child. Retire: a cluster with fewer than 4 members in two cycles on end is dropped, and its
members become noise; the paper lets no cluster die.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist
from torch import Tensor

from reknow.fields import Bounds, NonNegativeFloat, PositiveInt, check_fields
from reknow.methods.firm.cluster_memory import (
    FUSION,
    INFRARED,
    RGB,
    ClusterMemory,
    bootstrap,
    check_labels,
    own_view,
    parts,
    sizes,
    unit,
)

Average = Literal["members", "plain"]
"""How the prototypes of two clusters become one: weighted by n, or the plain mean of the paper."""

Cosine = Annotated[float, Bounds(-1, 1)]

PAIRS_AT_ONCE = 2_000_000
"""Pairs that are sorted together. Where all clusters are alike there are K^2 / 2 of them."""

CLUSTERS_AT_ONCE = 512
"""Clusters that are compared with all others together: 3 x 20 MB of similarities at K 10,000."""

LARGEST_TREE = 2_000
"""Members of which Ward's tree is made: a second and 16 MB at D 480, and both grow with the square."""


@dataclass(frozen=True)
class Merging:
    """Which clusters are merged, and how.

    Attributes:
        fusion: cosine of fusion prototypes that two clusters must exceed.
        rgb: likewise of rgb prototypes.
        infrared: likewise of infrared prototypes.
        fusion_alone: cosine of fusion prototypes that must be exceeded where another view is missing.
        average: members weighs prototypes by n, plain does not.
    """

    fusion: Cosine = 0.85
    rgb: Cosine = 0.75
    infrared: Cosine = 0.75
    fusion_alone: Cosine = 0.90
    average: Average = "members"

    def __post_init__(self) -> None:
        check_fields(self, "method.merging")


@dataclass(frozen=True)
class Splitting:
    """Which clusters are split.

    Attributes:
        fusion: dispersion of the fusion features that must be exceeded; children are split down to it.
        rgb: dispersion of the rgb features that must be exceeded together with that of the infrared ones.
        infrared: see rgb.
        smallest_child: members that a child must have.
    """

    fusion: NonNegativeFloat = 0.25
    rgb: NonNegativeFloat = 0.30
    infrared: NonNegativeFloat = 0.30
    smallest_child: PositiveInt = 5

    def __post_init__(self) -> None:
        check_fields(self, "method.splitting")


@torch.no_grad()
def merge(memory: ClusterMemory, merging: Merging | None = None) -> tuple[ClusterMemory, Int[Tensor, "clusters"]]:
    """Merge what is alike, each cluster at most once.

    Args:
        memory: K clusters.
        merging: by default as above.

    Returns:
        The memory of K' clusters, and the number that each of the K has in it.

    Example:
        >>> from reknow.methods.firm.cluster_memory import bootstrap
        >>> rows, infrared = torch.eye(2)[[0, 1, 0, 1, 1]], torch.zeros(5, dtype=torch.bool)
        >>> memory, old_to_new = merge(bootstrap(rows, rows, infrared, torch.tensor([0, 1, 2, 3, 3])))
        >>> old_to_new, memory.counts
        (tensor([0, 1, 0, 1]), tensor([2, 3]))
    """
    merging = merging or Merging()
    first, second = _chosen_pairs(memory, merging).T
    pair = torch.stack([first, second], 1)
    valid = memory.valid[pair].to(memory.prototypes)
    shares = valid * memory.counts[pair][..., None] if merging.average == "members" else valid
    shares = shares.where(shares.sum(1, keepdim=True) > 0, valid)  # n is 0 where a refresh left no member
    merged = replace(
        memory,
        prototypes=memory.prototypes.index_copy(
            0, first, unit((memory.prototypes[pair] * shares[..., None]).sum(1), "merged prototypes")
        ),
        valid=memory.valid.index_copy(0, first, valid.any(1)),
        counts=memory.counts.index_add(0, first, memory.counts[second]),
        confidence_sums=memory.confidence_sums.index_add(0, first, memory.confidence_sums[second]),
        parents=memory.parents.index_fill(0, first, -1),
        low_cycles=memory.low_cycles.index_fill(0, first, 0),
    )
    survives = torch.ones_like(memory.counts, dtype=torch.bool).index_fill(0, second, False)
    old_to_new = survives.long().cumsum(0) - 1
    return merged[survives.nonzero()[:, 0]], old_to_new.index_copy(0, second, old_to_new[first])


def _chosen_pairs(memory: ClusterMemory, merging: Merging) -> Int[Tensor, "pairs 2"]:
    """The pairs that are merged, greedily."""
    free, chosen = [True] * len(memory), []
    complete = False
    while not complete:
        # What the list leaves out comes after all that is on it, so the next one begins with the clusters still free.
        still_free = torch.tensor(free, dtype=torch.bool, device=memory.valid.device)
        pairs, complete = _first_pairs(memory, merging, still_free)
        for first, second in pairs.tolist():
            if free[first] and free[second]:
                free[first] = free[second] = False
                chosen.append((first, second))
    return torch.tensor(chosen, dtype=torch.long, device=memory.valid.device).reshape(len(chosen), 2)


@torch.no_grad()
def mergeable_pairs(memory: ClusterMemory, merging: Merging | None = None) -> Int[Tensor, "pairs 2"]:
    """The pairs (a, b), a < b, that fulfil the conditions, by decreasing cos_fusion, then by number.

    At most the first :data:`PAIRS_AT_ONCE` of them.
    """
    return _first_pairs(memory, merging or Merging(), torch.ones_like(memory.counts, dtype=torch.bool))[0]


def _first_pairs(
    memory: ClusterMemory, merging: Merging, free: Bool[Tensor, "clusters"]
) -> tuple[Int[Tensor, "pairs 2"], bool]:
    """The first pairs among clusters that are free, in order, and whether these are all."""
    members = (free & memory.valid[:, FUSION]).nonzero()[:, 0]
    prototypes, valid = memory.prototypes[members].transpose(0, 1).contiguous(), memory.valid[members].T
    thresholds = prototypes.new_tensor([merging.fusion, merging.rgb, merging.infrared])[:, None, None]
    pairs, values, complete = members.new_empty(0, 2), prototypes.new_empty(0), True
    for start in range(0, len(members), CLUSTERS_AT_ONCE):
        stop = start + CLUSTERS_AT_ONCE
        # From the block's own first cluster on: the pairs with earlier ones are known.
        with torch.autocast(prototypes.device.type, enabled=False):
            cosines = prototypes[:, start:stop] @ prototypes[:, start:].transpose(1, 2)
        both = valid[:, start:stop, None] & valid[:, None, start:]
        met = (cosines > thresholds) | ~both
        whole = both[RGB] & both[INFRARED]
        alike = met.all(0) & (whole | (cosines[FUSION] > merging.fusion_alone))
        row, column = alike.triu(1).nonzero().T
        pairs = torch.cat([pairs, members[torch.stack([row, column], 1) + start]])
        values, order = torch.cat([values, cosines[FUSION, row, column]]).sort(descending=True, stable=True)
        complete &= len(order) <= PAIRS_AT_ONCE
        pairs, values = pairs[order[:PAIRS_AT_ONCE]], values[:PAIRS_AT_ONCE]
    return pairs, complete


@torch.no_grad()
def dispersion(
    memory: ClusterMemory,
    fusion: Float[Tensor, "rows dim"],
    visual: Float[Tensor, "rows dim"],
    infrared: Bool[Tensor, "rows"],
    labels: Int[Tensor, "rows"],
) -> Float[Tensor, "clusters 3"]:
    """V: how far the members of each cluster are from its prototypes, as the mean of 1 minus the cosine.

    Args:
        memory: K clusters.
        fusion: (N, D) fusion features of any length.
        visual: (N, D) visual features of any length.
        infrared: (N,) whether a row is an infrared picture.
        labels: (N,) cluster of each row, -1 for noise.

    Returns:
        (K, 3) in 64 bit, from 0 to 2. 0 where a view is invalid, or no member with a direction has it.

    Raises:
        DataError: features that are not finite, or labels outside -1 to K - 1.
    """
    labels = labels.to(fusion.device)
    check_labels(labels, len(memory))
    sums, counts = torch.zeros(2, 3 * len(memory), dtype=torch.float64, device=fusion.device)
    for part in parts(len(labels)):
        rows = (labels[part] >= 0).nonzero()[:, 0] + part.start
        clusters, own = labels[rows], own_view(infrared[rows])
        for features, view in ((fusion, torch.full_like(own, FUSION)), (visual, own)):
            members = unit(features[rows], "features").to(memory.prototypes)
            cosines = torch.linalg.vecdot(members, memory.prototypes[clusters, view])
            counted = (memory.valid[clusters, view] & members.any(1)).double()
            sums.index_add_(0, 3 * clusters + view, (1 - cosines.double()) * counted)
            counts.index_add_(0, 3 * clusters + view, counted)
    return (sums / counts.clamp(min=1)).view(len(memory), 3)


def confidence_variance(
    confidences: Float[Tensor, "3 rows"],
    infrared: Bool[Tensor, "rows"],
    labels: Int[Tensor, "rows"],
    clusters: int,
) -> Float[Tensor, "clusters 3"]:
    """The paper's own V (eq. 16): the variance of confidences over the members of each cluster. Never above 1/4.

    Args:
        confidences: (3, N) omega, from 0 to 1.
        infrared: (N,) whether a row is an infrared picture.
        labels: (N,) cluster of each row, -1 for noise.
        clusters: K.

    Returns:
        (K, 3) in 64 bit; 0 where no member has the view.

    Raises:
        DataError: labels outside -1 to K - 1.

    Example:
        >>> confidences = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
        >>> confidence_variance(confidences, torch.tensor([False, False]), torch.tensor([0, 0]), clusters=1)
        tensor([[0.2500, 0.2500, 0.0000]], dtype=torch.float64)
    """
    check_labels(labels, clusters)
    present = torch.stack([torch.ones_like(infrared), ~infrared, infrared]) & (labels >= 0)
    slots = 3 * labels + torch.arange(3, device=labels.device)[:, None]
    slots, values = slots[present], confidences[present].double()
    counts = slots.bincount(minlength=3 * clusters).clamp(min=1)
    means = values.new_zeros(3 * clusters).index_add_(0, slots, values) / counts
    squares = values.new_zeros(3 * clusters).index_add_(0, slots, (values - means[slots]).square())
    return (squares / counts).view(clusters, 3)


@torch.no_grad()
def split(
    memory: ClusterMemory,
    fusion: Float[Tensor, "rows dim"],
    visual: Float[Tensor, "rows dim"],
    infrared: Bool[Tensor, "rows"],
    labels: Int[Tensor, "rows"],
    splitting: Splitting | None = None,
    spread: Float[Tensor, "clusters 3"] | None = None,
) -> tuple[ClusterMemory, Int[Tensor, "rows"]]:
    """Split clusters whose members are too far apart.

    Args:
        memory: K clusters.
        fusion: (N, D) fusion features of any length.
        visual: (N, D) visual features of any length.
        infrared: (N,) whether a row is an infrared picture.
        labels: (N,) cluster of each row, -1 for noise.
        splitting: by default as above.
        spread: (K, 3) what is compared with the thresholds; by default :func:`dispersion`.

    Returns:
        The memory, and the rows' labels in it.

    Raises:
        DataError: features that are not finite, or labels outside -1 to K - 1.

    Example:
        >>> from reknow.methods.firm.cluster_memory import bootstrap
        >>> rows, infrared = torch.eye(2).repeat(5, 1), torch.zeros(10, dtype=torch.bool)
        >>> together = torch.zeros(10, dtype=torch.long)
        >>> memory, labels = split(bootstrap(rows, rows, infrared, together), rows, rows, infrared, together)
        >>> labels, memory.parents
        (tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]), tensor([0, 0]))
    """
    splitting = splitting or Splitting()
    spread = dispersion(memory, fusion, visual, infrared, labels) if spread is None else spread
    wide = (spread[:, RGB] > splitting.rgb) & (spread[:, INFRARED] > splitting.infrared)
    due = ((spread[:, FUSION] > splitting.fusion) | wide).nonzero()[:, 0]
    labels = labels.to(fusion.device, torch.long, copy=True)
    members_of = labels.argsort(stable=True).split([int((labels < 0).sum()), *sizes(memory, labels).tolist()])[1:]
    numbers, parents, total = [], [], len(memory)
    next_parent = max(memory.parents.tolist(), default=-1) + 1
    for cluster in due.tolist():
        members = members_of[cluster]
        children = _children(unit(fusion[members], "fusion features").cpu().numpy(), splitting)
        if len(children) > 1:
            for child, number in zip(children, (cluster, *range(total, total + len(children) - 1)), strict=True):
                labels[members[torch.from_numpy(child).to(members.device)]] = number
                numbers.append(number)
                parents.append(next_parent)
            total, next_parent = total + len(children) - 1, next_parent + 1
    if not numbers:
        return memory, labels
    place = torch.tensor(numbers, device=fusion.device)
    only_children = labels.new_full((total,), -1).index_copy(0, place, torch.arange(len(place), device=place.device))
    born = bootstrap(fusion, visual, infrared, relabelled(labels, only_children), len(place))
    born = replace(born, parents=torch.tensor(parents, device=fusion.device))
    return _with_clusters(memory, total, place, born), labels


def _with_clusters(memory: ClusterMemory, total: int, place: Int[Tensor, "born"], born: ClusterMemory) -> ClusterMemory:
    """The memory made longer, with these clusters in these places."""
    values = []
    for field in fields(ClusterMemory):
        kept: Tensor = getattr(memory, field.name)
        longer = torch.cat([kept, kept.new_zeros(total - len(kept), *kept.shape[1:])])
        values.append(longer.index_copy(0, place, getattr(born, field.name).to(kept)))
    return ClusterMemory(*values)


def _children(rows: Float[np.ndarray, "members dim"], splitting: Splitting) -> list[Int[np.ndarray, "..."]]:
    """The members of each child of a cluster that is to be split, as positions; itself alone where it cannot be.

    Of more members than a tree is made of, so many are taken evenly, and each other one joins the child whose mean it
    is most like.
    """
    if len(rows) <= LARGEST_TREE:
        return _cut(rows.astype(np.float64), splitting)
    taken = np.linspace(0, len(rows) - 1, LARGEST_TREE).astype(np.int64)
    parts = [taken[child] for child in _cut(rows[taken].astype(np.float64), splitting)]
    means = np.stack([rows[part].mean(0) for part in parts])
    nearest = (rows @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(1)
    for child, part in enumerate(parts):
        nearest[part] = child
    return [np.flatnonzero(nearest == child) for child in range(len(parts))]


def _cut(rows: Float[np.ndarray, "members dim"], splitting: Splitting) -> list[Int[np.ndarray, "..."]]:
    """The children by Ward's tree of unit rows, cut from the top; siblings in the order of their first members.

    The tree of a child's members alone is its part of the whole tree, so one tree is enough for all cuts.
    """
    total = len(rows)
    if total < 2 * splitting.smallest_child:
        return [np.arange(total)]
    tree = linkage(pdist(rows), "ward")
    # In this order the members of every node are consecutive, those of its left child first.
    pending, children = [(2 * total - 2, leaves_list(tree).astype(np.int64))], []
    while pending:
        node, members = pending.pop()
        halves = _halves(tree, node, members) if node >= total else []
        too_wide = len(members) == total or _own_dispersion(rows[members]) >= splitting.fusion
        if halves and too_wide and min(len(half) for _, half in halves) >= splitting.smallest_child:
            pending += sorted(halves, key=lambda half: -half[1].min())  # the last is next
        else:
            children.append(np.sort(members))
    return children


def _halves(
    tree: Float[np.ndarray, "merges 4"], node: int, members: Int[np.ndarray, "members"]
) -> list[tuple[int, Int[np.ndarray, "..."]]]:
    """The two nodes that a node was made of, each with its members."""
    total = len(tree) + 1
    left, right = (int(number) for number in tree[node - total, :2])
    size = int(tree[left - total, 3]) if left >= total else 1
    return [(left, members[:size]), (right, members[size:])]


def _own_dispersion(rows: Float[np.ndarray, "members dim"]) -> float:
    """V of unit rows to their own mean at length 1, for which the mean of the cosines is the length of the mean."""
    return 1 - float(np.linalg.norm(rows.sum(0))) / max(1, int(rows.any(1).sum()))


def retire(
    memory: ClusterMemory, labels: Int[Tensor, "rows"], smallest: int = 4, cycles: int = 2
) -> tuple[ClusterMemory, Int[Tensor, "clusters"]]:
    """Count another cycle for clusters that are too small, and drop those that have been so for long enough.

    Args:
        memory: K clusters.
        labels: (N,) cluster of each row, -1 for noise.
        smallest: members with which a cluster is large enough.
        cycles: calls on end, after which a cluster below that is dropped.

    Returns:
        The memory of K' clusters, and the number that each of the K has in it, -1 if it is dropped; see
        :func:`relabelled`.

    Raises:
        DataError: labels outside -1 to K - 1.

    Example:
        >>> from reknow.methods.firm.cluster_memory import bootstrap
        >>> labels = torch.tensor([0, 1, 1, 1, 1])
        >>> rows, infrared = torch.eye(5), torch.zeros(5, dtype=torch.bool)
        >>> memory, _ = retire(bootstrap(rows, rows, infrared, labels), labels)
        >>> memory, old_to_new = retire(memory, labels)
        >>> len(memory), relabelled(labels, old_to_new)
        (1, tensor([-1,  0,  0,  0,  0]))
    """
    low = sizes(memory, labels) < smallest
    low_cycles = (memory.low_cycles + 1).where(low, 0)
    stays = low_cycles < cycles
    old_to_new = (stays.long().cumsum(0) - 1).where(stays, -1)
    return replace(memory, low_cycles=low_cycles)[stays.nonzero()[:, 0]], old_to_new


def relabelled(labels: Int[Tensor, "rows"], old_to_new: Int[Tensor, "clusters"]) -> Int[Tensor, "rows"]:
    """Labels after clusters have got other numbers; noise stays noise.

    Args:
        labels: (N,) cluster of each row, -1 for noise.
        old_to_new: (K,) the new number of each cluster, -1 if it is gone.

    Example:
        >>> relabelled(torch.tensor([2, 0, -1, 1]), torch.tensor([0, -1, 1]))
        tensor([ 1,  0, -1, -1])
    """
    check_labels(labels, len(old_to_new))
    return torch.cat([old_to_new, old_to_new.new_tensor([-1])]).to(labels.device)[labels]


def pulled_to_fusion(memory: ClusterMemory, share: float = 0.1) -> ClusterMemory:
    """The memory with p^m <- p^m - share (p^m - p^fusion), to length 1, in both visual views where they are valid.

    As a step on the prototypes themselves it does what the paper's loss between prototypes cannot do, which reaches no
    weight (:func:`.losses.prototype_alignment`).

    Args:
        memory: K clusters.
        share: of the way, from 0 to below 1/2.
    """
    fusion = memory.prototypes[:, FUSION, None]
    pulled = unit(torch.lerp(memory.prototypes, fusion.expand_as(memory.prototypes), share), "pulled prototypes")
    both = memory.valid & memory.valid[:, FUSION, None]
    return replace(memory, prototypes=pulled.where(both[..., None], memory.prototypes))
