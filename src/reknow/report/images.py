"""Images of a page: observations in all their spectra, selected patches, attention, thumbnails within a budget.

An observation of several spectra is shown in all of them, since color alone is black at night. Inside the page a
picture is a small JPEG as a data address; all of them together have a budget of bytes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from reknow.data.manifest import Manifest
from reknow.data.pictures import parse_boxes, read_picture
from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.attention_panels import attention_panels
from reknow.explain.explanation import Explanation
from reknow.explain.panels import legend_of, panels_of
from reknow.explain.sample import OBSERVATIONS_SHOWN
from reknow.observation import SPECTRA, Spectrum

LONGEST = 192
"""Pixels of a thumbnail's longer side; it is shown at about 170."""

BUDGET = 2_400_000
"""Bytes of all thumbnails as text: with plots and recipe the page stays under 3 MB, which mail servers accept."""

# (share of the longest side, JPEG quality), the first that fits the budget. World pictures (128 x 64) take 3 kB at the
# first.
_TRIES = ((1.0, 85), (1.0, 70), (0.75, 60), (0.5, 50), (0.33, 40), (0.2, 30))

PANELS_BUDGET = 700_000
"""Bytes of all panels as text: six pictures of three panels take half of it."""

PANELS_AT_MOST = 90
"""Panels of a page: four observations in three spectra of seven panels; with more, the section buries the others."""

_GAP = 2  # white pixels between two spectra
_WHITE, _ABSENT = 255, 226  # the gap, and the panel of a spectrum that the observation lacks


@dataclass(frozen=True)
class Thumbnail:
    """A picture as it stands in the page.

    Attributes:
        address: ``data:image/jpeg;base64,...``
        width, height: pixels.
    """

    address: str
    width: int
    height: int


def thumbnails(
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], budget: int = BUDGET, longest: int = LONGEST
) -> list[Thumbnail]:
    """Thumbnails of all pictures of a page, the largest and best that fit the budget together.

    Args:
        pictures: (H, W, 3) RGB each.
        budget: bytes of all addresses. The last try is kept even where it does not fit.
        longest: pixels of the longer side of the largest.
    """
    made: list[Thumbnail] = []
    for share, quality in _TRIES:
        made = [_thumbnail(picture, round(share * longest), quality) for picture in pictures]
        if sum(len(thumbnail.address) for thumbnail in made) <= budget:
            break
    return made


def _thumbnail(picture: np.ndarray, longest: int, quality: int) -> Thumbnail:
    image = Image.fromarray(picture)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)  # never enlarges
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality, optimize=True)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return Thumbnail(f"data:image/jpeg;base64,{text}", image.width, image.height)


# --- Observations -----------------------------------------------------------------------------------------------------


def spectra_shown(*manifests: Manifest) -> tuple[Spectrum, ...]:
    """The spectra that the images of all these observations show, if any observation has two of them.

    Empty where each has one: for queries in infrared and a gallery in color, a row's own picture is the whole image.
    """
    if not any(_has_several(manifest) for manifest in manifests):
        return ()
    return tuple(spectrum for spectrum in SPECTRA if any(manifest.has(spectrum) for manifest in manifests))


def observation_image(
    manifest: Manifest, row: int, spectra: Sequence[Spectrum] = ()
) -> UInt8[np.ndarray, "height width 3"]:
    """The pictures of one observation, joined: tall ones side by side, wide ones below each other.

    Args:
        manifest: where the observation is.
        row: its row.
        spectra: see :func:`spectra_shown`. A spectrum that the observation lacks is a gray panel, so that each
            spectrum has the same place in all images. Empty: its first picture alone.

    Returns:
        RGB; every panel has the size of the first picture that is there.

    Raises:
        DataError: a picture cannot be read.
    """
    observation = manifest.select([row])
    present: list[Spectrum] = [spectrum for spectrum in SPECTRA if observation.column(spectrum)[0]]
    boxes = parse_boxes(observation.column("crop")[0], present, observation.column("observation")[0])
    shown: list[Spectrum] = [spectrum for spectrum in spectra if spectrum in present] or present[:1]
    pictures = {
        spectrum: read_picture(
            observation.root, observation.column(spectrum)[0], boxes[spectrum], observation.levels.get(spectrum)
        )
        for spectrum in shown
    }
    first = pictures[shown[0]]
    return _joined([_like(first, pictures.get(spectrum)) for spectrum in spectra or shown])


def _has_several(manifest: Manifest) -> bool:
    present = [manifest.table.column(spectrum).is_valid().to_numpy() for spectrum in SPECTRA]
    return bool((np.sum(present, axis=0) > 1).any())


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


# --- Selected patches and attention -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarkedPicture:
    """One observation of the section.

    Attributes:
        name: its id.
        lines: (title, panels) from top to bottom, each panel (title, thumbnail) from left to right.
    """

    name: str
    lines: list[tuple[str, list[tuple[str, Thumbnail]]]]

    @property
    def bytes(self) -> int:
        """What it takes of the page's budget."""
        return sum(len(thumbnail.address) for _, panels in self.lines for _, thumbnail in panels)


def marked_pictures(explanation: Explanation | AttentionExplanation | None) -> list[MarkedPicture]:
    """The first observations of an explanation; none without one."""
    if explanation is None:
        return []
    attention = isinstance(explanation, AttentionExplanation)
    lines_of = partial(attention_panels, explanation) if attention else partial(panels_of, explanation)
    first = lines_of(0)
    count = max(1, min(OBSERVATIONS_SHOWN, len(explanation.names), PANELS_AT_MOST // sum(map(len, first.values()))))
    rows = [first, *(lines_of(row) for row in range(1, count))]
    panels = [panel for row in rows for line in row.values() for panel in line.values()]
    small = iter(thumbnails(panels, PANELS_BUDGET, longest=max(panels[0].shape)))
    return [
        MarkedPicture(name, [(line, [(title, next(small)) for title in titles]) for line, titles in row.items()])
        for name, row in zip(explanation.names, rows, strict=False)
    ]


def legend_thumbnails(explanation: Explanation | None) -> list[tuple[Thumbnail, str]]:
    """A sample of each mark, and what it means."""
    legend = () if explanation is None else legend_of(explanation)
    samples = thumbnails([np.asarray(mark.sample()) for mark, _ in legend])
    return list(zip(samples, [meaning for _, meaning in legend], strict=True))
