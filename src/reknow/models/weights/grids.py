"""The grid of a position table's rows over the picture, and its stride, neither of which a file states.

A table has a row for each patch, and mostly one for CLS. Decision: the user's options come first. Otherwise, a number
of rows that exactly one published configuration has is read as that one, and the report names the options that change
the reading; 210 patches of 16 pixels are TransReID's 21 x 10 at stride 12. Then the recipe's own pictures are tried. A
table that nothing explains is refused, and the message asks for the options.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reknow.errors import WeightsError
from reknow.models.weights.source import FileOptions, Size

_REIDENTIFICATION: tuple[Size, ...] = ((256, 128), (384, 128), (384, 192), (256, 256))
"""Sizes for people, the last one for vehicles: TransReID, TransReID-SSL, PASS, CLIP-ReID."""

PUBLISHED: dict[int, tuple[tuple[int, tuple[Size, ...]], ...]] = {
    8: ((8, ((224, 224), *_REIDENTIFICATION, (128, 64))),),
    14: ((14, ((224, 224), (336, 336), (448, 448), (518, 518))),),
    16: ((16, ((224, 224), (384, 384), (512, 512), *_REIDENTIFICATION, (128, 64))), (12, _REIDENTIFICATION)),
    32: ((32, ((224, 224), (384, 384), (448, 448))),),
}
"""By patch size: strides, each with the picture sizes of published weights; 128 x 64 is our own recipes' size."""


@dataclass(frozen=True)
class Grid:
    """One reading of a position table.

    Attributes:
        size: of the pictures.
        stride: pixels between patches.
        patch: edge of a patch in pixels.
        cls_row: whether the table begins with a row for CLS.
    """

    size: Size
    stride: int
    patch: int
    cls_row: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the patches.

        Example:
            >>> Grid((384, 128), stride=12, patch=16).shape
            (31, 10)
        """
        rows, columns = ((edge - self.patch) // self.stride + 1 for edge in self.size)
        return rows, columns

    @property
    def patches(self) -> int:
        """Number of patches."""
        rows, columns = self.shape
        return max(rows, 0) * max(columns, 0)


@dataclass(frozen=True)
class Table:
    """A position table to be read.

    Attributes:
        path: of the file.
        rows: of the table.
        before: tokens before the patches: CLS, extra ones, registers.
        patch: edge of a patch in pixels.
        overlapping: whether a stride below the patch is possible.
    """

    path: Path
    rows: int
    before: int
    patch: int
    overlapping: bool


def read_table(table: Table, options: FileOptions, fallback: FileOptions) -> tuple[Grid, str]:
    """The reading of a position table, and a sentence that says it.

    Args:
        table: to be read.
        options: stated by the user.
        fallback: stated by a recipe's network or pictures.

    Raises:
        WeightsError: the options do not fit the table, or nothing determines its grid.
    """
    if options.size or options.stride:
        grids, reason = _as_stated(table, options), "as told"
    else:
        grids = _fitting(table, [(size, stride) for stride, sizes in PUBLISHED.get(table.patch, ()) for size in sizes])
        reason = f"otherwise name {table.path.name}?size=HEIGHTxWIDTH&stride=PIXELS"
        if not grids and fallback.size:
            grids = _fitting(table, [(fallback.size, fallback.stride or table.patch)])
            reason = "as the recipe's own"
    if len(grids) != 1:
        raise _undetermined(table, grids, options)
    grid = grids[0]
    (rows, columns), (height, width) = grid.shape, grid.size
    without = "" if grid.cls_row else " and none for CLS"
    return grid, (
        f"position table of {grid.patches} patches{without} read as {rows} x {columns}: "
        f"pictures of {height} x {width}, stride {grid.stride}; {reason}"
    )


def _as_stated(table: Table, options: FileOptions) -> list[Grid]:
    if options.size is None:
        published = {size for choices in PUBLISHED.values() for _, sizes in choices for size in sizes}
        return _fitting(table, [(size, options.stride or table.patch) for size in sorted(published)])
    if options.stride is not None:
        return _fitting(table, [(options.size, options.stride)])
    grids = _fitting(table, [(options.size, stride) for stride in range(table.patch, 0, -1)])
    published = [stride for stride, _ in PUBLISHED.get(table.patch, ((table.patch, ()),))]
    # Several strides cut a small picture in the same way; a published one is preferred, and the note names it.
    return [grid for grid in grids if grid.stride in published][:1] or grids


def _fitting(table: Table, choices: list[tuple[Size, int]]) -> list[Grid]:
    """The readings with as many patches as the table has rows for."""
    fitting = []
    for size, stride in choices:
        if min(size) < table.patch or (stride != table.patch and not table.overlapping):
            continue
        grid = Grid(size, stride, table.patch)
        if grid.patches == table.rows - table.before:
            fitting.append(grid)
        elif table.before == 1 and grid.patches == table.rows:  # positions for the patches only: CLS has 0
            fitting.append(Grid(size, stride, table.patch, cls_row=False))
    return fitting


def _undetermined(table: Table, grids: list[Grid], options: FileOptions) -> WeightsError:
    name = table.path.name
    stated = "&".join(
        ([f"size={options.size[0]}x{options.size[1]}"] if options.size else [])
        + ([f"stride={options.stride}"] if options.stride else [])
    )
    several = " or ".join(f"{grid.size[0]} x {grid.size[1]} at stride {grid.stride}" for grid in grids[:3])
    rows = f"{table.rows} rows ({table.rows - table.before} patches of {table.patch} pixels)"
    if stated and not grids:
        reading = f"{rows}, which '{stated}' does not give"
    else:
        reading = f"{rows}, which fit {several}" if several else f"{rows}, which no published network has"
    missing = "stride=PIXELS" if options.size and not options.stride and grids else "size=HEIGHTxWIDTH&stride=PIXELS"
    return WeightsError(
        f"{table.path}, position table",
        found=reading,
        expected="the size of its pictures and the stride of its patches, which a file does not tell",
        remedy=f"Name them: {name}?{missing}",
    )
