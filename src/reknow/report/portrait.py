"""One observation as one picture: in all its spectra where it has several, since color alone is black at night."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from reknow.data.manifest import Manifest
from reknow.data.pictures import parse_boxes, read_picture
from reknow.observation import SPECTRA, Spectrum

_GAP = 2  # white pixels between two spectra
_WHITE, _ABSENT = 255, 226  # the gap, and the panel of a spectrum that the observation lacks


def panels_of(*manifests: Manifest) -> tuple[Spectrum, ...]:
    """The panels that portraits of all these observations have: their spectra, if any observation has two of them.

    Empty where each has one: of data that ask from infrared into color, a row's own picture is the whole portrait.
    """
    if not any(_has_several(manifest) for manifest in manifests):
        return ()
    return tuple(spectrum for spectrum in SPECTRA if any(manifest.has(spectrum) for manifest in manifests))


def portrait(manifest: Manifest, row: int, panels: Sequence[Spectrum] = ()) -> UInt8[np.ndarray, "height width 3"]:
    """The pictures of one observation, joined: tall ones side by side, wide ones below each other.

    Args:
        manifest: where the observation is.
        row: its row.
        panels: see :func:`panels_of`. A spectrum that the observation lacks is a gray panel, so that those of two
            portraits can be compared place by place. Empty: its first picture alone.

    Returns:
        RGB; every panel has the size of the first picture that is there.

    Raises:
        DataError: a picture cannot be read.
    """
    one = manifest.select([row])
    there: list[Spectrum] = [spectrum for spectrum in SPECTRA if one.column(spectrum)[0]]
    boxes = parse_boxes(one.column("crop")[0], there, one.column("observation")[0])
    shown: list[Spectrum] = [spectrum for spectrum in panels if spectrum in there] or there[:1]
    pictures = {
        spectrum: read_picture(one.root, one.column(spectrum)[0], boxes[spectrum], one.levels.get(spectrum))
        for spectrum in shown
    }
    first = pictures[shown[0]]
    return _joined([_like(first, pictures.get(spectrum)) for spectrum in panels or shown])


def _has_several(manifest: Manifest) -> bool:
    there = [manifest.table.column(spectrum).is_valid().to_numpy() for spectrum in SPECTRA]
    return bool((np.sum(there, axis=0) > 1).any())


def _like(first: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    """A panel of the first one's size."""
    if picture is None:
        return np.full_like(first, _ABSENT)
    height, width = first.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def _joined(panels: list[np.ndarray]) -> np.ndarray:
    height, width = panels[0].shape[:2]
    sideways = height >= width
    gap = np.full((height, _GAP, 3) if sideways else (_GAP, width, 3), _WHITE, dtype=np.uint8)
    parts = [part for panel in panels for part in (gap, panel)]
    return np.concatenate(parts[1:], axis=1 if sideways else 0)
