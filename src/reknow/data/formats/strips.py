"""Strips: aligned pictures of several spectra side by side in one file, as RGBNT100 and RGBN300 have them.

::

    | rgb | nir | tir |        768 x 128: three panels of 256 x 128

Every spectrum of a row names the same file, and the column ``crop`` has a box for each. The boxes come from the file's
own size, because a copy that was scaled, or a strip of another number of panels, would otherwise be cut in the wrong
places without a message. Only headers are read, in threads: 40 microseconds of processor time a file (measured), under
a second for RGBNT100. A file without a readable header keeps its row, with the boxes of a whole one, so that the doctor
can report it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from reknow.data.columns import SCHEMA
from reknow.data.manifest import Manifest
from reknow.data.picture_files import open_picture, open_regular
from reknow.errors import DataError
from reknow.observation import Spectrum

PANEL = (256, 128)  # width and height of one panel as it is distributed
TOLERANCE = 0.25  # of a panel: copies may be a little stretched, but half a panel more is another kind of strip


def with_panels(manifest: Manifest, spectra: Sequence[Spectrum]) -> Manifest:
    """The same rows, each picture understood as one panel per spectrum, from left to right.

    Args:
        manifest: N rows whose column ``rgb`` names strips.
        spectra: what the panels show, ``rgb`` first.

    Raises:
        DataError: a strip that is not as many panels wide; the message names the first and counts them.
    """
    strips = [manifest.root / reference for reference in manifest.column("rgb")]
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="strips") as pool:
        sizes = list(pool.map(partial(_size, panels=len(spectra)), strips))
    wrong = [row for row, size in enumerate(sizes) if not is_strip(size, len(spectra))]
    if wrong:
        raise _not_a_strip(strips[wrong[0]], sizes[wrong[0]], len(wrong), spectra)
    columns = {column: manifest.column(column) for column in SCHEMA.names}
    columns |= dict.fromkeys(spectra, columns["rgb"])
    columns["crop"] = [boxes(size, len(spectra)) for size in sizes]
    return Manifest.from_columns(
        columns,
        root=manifest.root,
        name=manifest.name,
        protocol=manifest.protocol,
        notes=manifest.notes,
        own=manifest.cells(manifest.own_columns),
    )


def is_strip(size: tuple[int, int], panels: int) -> bool:
    """Whether a picture of this width and height can be cut into so many equal panels of about 2:1.

    Example:
        >>> is_strip((768, 128), 3), is_strip((384, 64), 3), is_strip((768, 128), 2), is_strip((512, 128), 3)
        (True, True, False, False)
    """
    width, height = size
    return width % panels == 0 and abs(width / height / (PANEL[0] / PANEL[1]) - panels) <= TOLERANCE


def boxes(size: tuple[int, int], panels: int) -> str:
    """The column ``crop`` of a strip: equal panels from left to right.

    Example:
        >>> boxes((768, 128), 3)
        '0 0 256 128;256 0 512 128;512 0 768 128'
    """
    width, height = size[0] // panels, size[1]
    return ";".join(f"{panel * width} 0 {(panel + 1) * width} {height}" for panel in range(panels))


def _size(path: Path, panels: int) -> tuple[int, int]:
    """(width, height) from the header; those of a whole strip where none can be read."""
    try:
        with open_regular(path) as file, open_picture(file) as image:
            return image.size
    except Exception:  # Pillow and the system raise many kinds for a damaged file
        return panels * PANEL[0], PANEL[1]


def _not_a_strip(path: Path, size: tuple[int, int], count: int, spectra: Sequence[Spectrum]) -> DataError:
    others = f" (the first of {count:,} such files)" if count > 1 else ""
    width, height = PANEL
    return DataError(
        path,
        found=f"{size[0]} x {size[1]} pixels{others}",
        expected=f"{len(spectra)} panels of about 2:1 side by side ({', '.join(spectra)}), "
        f"such as {len(spectra) * width} x {height}",
        remedy="Copy the file again from the data set's own archive, or remove it. Other strips are read from a table "
        "with a column crop: table:FILE",
    )
