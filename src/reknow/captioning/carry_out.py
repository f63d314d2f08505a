"""Carry out: the captions of every picture of a data set, into one file.

A network may take seconds a picture on a CPU, so a run may be stopped at any time: the file is written every minute and
at the end, however that comes, and the next run keeps what is there and describes the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from reknow.captioning.captioner import Captioner, Shown
from reknow.data.cache import boxes_of
from reknow.data.captions import Captions, picture_key
from reknow.data.manifest import Manifest
from reknow.data.pictures import Box, read_picture
from reknow.errors import DataError
from reknow.observation import Spectrum

SECONDS = 60.0
"""Between two writes of the file."""


@dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
        captions: all that the file now holds.
        made: pictures that were described now.
        kept: pictures of the data set whose captions were there before.
        silent: pictures of which the captioner could say nothing; they have no caption.
    """

    captions: Captions
    made: int
    kept: int
    silent: int


class _Place(NamedTuple):
    """Where a picture is."""

    spectrum: Spectrum
    reference: str
    box: Box | None


def caption_pictures(
    manifest: Manifest, captioner: Captioner, path: Path, *, progress: Callable[[int, int], None] | None = None
) -> Outcome:
    """Describe every picture of a manifest that the file does not have yet, and write the file.

    Args:
        manifest: of any format.
        captioner: describes them.
        path: the file of captions; it is completed where it is there.
        progress: called with (pictures done, pictures in all).

    Raises:
        DataError: the file is none of captions or was made by another captioner or with other settings, it cannot be
            written, or a picture cannot be read. What was described before is in the file.
    """
    before = captions_so_far(path, captioner)
    places = _places(manifest)
    waiting = [key for key in places if key not in before.of_picture]
    said, silent = dict(before.of_picture), 0
    written = time.monotonic()

    try:
        for first in range(0, len(waiting), captioner.batch):
            keys = waiting[first : first + captioner.batch]
            captions = captioner.describe([_shown(manifest, key, places[key]) for key in keys])
            for key, caption in zip(keys, captions, strict=True):
                silent += caption is None
                if caption is not None:
                    said[key] = caption
            if progress is not None:
                progress(first + len(keys), len(waiting))
            if time.monotonic() - written > SECONDS:
                replace(before, of_picture=said).write(path)
                written = time.monotonic()
    finally:  # Ctrl-C too
        replace(before, of_picture=said).write(path)
    kept = len(places) - len(waiting)
    return Outcome(replace(before, of_picture=said), len(waiting) - silent, kept, silent)


def captions_so_far(path: Path, captioner: Captioner) -> Captions:
    """The captions that the file has, which must be of the same captioner; none where there is no file.

    Raises:
        DataError: the file is none of captions, or another captioner or other settings made it.
    """
    settings = dict(captioner.settings)
    if not os.path.lexists(path):
        return Captions(captioner.name, settings, {})
    captions = Captions.read(path)
    there, here = {"captioner": captions.captioner, **captions.settings}, {"captioner": captioner.name, **settings}
    for name in there | here:
        if there.get(name) != here.get(name):
            raise DataError(
                f"{path}, '{name}'",
                found=repr(there.get(name)),
                expected=f"{here.get(name)!r}, as for the captions to add",
                remedy="Name another file with --out, or the same captioner and settings.",
            )
    return captions


def _places(manifest: Manifest) -> dict[str, _Place]:
    """Every picture by its key, in order of rows and spectra."""
    columns = {spectrum: manifest.column(spectrum) for spectrum in manifest.spectra}
    places: dict[str, _Place] = {}
    for row, boxes in enumerate(boxes_of(manifest)):
        for spectrum, box in boxes.items():
            reference = columns[spectrum][row]
            places.setdefault(picture_key(reference, box), _Place(spectrum, reference, box))
    return places


def _shown(manifest: Manifest, key: str, place: _Place) -> Shown:
    levels = manifest.levels.get(place.spectrum)
    return Shown(key, place.spectrum, read_picture(manifest.root, place.reference, place.box, levels))
