"""Published counts of the benchmarks, and notes on a download that has others.

Counts are pictures and identities per split, as the data sets' papers and the loaders of the field give them; a
gallery counts the distractors' common identity as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reknow.data.columns import SPLITS, Split
from reknow.data.manifest import Manifest


@dataclass(frozen=True)
class Count:
    """What one split of a complete download has."""

    pictures: int
    identities: int

    def __str__(self) -> str:
        return f"{self.pictures:,} pictures of {self.identities:,} identities"


def counts(manifest: Manifest) -> dict[Split, Count]:
    """Pictures and identities per split, also of splits that are empty."""
    pictures = dict.fromkeys(SPLITS, 0)
    identities: dict[Split, set[str]] = {split: set() for split in SPLITS}
    for split, identity in zip(manifest.column("split"), manifest.column("identity"), strict=True):
        if split in pictures:
            pictures[split] += 1
            identities[split].add(identity)
    return {split: Count(pictures[split], len(identities[split] - {None})) for split in SPLITS}


def compared(manifest: Manifest, published: Mapping[Split, Count]) -> Manifest:
    """The same manifest, with a note for each split whose counts are not the published ones, where any are known."""
    notes = []
    for split, actual in counts(manifest).items():
        complete = published.get(split, actual)
        if actual == complete:
            continue
        if actual.pictures < complete.pictures:
            verdict = f"{complete.pictures - actual.pictures:,} are missing: the download is incomplete"
        elif actual.pictures > complete.pictures:
            verdict = f"{actual.pictures - complete.pictures:,} are extra: files were added, or it is another release"
        else:
            verdict = "files were renamed, or it is another release"
        notes.append(f"{manifest.name}, {split}: found {actual}; published {complete}; {verdict}.")
    return replace(manifest, notes=(*manifest.notes, *notes))
