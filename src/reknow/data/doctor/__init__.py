"""The doctor: the faults of a manifest, row by row, and how to mend them.

An *error* would stop a run or make its numbers wrong; a *warning* should be read. ``reknow data check`` prints what
:func:`check_manifest` returns, ``reknow data show`` prints :func:`summary`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import category

import numpy as np

from reknow.data.columns import SPLITS
from reknow.data.doctor.findings import Finding, Rows
from reknow.data.doctor.labels import label_findings
from reknow.data.doctor.pixels import picture_findings
from reknow.data.manifest import Manifest

__all__ = ["Finding", "check_manifest", "summary"]


def check_manifest(manifest: Manifest, *, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Check every row and every picture.

    Args:
        manifest: of any format.
        progress: called with (pictures done, pictures in all).

    Returns:
        Errors first, then warnings, each in order of rows.
    """
    rows = Rows(manifest)
    if not len(manifest):
        return [rows.finding("empty", "error", -1, "the manifest has no rows", "Name a data set with pictures.")]
    findings = [*label_findings(rows), *picture_findings(manifest, rows, progress)]
    return sorted(findings, key=lambda finding: (finding.severity, finding.row))


def summary(manifest: Manifest) -> dict[str, Any]:
    """Counts for ``reknow data show``, ready for JSON.

    Returns:
        ``name``, ``root``, ``protocol``, and ``splits``: per split that has rows ("none" for rows without one, and
        "all"), observations, pictures (one per spectrum), identities, cameras, and pictures per spectrum; and
        ``own_columns``: per column of the user's own, how many cells are filled, how many distinct texts they hold,
        and up to three of the most frequent, each shortened to a line.
    """
    splits = np.array([split or "none" for split in manifest.column("split")], dtype=object)
    counts = {}
    for split in (*SPLITS, *sorted(set(splits) - set(SPLITS) - {"none"}), "none"):
        if (splits == split).any():
            counts[split] = _counted(manifest.select(splits == split))
    return {
        "name": manifest.name,
        "root": str(manifest.root),
        "protocol": manifest.protocol,
        "splits": {**counts, "all": _counted(manifest)},
        "own_columns": {name: _described(manifest.column(name)) for name in manifest.own_columns},
    }


def _described(cells: Sequence[str | None]) -> dict[str, Any]:
    texts = Counter(cell for cell in cells if cell is not None)
    return {
        "filled": texts.total(),
        "distinct": len(texts),
        "examples": [one_line(text) for text, _ in texts.most_common(3)],
    }


def one_line(text: str, length: int = 60) -> str:
    """A text without line ends and control characters, cut where it is longer.

    Example:
        >>> one_line("a goat,\\nwhite, that stands", length=16)
        'a goat, white...'
    """
    line = " ".join("".join(" " if category(letter) == "Cc" else letter for letter in text[: 4 * length]).split())
    return line if len(line) <= length and len(text) <= 4 * length else f"{line[: length - 3]}..."


def _counted(manifest: Manifest) -> dict[str, Any]:
    spectra = {spectrum: sum(map(bool, manifest.column(spectrum))) for spectrum in manifest.spectra}
    return {
        "observations": len(manifest),
        "pictures": sum(spectra.values()),
        "identities": len(set(manifest.column("identity")) - {None}),
        "cameras": len(set(manifest.column("camera")) - {None}),
        "spectra": spectra,
    }
