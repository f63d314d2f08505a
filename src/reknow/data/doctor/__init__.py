"""The doctor: what is wrong with a manifest, row by row, and how to mend it.

An *error* would stop a run or make its numbers wrong; a *warning* is worth a look. ``reknow data check`` prints what
:func:`examine` returns, ``reknow data show`` prints :func:`summary`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reknow.data.doctor.findings import Finding, Rows
from reknow.data.doctor.labels import label_findings
from reknow.data.doctor.pixels import picture_findings
from reknow.data.manifest import SPLITS, Manifest

__all__ = ["Finding", "examine", "summary"]


def examine(manifest: Manifest, *, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Look at every row and every picture.

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
        "all"), observations, pictures (one per spectrum), identities, cameras, and pictures per spectrum.
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
    }


def _counted(manifest: Manifest) -> dict[str, Any]:
    spectra = {spectrum: sum(map(bool, manifest.column(spectrum))) for spectrum in manifest.spectra}
    return {
        "observations": len(manifest),
        "pictures": sum(spectra.values()),
        "identities": len(set(manifest.column("identity")) - {None}),
        "cameras": len(set(manifest.column("camera")) - {None}),
        "spectra": spectra,
    }
