"""Which groups of an unlabelled collection to show, and which of their images.

The largest groups alone would flatter: the page shows groups of every size, from the largest to the smallest, and last
the images that fell into none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class ChosenGroup:
    """A group to show.

    Attributes:
        label: its pseudo-label; -1 for the outliers.
        size: how many images it has.
        rows: (n,) the images to show.
        purity: share of its labelled images that show its most frequent identity; None without labels, and for
            the outliers, which nobody takes for one identity.
        strangers: (n,) for each shown image, whether it shows another identity; empty where purity is None.
    """

    label: int
    size: int
    rows: Int[np.ndarray, "shown"]
    purity: float | None
    strangers: tuple[bool, ...]


def choose_groups(
    labels: Int[np.ndarray, "rows"],
    identities: Int[np.ndarray, "rows"] | None = None,
    *,
    count: int = 12,
    samples: int = 10,
) -> list[ChosenGroup]:
    """Groups of every size, the largest first; outliers, where there are any, last.

    Args:
        labels: (N,) pseudo-labels, -1 = outlier.
        identities: (N,) true identities, -1 where unknown; None without labels.
        count: groups to choose, beside the outliers.
        samples: images of each, evenly spread over its rows.

    Example:
        >>> groups = choose_groups(np.array([0, 0, 1, 1, 1, -1]))
        >>> [(group.label, group.size, group.rows.tolist()) for group in groups]
        [(1, 3, [2, 3, 4]), (0, 2, [0, 1]), (-1, 1, [5])]
    """
    found, sizes = np.unique(labels[labels >= 0], return_counts=True)
    by_size = np.argsort(-sizes, kind="stable")
    spread = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    wanted = [int(found[position]) for position in by_size[spread]]
    if (labels < 0).any():
        wanted.append(-1)
    return [_group(label, np.flatnonzero(labels == label), identities, samples) for label in wanted]


def _group(label: int, rows: Int[np.ndarray, "members"], identities: np.ndarray | None, samples: int) -> ChosenGroup:
    shown = rows[np.linspace(0, len(rows) - 1, min(samples, len(rows))).round().astype(int)]
    known = np.array([], dtype=np.int64) if identities is None else identities[rows][identities[rows] >= 0]
    if label < 0 or identities is None or not known.size:
        return ChosenGroup(label, len(rows), shown, None, ())
    names, counts = np.unique(known, return_counts=True)
    own = names[counts.argmax()]
    strangers = tuple(bool(identity not in (own, -1)) for identity in identities[shown])
    return ChosenGroup(label, len(rows), shown, float(counts.max() / known.size), strangers)
