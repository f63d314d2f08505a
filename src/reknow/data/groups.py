"""Groups of unlabelled pictures as a CSV that any spreadsheet opens."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Int

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import SPECTRA
from reknow.writing import written_whole


def write_groups(manifest: Manifest, labels: Int[np.ndarray, "rows"], path: Path) -> None:
    """Write ``image,group`` lines in manifest order, beside and then renamed; group -1 means none.

    Args:
        manifest: N observations; an observation's image is its first spectrum's picture.
        labels: (N,) group of each.
        path: the CSV.

    Raises:
        DataError: no such folder, no permission, or a full disk.
    """
    path = Path(path)
    spectra = [manifest.column(spectrum) for spectrum in SPECTRA]
    with written_whole(path, DataError) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image", "group"))
        for pictures, group in zip(zip(*spectra, strict=True), labels.tolist(), strict=True):
            writer.writerow((next(picture for picture in pictures if picture), group))
