"""Folder spectra: pictures of two or three spectra below folders that are called ``rgb``, ``nir`` and ``tir``.

The folder may lie anywhere in a picture's path, above or below those of splits and individuals; upper and lower case
are the same. Splits, individuals and cameras are then read as if it were not there:

::

    rgb/train/0815/a.jpg      train/nir/0815/a.jpg      train/0815/nir/a.jpg      all are train/0815/a.jpg

Decided: every picture is an observation of its own. Equal names in two spectra make no pair, since nothing shows that
they are of one moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reknow.errors import DataError
from reknow.observation import SPECTRA, Spectrum


@dataclass(frozen=True)
class SpectrumFolders:
    """Pictures whose path names a spectrum.

    Attributes:
        references: their paths.
        spectra: the spectrum of each.
        paths: the paths without the spectrum's folder.
        notes: which pictures are left out.
    """

    references: Sequence[str]
    spectra: Sequence[Spectrum]
    paths: Sequence[str]
    notes: Sequence[str]

    @property
    def top(self) -> list[str]:
        """The folders at the top of :attr:`paths`, sorted."""
        return sorted({path.partition("/")[0] for path in self.paths if "/" in path})

    def columns(self, kept: Sequence[int]) -> dict[str, list[str | None]]:
        """A column for each spectrum, of some of the pictures."""
        return {
            spectrum: [self.references[row] if self.spectra[row] == spectrum else None for row in kept]
            for spectrum in SPECTRA
            if spectrum in self.spectra
        }


def spectrum_folders(pictures: Sequence[str], where: str) -> SpectrumFolders:
    """Tell the spectrum of each picture by its folders.

    Args:
        pictures: paths relative to the data set's folder, with slashes.
        where: names the data set in notes and errors.

    Raises:
        DataError: a path with two such folders, or pictures of fewer than two spectra.

    Example:
        >>> told = spectrum_folders(["rgb/7/a.jpg", "7/NIR/a.jpg", "7/b.jpg"], "some")
        >>> told.spectra, told.paths
        (['rgb', 'nir'], ['7/a.jpg', '7/a.jpg'])
    """
    references, spectra, paths, without = [], [], [], []
    for picture in pictures:
        *folders, name = picture.split("/")
        places = [place for place, folder in enumerate(folders) if folder.lower() in SPECTRA]
        if len(places) > 1:
            raise DataError(
                f"{where}, {picture}",
                found=f"two folders that name a spectrum, {folders[places[0]]} and {folders[places[1]]}",
                expected="one in each path",
                remedy="Rename the one that is no spectrum.",
            )
        if not places:
            without.append(picture)
            continue
        spectrum = folders.pop(places[0]).lower()
        references.append(picture)
        spectra.append(next(known for known in SPECTRA if known == spectrum))
        paths.append("/".join([*folders, name]))
    if len(set(spectra)) < 2:
        raise _too_few(pictures, without, sorted(set(spectra)), where)
    notes = []
    if without:
        notes.append(
            f"{where}: left out {len(without):,} pictures below no folder called {', '.join(SPECTRA)}, "
            f"for example {without[0]}."
        )
    return SpectrumFolders(references, spectra, paths, notes)


def _too_few(pictures: Sequence[str], without: Sequence[str], spectra: Sequence[str], where: str) -> DataError:
    others = Counter(folder for picture in without for folder in picture.split("/")[:-1]).most_common(4)
    beside = f"; other folders: {', '.join(folder for folder, _ in others)}" if others else ""
    return DataError(
        f"{where}, option 'spectrum'",
        found=f"{len(pictures):,} pictures of {f'one spectrum, {spectra[0]}' if spectra else 'no spectrum'}{beside}",
        expected=f"folders called {', '.join(SPECTRA)} with the pictures of two of them or more",
        remedy="Rename the spectra's folders (infrared is nir or tir), or leave the option out.",
    )
