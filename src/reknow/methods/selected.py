"""Selected patches: how a method that selects patches shows its selection.

A method returns them from :meth:`~reknow.methods.method.MethodConfig.selected_patches`: named sets of patches in each
spectrum. ``reknow explain tokens`` and the report draw all sets, and measure each of them where it is known which
patches lie on the object. So they need to know no method.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from reknow.errors import DataError
from reknow.observation import SPECTRA, Spectrum

Place = Literal["object", "background"]

BySpectrum = Mapping[Spectrum, np.ndarray]
"""Arrays of one kind, one per spectrum."""

GROUPS = {
    "small": "small objects",
    "large": "large objects",
    "low_clutter": "low clutter",
    "high_clutter": "high clutter",
}
"""Halves of the observations in which each set is measured as well, with their words."""

_COUNTS = ("observations", "pictures", "spectra", "grid", "patches", "shares", "notes", "file")
_TAKEN = frozenset((*_COUNTS, "picture", "dropped", *GROUPS, *SPECTRA))  # by counts, panels, and the ends of numbers


@dataclass(frozen=True, kw_only=True)
class PatchSet:
    """Some of the N patches of B observations.

    Attributes:
        name: such as ``kept``, which goes before "patches" in a sentence; it names a panel, a count, and the numbers
            ``precision_kept`` and ``recall_kept``. Those of a selection's first set are ``precision`` and ``recall``.
        meaning: what follows "patches" in a sentence, such as "selected by attention".
        patches: per spectrum, (B, N): which ones; false where an observation lacks the spectrum.
        expected: where such patches should lie.
        measured_as: where the set has one number of its own name, such as ``positives_on_person``: its precision.
    """

    name: str
    meaning: str
    patches: Mapping[Spectrum, Bool[np.ndarray, "batch patches"]]
    expected: Place = "object"
    measured_as: str = ""


@dataclass(frozen=True, kw_only=True)
class PatchScores:
    """What the patches were selected by.

    Attributes:
        name: one word, such as ``similarity``: names a panel.
        meaning: what it is, such as "of a patch to its whole picture".
        values: per spectrum, (B, N); the larger, the more the patch counts.
    """

    name: str
    meaning: str
    values: Mapping[Spectrum, Float[np.ndarray, "batch patches"]]


@dataclass(frozen=True, kw_only=True)
class SelectedPatches:
    """What a method selects in B observations of N patches a spectrum.

    Attributes:
        grid: (rows, columns) of the patches; N = rows x columns.
        sets: the first is what the method selects; further ones are of other kinds, or reasons for the first.
        scores: None where patches have none.
        drops: whether the network goes on with the first set alone. Then further sets are reasons for it and are shown
            one by one; otherwise all sets are marked in one picture.

    Raises:
        DataError: no set, a name that is taken, or arrays that are not (B, N) of the same spectra.

    Example:
        >>> upper = PatchSet(name="upper", meaning="in the upper half", patches={"rgb": np.array([[True, False]])})
        >>> selected = SelectedPatches(grid=(2, 1), sets=(upper,))
        >>> selected.spectra, selected["upper"].patches["rgb"].sum(axis=1)
        (('rgb',), array([1]))
    """

    grid: tuple[int, int]
    sets: tuple[PatchSet, ...]
    scores: PatchScores | None = None
    drops: bool = False

    def __post_init__(self) -> None:
        if not self.sets or not self.spectra:
            raise _wrong("no set" if not self.sets else "a set of no spectrum", "at least one")
        names = [patch_set.name for patch_set in self.sets] + ([] if self.scores is None else [self.scores.name])
        measures = [patch_set.measured_as for patch_set in self.sets if patch_set.measured_as]
        for name in (*names, *measures):
            taken = name in _TAKEN or name.endswith(tuple(f"_{end}" for end in (*GROUPS, *SPECTRA)))
            if taken or not re.fullmatch("[a-z][a-z0-9_]*", name) or (names + measures).count(name) > 1:
                raise _wrong(
                    f"the name '{name}' among {', '.join(names + measures)}",
                    "small letters, each name once, none that counts, panels, groups or spectra have",
                )
        shape = (*next(iter(self.sets[0].patches.values())).shape[:1], self.grid[0] * self.grid[1])
        for patch_set in self.sets:
            _check(f"set '{patch_set.name}'", patch_set.patches, self.spectra, shape)
        if self.scores is not None:
            _check(f"scores '{self.scores.name}'", self.scores.values, self.spectra, shape)

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """In which patches were selected, in the order of panels."""
        return tuple(self.sets[0].patches)

    def __getitem__(self, name: str) -> PatchSet:
        """The set of a name."""
        return next(patch_set for patch_set in self.sets if patch_set.name == name)

    def __len__(self) -> int:
        """B, the observations."""
        return len(self.sets[0].patches[self.spectra[0]])


def arrays(tensors: Mapping[Spectrum, Tensor]) -> dict[Spectrum, np.ndarray]:
    """Tensors of any device and precision, as a :class:`SelectedPatches` holds them."""
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).detach().cpu().numpy()
        for name, tensor in tensors.items()
    }


def joined(batches: Sequence[SelectedPatches]) -> SelectedPatches:
    """What was selected in several batches, as one.

    Raises:
        DataError: batches with different sets.
    """
    first = batches[0]
    if any(_kind(batch) != _kind(first) for batch in batches):
        raise _wrong("other sets, spectra or patches in one batch than in another", "the same in all")

    def whole(parts: Sequence[BySpectrum]) -> dict[Spectrum, np.ndarray]:
        return {name: np.concatenate([part[name] for part in parts]) for name in first.spectra}

    sets = tuple(
        replace(patch_set, patches=whole([batch.sets[number].patches for batch in batches]))
        for number, patch_set in enumerate(first.sets)
    )
    scores = [batch.scores.values for batch in batches if batch.scores is not None]
    return replace(first, sets=sets, scores=first.scores and replace(first.scores, values=whole(scores)))


def _kind(batch: SelectedPatches) -> tuple[object, ...]:
    return batch.grid, batch.spectra, [patch_set.name for patch_set in batch.sets], batch.scores is None, batch.drops


def _check(name: str, by_spectrum: BySpectrum, spectra: Sequence[Spectrum], shape: tuple[int, ...]) -> None:
    if set(by_spectrum) != set(spectra):
        raise _wrong(f"{name} of {', '.join(by_spectrum)}", f"{', '.join(spectra)}, as the first set has")
    for spectrum, values in by_spectrum.items():
        if values.shape != shape:
            raise _wrong(f"{name} of shape {values.shape} in {spectrum}", f"{shape}: observations x patches")


def _wrong(problem: str, expected: str) -> DataError:
    return DataError(
        "selected patches", found=problem, expected=expected, remedy="Correct selected_patches of the method's config."
    )
