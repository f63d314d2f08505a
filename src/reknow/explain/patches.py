"""Patches: where in a picture the vectors of a trunk's grid lie.

Decision: the picture is cut into as many equal boxes as the grid has patches, and a patch is its box. For a stem whose
patches do not overlap this is exact; overlapping patches reach a few pixels beyond their box, and what a convolution or
the attention before sees reaches further still, up to the whole picture.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from reknow.data.pictures import Box


def edges(patches: int, pixels: int) -> Int[np.ndarray, "edges"]:
    """Where the boxes along one side begin and end: (patches + 1,) pixels; box i is [edge i, edge i + 1).

    Example:
        >>> edges(3, 16)
        array([ 0,  5, 11, 16])
    """
    return np.round(np.linspace(0, pixels, patches + 1)).astype(np.int64)


def boxes(grid: tuple[int, int], size: tuple[int, int]) -> list[Box]:
    """The box of every patch, rows of the grid first, as tokens come.

    Args:
        grid: (rows, columns) of the patches.
        size: (height, width) of the picture that they are marked in, which may be an enlarged one.
    """
    tops, lefts = edges(grid[0], size[0]).tolist(), edges(grid[1], size[1]).tolist()
    return [
        (lefts[column], tops[row], lefts[column + 1], tops[row + 1])
        for row in range(grid[0])
        for column in range(grid[1])
    ]


def covered(mask: Bool[np.ndarray, "height width"], grid: tuple[int, int]) -> Float[np.ndarray, "patches"]:
    """Of every patch, the share of its pixels that a mask covers: (N,) in [0, 1].

    Example:
        >>> covered(np.array([[True, True, False, False], [True, False, False, False]]), grid=(1, 2))
        array([0.75, 0.  ])
    """
    return np.array([mask[top:bottom, left:right].mean() for left, top, right, bottom in boxes(grid, mask.shape)])
