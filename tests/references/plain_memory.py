"""The plain reference of FIRM's memory: pictures, pairs and clusters go one by one, as the paper's formulas do."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch.nn.functional import normalize

from reknow.methods.firm.memory import ClusterMemory, Merging, Splitting, TransportPlans


def plain_means(fusion, visual, infrared, labels, clusters):
    """Prototypes and validity of (fusion, rgb, infrared)."""
    prototypes, valid = torch.zeros(clusters, 3, fusion.shape[1]), torch.zeros(clusters, 3, dtype=torch.bool)
    for cluster in range(clusters):
        members = labels == cluster
        for view, rows in enumerate((fusion[members], visual[members & ~infrared], visual[members & infrared])):
            if len(rows):
                prototypes[cluster, view] = normalize(normalize(rows, dim=1).mean(0), dim=0)
                valid[cluster, view] = True
    return prototypes, valid


def plain_update(memory: ClusterMemory, fusion, visual, infrared, plans: TransportPlans, gate, rate=0.2):
    """Prototypes, counts and sums after an update; the memory stays as it is."""
    prototypes, counts, sums = memory.prototypes.clone(), memory.counts.clone(), memory.confidence_sums.clone()
    for row in gate.nonzero()[:, 0].tolist():
        cluster, own = int(plans.plans[0, row].argmax()), 2 if infrared[row] else 1
        for view, features in ((0, fusion), (own, visual)):
            if memory.valid[cluster, view]:
                share = rate * plans.plans[view, row].max()
                moved = (1 - share) * prototypes[cluster, view] + share * normalize(features[row], dim=0)
                prototypes[cluster, view] = normalize(moved, dim=0)
        counts[cluster] += 1
        sums[cluster] += plans.plans[0, row].max()
    return prototypes, counts, sums


def plain_pairs(memory: ClusterMemory, merging: Merging) -> list[tuple[int, int]]:
    """The pairs that are merged, in order."""
    candidates = []
    for first, second in itertools.combinations(range(len(memory)), 2):
        both = (memory.valid[first] & memory.valid[second]).tolist()
        cosines = (memory.prototypes[first] * memory.prototypes[second]).sum(1).tolist()
        least = merging.fusion if both[1] and both[2] else merging.fusion_alone
        if (
            both[0]
            and cosines[0] > least
            and (not both[1] or cosines[1] > merging.rgb)
            and (not both[2] or cosines[2] > merging.infrared)
        ):
            candidates.append((-cosines[0], first, second))
    taken, pairs = set(), []
    for _, first, second in sorted(candidates):
        if not taken & {first, second}:
            taken |= {first, second}
            pairs.append((first, second))
    return pairs


def plain_children(rows: np.ndarray, splitting: Splitting) -> list[list[int]]:
    """The members of each child of a cluster that is to be split: a new tree for every cut."""
    from sklearn.cluster import AgglomerativeClustering  # only here: it takes seconds to import

    def cut(members: np.ndarray, is_root: bool) -> list[np.ndarray]:
        mean = rows[members].mean(0)
        dispersion = np.mean(1 - rows[members] @ (mean / np.linalg.norm(mean)))
        if (not is_root and dispersion < splitting.fusion) or len(members) < 2:
            return [members]
        side = AgglomerativeClustering(n_clusters=2, linkage="ward").fit_predict(rows[members])
        halves = sorted((members[side == value] for value in (0, 1)), key=lambda half: half.min())
        if min(map(len, halves)) < splitting.smallest_child:
            return [members]
        return [*cut(halves[0], False), *cut(halves[1], False)]

    return [sorted(child.tolist()) for child in cut(np.arange(len(rows)), True)]
