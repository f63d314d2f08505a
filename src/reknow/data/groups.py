"""Groups: which unlabelled pictures show one individual, as a CSV ``image,group``; group -1 means none.

Where several crops of one picture are in the data, the image of each is named ``frame.jpg@CROP``, as observations are.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from reknow.data.formats.table_cells import named_cells
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import SPECTRA
from reknow.writing import written_whole

_COLUMNS = ("image", "group")


@dataclass(frozen=True)
class Groups:
    """Groups of pictures, as their CSV has them.

    Attributes:
        images: N names of pictures.
        labels: (N,) group of each, -1 = in none.
    """

    images: tuple[str, ...]
    labels: Int[np.ndarray, "rows"]

    @classmethod
    def of(cls, manifest: Manifest, labels: Int[np.ndarray, "rows"]) -> Groups:
        """Groups of observations; an observation's image is its first spectrum's picture."""
        pictures = zip(*(manifest.column(spectrum) for spectrum in SPECTRA), strict=True)
        names = [next(name for name in row if name) for row in pictures]
        times = Counter(names)
        crops = zip(names, manifest.column("crop"), strict=True)
        return cls(tuple(f"{name}@{crop}" if crop and times[name] > 1 else name for name, crop in crops), labels)

    def fingerprint(self) -> str:
        """16 hex digits that change when any picture changes its name or its group; the order of rows has no meaning.

        Spaces around names count as none, because a CSV does not show whether they are intended.
        """
        digest = hashlib.blake2b(digest_size=8)
        for row in sorted((name.strip(), label) for name, label in zip(self.images, self.labels.tolist(), strict=True)):
            digest.update(repr(row).encode())
        return digest.hexdigest()


def write_groups(manifest: Manifest, labels: Int[np.ndarray, "rows"], path: Path) -> None:
    """Write groups of unlabelled pictures as ``image,group`` lines in manifest order; group -1 means none.

    Args:
        manifest: N observations; an observation's image is its first spectrum's picture.
        labels: (N,) group of each.
        path: the CSV.

    Raises:
        DataError: no such folder, no permission, or a full disk.
    """
    path = Path(path)
    groups = Groups.of(manifest, labels)
    with written_whole(path, DataError) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        writer.writerows(zip(groups.images, labels.tolist(), strict=True))


def read_groups(path: Path, remedy: str = "Make the file with: reknow cluster EMBEDDINGS --out FILE.csv") -> Groups:
    """Read what :func:`write_groups` wrote, also as a spreadsheet program saves it again.

    Args:
        path: the CSV.
        remedy: what to do where there is no such file.

    Raises:
        DataError: no such file, no CSV with these columns, or a group that is not a whole number from -1 on.
    """
    cells = named_cells(Path(path), _COLUMNS, remedy)
    for row, (image, group) in enumerate(zip(*cells.values(), strict=True), start=1):
        if not image or not re.fullmatch(r"-1|[0-9]{1,18}", group):
            column, value = ("group", group) if image else ("image", image)
            raise DataError(
                f"{path}, row {row} below the header, column '{column}'",
                found=f"'{value}'",
                expected="the number of a group; -1 for none" if image else "the name of a picture",
                remedy="Correct the cell, or group the pictures again.",
            )
    return Groups(tuple(cells["image"]), np.array([int(group) for group in cells["group"]], dtype=np.int64))
