"""How a position table's rows lay over the picture, and with which stride: a file tells neither.

A table has a row for each patch, and mostly one for CLS. Decision: what the user tells counts first. Otherwise a number
of rows that exactly one published configuration has is read as that one, and the reading is said with the options that
would say it differently; 210 patches of 16 pixels are TransReID's 21 x 10 at stride 12. Then the recipe's own pictures
are tried. A table that nothing explains is refused, and the message asks for the options.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reknow.errors import WeightsError
from reknow.models.weights.source import Size, Told

_REIDENTIFICATION: tuple[Size, ...] = ((256, 128), (384, 128), (384, 192), (256, 256))
"""People, and vehicles in the last: TransReID, TransReID-SSL, PASS, CLIP-ReID."""

PUBLISHED: dict[int, tuple[tuple[int, tuple[Size, ...]], ...]] = {
    8: ((8, ((224, 224), *_REIDENTIFICATION, (128, 64))),),
    14: ((14, ((224, 224), (336, 336), (448, 448), (518, 518))),),
    16: ((16, ((224, 224), (384, 384), (512, 512), *_REIDENTIFICATION, (128, 64))), (12, _REIDENTIFICATION)),
    32: ((32, ((224, 224), (384, 384), (448, 448))),),
}
"""By patch size: strides, each with the pictures that weights are published for; 128 x 64 is our own recipes'."""


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
    def lay(self) -> tuple[int, int]:
        """(rows, columns) of the patches.

        Example:
            >>> Grid((384, 128), stride=12, patch=16).lay
            (31, 10)
        """
        rows, columns = ((edge - self.patch) // self.stride + 1 for edge in self.size)
        return rows, columns

    @property
    def patches(self) -> int:
        """Their number."""
        rows, columns = self.lay
        return max(rows, 0) * max(columns, 0)


@dataclass(frozen=True)
class Table:
    """A position table whose reading is sought.

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


def read_table(table: Table, told: Told, otherwise: Told) -> tuple[Grid, str]:
    """The reading of a position table, and a sentence that says it.

    Args:
        table: to be read.
        told: by the user.
        otherwise: by a recipe's network or pictures.

    Raises:
        WeightsError: what is told does not fit, or nothing tells how the patches lay.
    """
    if told.size or told.stride:
        found, reason = _as_told(table, told), "as told"
    else:
        found = _fitting(table, [(size, stride) for stride, sizes in PUBLISHED.get(table.patch, ()) for size in sizes])
        reason = f"otherwise name {table.path.name}?size=HEIGHTxWIDTH&stride=PIXELS"
        if not found and otherwise.size:
            found = _fitting(table, [(otherwise.size, otherwise.stride or table.patch)])
            reason = "as the recipe's own"
    if len(found) != 1:
        raise _untold(table, found, told)
    grid = found[0]
    (rows, columns), (height, width) = grid.lay, grid.size
    without = "" if grid.cls_row else " and none for CLS"
    return grid, (
        f"position table of {grid.patches} patches{without} read as {rows} x {columns}: "
        f"pictures of {height} x {width}, stride {grid.stride}; {reason}"
    )


def _as_told(table: Table, told: Told) -> list[Grid]:
    if told.size is None:
        published = {size for choices in PUBLISHED.values() for _, sizes in choices for size in sizes}
        return _fitting(table, [(size, told.stride or table.patch) for size in sorted(published)])
    if told.stride is not None:
        return _fitting(table, [(told.size, told.stride)])
    found = _fitting(table, [(told.size, stride) for stride in range(table.patch, 0, -1)])
    published = [stride for stride, _ in PUBLISHED.get(table.patch, ((table.patch, ()),))]
    # A small picture is cut alike by several strides; the published ones come first, and the note says which it is.
    return [grid for grid in found if grid.stride in published][:1] or found


def _fitting(table: Table, choices: list[tuple[Size, int]]) -> list[Grid]:
    """Those with as many patches as the table has rows for."""
    grids = []
    for size, stride in choices:
        if min(size) < table.patch or (stride != table.patch and not table.overlapping):
            continue
        grid = Grid(size, stride, table.patch)
        if grid.patches == table.rows - table.before:
            grids.append(grid)
        elif table.before == 1 and grid.patches == table.rows:  # positions on the patches alone: CLS has 0
            grids.append(Grid(size, stride, table.patch, cls_row=False))
    return grids


def _untold(table: Table, found: list[Grid], told: Told) -> WeightsError:
    name = table.path.name
    given = "&".join(
        ([f"size={told.size[0]}x{told.size[1]}"] if told.size else [])
        + ([f"stride={told.stride}"] if told.stride else [])
    )
    several = " or ".join(f"{grid.size[0]} x {grid.size[1]} at stride {grid.stride}" for grid in found[:3])
    rows = f"{table.rows} rows ({table.rows - table.before} patches of {table.patch} pixels)"
    if given and not found:
        says = f"{rows}, which '{given}' does not give"
    else:
        says = f"{rows}, which fit {several}" if several else f"{rows}, which no published network has"
    wanted = "stride=PIXELS" if told.size and not told.stride and found else "size=HEIGHTxWIDTH&stride=PIXELS"
    return WeightsError(
        f"{table.path}, position table",
        found=says,
        expected="the size of its pictures and the stride of its patches, which a file does not tell",
        remedy=f"Name them: {name}?{wanted}",
    )
