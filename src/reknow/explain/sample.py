"""Sample: the observations that are explained.

They are drawn at random from a fixed seed, of the rows that no run trains on, so that the results decide nothing and
two runs are explained on the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import Spectrum

OBSERVATIONS_SHOWN = 6
"""Observations that a sheet and a report show: what fits on a screen."""

MEASURED_AT_MOST = 512
"""Observations behind the shares: enough that their intervals are some points wide, and seconds on two cores."""


def sampled(manifest: Manifest, spectra: Sequence[Spectrum], shown: int) -> Manifest:
    """At most :data:`MEASURED_AT_MOST` of the rows, in random order.

    Args:
        manifest: any data set; its test rows are used, without these its training rows.
        spectra: observations without any of these are left out.
        shown: observations that will be drawn; at least so many are in the result, if there are.

    Raises:
        DataError: `shown` below 1, or no picture of these spectra.
    """
    if shown < 1:
        raise DataError("count of pictures", found=str(shown), expected="1 or more", remedy="Correct the value.")
    rows = _usable_rows(manifest, spectra)
    return manifest.select(np.random.default_rng(0).permutation(rows)[: max(shown, MEASURED_AT_MOST)])


def _usable_rows(manifest: Manifest, spectra: Sequence[Spectrum]) -> np.ndarray:
    """The test rows, or else the training rows, that have a picture for the network."""
    test = np.concatenate([manifest.rows_of("query"), manifest.rows_of("gallery")])
    rows = test if len(test) else manifest.rows_of("train") if manifest.has("split") else np.arange(len(manifest))
    columns = [manifest.column(spectrum) for spectrum in spectra]
    usable = np.array([any(references) for references in zip(*columns, strict=True)], dtype=bool)
    rows = rows[usable[rows]]
    if not len(rows):
        names = f"column '{spectra[0]}'" if len(spectra) == 1 else f"columns {', '.join(spectra)}"
        raise DataError(
            manifest.name,
            found=f"no picture in the {names}, which the network uses",
            remedy="Name other data with --data.",
        )
    return rows
