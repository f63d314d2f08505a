"""Frames: rows that show parts of one picture, so that each file is read and decoded once for all of its crops.

A detector's table has dozens of crops of one large frame, near each other or not. Work on pictures is therefore shared
out by file and not by row; a thread holds one decoded picture at a time, whatever the number of its crops.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence


def by_frame(references: Sequence[str | None], block: int) -> list[list[int]]:
    """Rows in portions of about equal work.

    Args:
        references: N picture references, None where a row has none.
        block: a portion is closed when it has so many rows; rows of one picture are never parted.

    Returns:
        Portions whose rows of one picture stand together. Where no picture stands twice, rows keep their order.

    Example:
        >>> by_frame(["a", "b", "a", None, "c"], block=2)
        [[0, 2], [1, 3], [4]]
    """
    frames: dict[str | int, list[int]] = defaultdict(list)
    for row, reference in enumerate(references):
        frames[row if reference is None else reference].append(row)
    portions: list[list[int]] = [[]]
    for rows in frames.values():
        if len(portions[-1]) >= block:
            portions.append([])
        portions[-1] += rows
    return portions
