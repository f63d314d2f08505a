"""One folder per spectrum, one file name in each: the layout of RGBNT201, MSVR310 and Market1501-MM.

::

    test/RGB/000258_cam1_0_00.jpg        rgb
    test/NI/000258_cam1_0_00.jpg         nir, the same observation
    test/TI/000258_cam1_0_00.jpg         tir, the same observation

The folder directly above a picture is its spectrum; folders between (MSVR310 has one per identity) are part of the
observation's name. A file that is missing in one folder leaves that spectrum of the row empty, and one that stands in a
single folder is an observation of one spectrum: both are legal, and a note counts them. A spectrum without any
picture is an error, because that is a download which was not unpacked whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reknow.data.columns import Split
from reknow.data.formats.picture_folders import layout_root, pictures_below, unread_note
from reknow.data.formats.published import Count, compared
from reknow.data.manifest import Manifest
from reknow.errors import DataError
from reknow.observation import SPECTRA, Spectrum

Observations = dict[str, dict[Spectrum, str]]
"""Per observation, its picture in each spectrum that it has."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a data set of aligned pictures keeps them, and what its file names say.

    Attributes:
        name: the data set's name in reports.
        format_name: the format's name in ``FORMAT:PATH``.
        splits: per folder, the splits that it fills; two where queries are the gallery.
        spectra: per spectrum, the name of its folders.
        file_name: matches the start of a file name; its groups are named like the manifest's columns.
        form: an example of a name, for messages.
        protocol: the evaluation protocol of the data set's authors.
    """

    name: str
    format_name: str
    splits: Mapping[str, tuple[Split, ...]]
    spectra: Mapping[Spectrum, str]
    file_name: re.Pattern[str]
    form: str
    protocol: str = "market"


def read_spectrum_folders(path: str, layout: Layout, published: Mapping[Split, Count]) -> Manifest:
    """Read a data set of this layout.

    Args:
        path: the folder that holds those of `layout`, or the one around it.
        layout: folders and names.
        published: counts of a complete download.

    Raises:
        DataError: another layout, or a folder in which a spectrum has no picture at all.
    """
    root = layout_root(path, list(layout.splits), layout.format_name)
    listings = {folder: pictures_below(root / folder) for folder in layout.splits}
    columns, notes = rows_of({folder: listing.pictures for folder, listing in listings.items()}, layout, root)
    for folder, listing in listings.items():
        notes += listing.notes(f"{layout.name}, {folder}")
    manifest = Manifest.from_columns(columns, root=root, name=layout.name, protocol=layout.protocol, notes=notes)
    return compared(manifest, published)


def rows_of(
    pictures: Mapping[str, Sequence[str]], layout: Layout, root: Path
) -> tuple[dict[str, list[str | None]], list[str]]:
    """Paths to columns and notes; no picture is opened.

    Junk (an identity with a minus) is dropped, as :mod:`~reknow.data.formats.market_layout` does.

    Args:
        pictures: per folder of `layout`, the pictures below it as paths relative to it.
        layout: folders and names.
        root: the folder that holds those of `layout`; named in errors, not read.

    Raises:
        DataError: a folder in which a spectrum has no picture at all.
    """
    columns: dict[str, list[str | None]] = {
        column: [] for column in ("observation", *layout.file_name.groupindex, "split", *SPECTRA)
    }
    notes: list[str] = []
    for folder, splits in layout.splits.items():
        observations, unread = together(pictures[folder], layout)
        for spectrum, name in layout.spectra.items():
            if not any(spectrum in observation for observation in observations.values()):
                raise _without_pictures(root / folder, name, observations, layout)
        notes += _notes(observations, unread, f"{layout.name}, {folder}", layout)
        for split in splits:
            for observation, references in observations.items():
                match = layout.file_name.match(observation.rpartition("/")[2])
                named: dict[str, str | None] = match.groupdict() if match else {}
                row = {"observation": f"{split}/{observation}", **named, "split": split}
                row |= {spectrum: f"{folder}/{reference}" for spectrum, reference in references.items()}
                for column, values in columns.items():
                    values.append(row.get(column))
    return columns, notes


def together(paths: Sequence[str], layout: Layout) -> tuple[Observations, list[str]]:
    """The pictures of one folder, those of one observation together; and those whose names are not understood.

    Args:
        paths: relative to the folder; the last folder of each is the spectrum's.
        layout: folders and names.

    Returns:
        Observations in order of their names, junk left out; and the paths that are not named like `layout` says.
    """
    spectrum_of: dict[str, Spectrum] = {name: spectrum for spectrum, name in layout.spectra.items()}
    observations: Observations = {}
    unread: list[str] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        above, _, last = folder.rpartition("/")
        match = layout.file_name.match(name)
        if last not in spectrum_of or match is None:
            unread.append(path)
        elif not match["identity"].startswith("-"):
            observations.setdefault(f"{above}/{name}" if above else name, {})[spectrum_of[last]] = path
    return dict(sorted(observations.items())), unread


def _notes(observations: Observations, unread: Sequence[str], where: str, layout: Layout) -> list[str]:
    """Notes on one folder: missing partners, pictures without any partner, and names that are not understood."""
    notes = []
    for spectrum, name in layout.spectra.items():
        missing = [
            observation
            for observation, references in observations.items()
            if len(references) > 1 and spectrum not in references
        ]
        if missing:
            notes.append(
                f"{where}: {len(missing):,} of {len(observations):,} observations have no picture in {name}, "
                f"for example {missing[0]}; their {spectrum} stays empty."
            )
        alone = [observation for observation, references in observations.items() if set(references) == {spectrum}]
        if alone:
            notes.append(
                f"{where}: {len(alone):,} pictures in {name} have no partner in any other spectrum, "
                f"for example {alone[0]}; each is an observation of {spectrum} alone."
            )
    return notes + unread_note(where, unread, f"{'|'.join(layout.spectra.values())}/{layout.form}")


def _without_pictures(folder: Path, absent: str, observations: Observations, layout: Layout) -> DataError:
    counts = ", ".join(
        f"{name}: {sum(spectrum in observation for observation in observations.values()):,}"
        for spectrum, name in layout.spectra.items()
    )
    return DataError(
        folder,
        found=f"no picture in {absent} ({counts})",
        expected=f"{' and '.join(layout.spectra.values())} with pictures named like {layout.form}",
        remedy="The download is incomplete or was not unpacked whole: unpack it again. To go without this spectrum, "
        "list the pictures in a table: table:FILE",
    )
