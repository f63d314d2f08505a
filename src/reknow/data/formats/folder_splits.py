"""Folder splits: which sub-folders of a folder of pictures are its splits, and what is beside them.

Two known names make splits, whatever other folders exist, since two individuals called ``query`` and ``gallery`` are
less likely than a data set without training pictures. One known name makes a split where it is the only folder that
holds pictures; among others it is one of them, and a note reports it. Names count in upper and lower case.

- ``train_all`` holds ``train`` and ``val`` in the layout that has it, so it is read alone.
- ``test`` is the gallery where ``query`` is there and ``gallery`` is not; in a closed set, whose gallery is what it
  trains on, it is the query. Otherwise it does not tell queries from gallery.
- The rest (``val``, ``multi-query``, ``__MACOSX``, pictures beside the folders) is left out, and a note reports it.
- One folder in between is accepted, as archives unpack into one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reknow.data.columns import SPLITS, Split
from reknow.errors import DataError

# The name in small letters, and what it stands for. "train and val", "test" and "val" are no splits by themselves.
KNOWN: dict[str, str] = {
    "train": "train",
    "training": "train",
    "bounding_box_train": "train",
    "image_train": "train",
    "train_all": "train and val",
    "trainval": "train and val",
    "query": "query",
    "queries": "query",
    "probe": "query",
    "image_query": "query",
    "gallery": "gallery",
    "galleries": "gallery",
    "bounding_box_test": "gallery",
    "image_test": "gallery",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
}


@dataclass(frozen=True)
class SplitFolders:
    """Which folders are splits.

    Attributes:
        splits: per folder, as a path with a slash at its end, its split; None where its name is no split.
        notes: what was left out, and which names were read in a way that a user may not expect.
    """

    splits: Mapping[str, Split | None]
    notes: Sequence[str] = field(default=())

    def of(self, picture: str) -> tuple[Split | None, str] | None:
        """The split of a picture and its path below the split's folder; None outside of all."""
        for folder, split in self.splits.items():
            if picture.startswith(folder):
                return split, picture[len(folder) :]
        return None


def split_folders(
    pictures: Sequence[str], folders: Sequence[str], where: str, *, closed: bool = False
) -> SplitFolders | None:
    """The folders that are splits, or None where there are none.

    Args:
        pictures: paths relative to the data set's folder.
        folders: names of the folders at its top, also of those without pictures.
        where: names the data set in notes and errors.
        closed: whether the training pictures are the gallery as well.

    Raises:
        DataError: two folders for one split.

    Example:
        >>> found = split_folders(["query/a.jpg", "Gallery/b.jpg", "val/c.jpg"], ["Gallery", "query", "val"], "x")
        >>> dict(found.splits), found.notes
        ({'query/': 'query', 'Gallery/': 'gallery'}, ['x: left out beside the splits: val (1 pictures).'])
    """
    known = _known(folders)
    if len(known) > 1 or (known and all(picture.startswith(f"{known[0]}/") for picture in pictures)):
        return _understood(pictures, folders, "", where, closed)
    if len(folders) == 1 and all(picture.startswith(f"{folders[0]}/") for picture in pictures):
        below = [picture[len(folders[0]) + 1 :] for picture in pictures]
        inner = sorted({picture.partition("/")[0] for picture in below if "/" in picture})
        if len(_known(inner)) > 1:
            return _understood(below, inner, f"{folders[0]}/", where, closed)
    return None


def lone_notes(folders: Sequence[str], where: str) -> list[str]:
    """A note on a folder that is named like a split and is read as an individual."""
    return [
        f"{where}: the folder {name} is read as an individual, as its neighbors are; splits are recognized where two "
        f"of {', '.join(SPLITS)} are there."
        for name in _known(folders)
    ]


def _known(folders: Sequence[str]) -> list[str]:
    return [name for name in folders if name.lower() in KNOWN]


def _understood(
    pictures: Sequence[str], folders: Sequence[str], between: str, where: str, closed: bool
) -> SplitFolders:
    """The splits of folders of which some have known names; `between` leads to them."""
    roles = _roles(folders, where)
    splits, notes = _chosen(roles, where, closed)
    if len(roles) == 1:
        (name,) = roles.values()
        notes.append(f"{where}: its only folder, {name}, is read as {splits[name] or 'if it were the data set'}.")
    counts = Counter(picture.partition("/")[0] for picture in pictures if "/" in picture)
    used = {*splits, roles.get("test"), roles.get("train")}
    beside = [f"{name} ({counts[name]:,} pictures)" for name in folders if name not in used]
    if loose := len(pictures) - sum(counts.values()):
        beside.append(f"{loose:,} pictures directly in the folder")
    if beside:
        more = f" and {len(beside) - 8:,} more" if len(beside) > 8 else ""
        notes.append(f"{where}: left out beside the splits: {', '.join(beside[:8])}{more}.")
    return SplitFolders({f"{between}{name}/": split for name, split in splits.items()}, notes)


def _roles(folders: Sequence[str], where: str) -> dict[str, str]:
    """The meanings of :data:`KNOWN` that are present, and the folder of each."""
    roles: dict[str, str] = {}
    for name in _known(folders):
        role = KNOWN[name.lower()]
        if role in roles:
            both = f"two folders that mean {role}: {roles[role]} and {name}"
            raise DataError(where, found=both, remedy="Move one of them elsewhere.")
        roles[role] = name
    return roles


def _chosen(roles: Mapping[str, str], where: str, closed: bool) -> tuple[dict[str, Split | None], list[str]]:
    """Per folder that is read its split, and notes on decisions between folders."""
    notes = []
    chosen: dict[Split, str] = {split: roles[split] for split in SPLITS if split in roles}
    if "train and val" in roles:
        chosen["train"] = roles["train and val"]
        if "train" in roles:
            notes.append(f"{where}: {roles['train']} is left out, since {chosen['train']} holds it and val.")
    if closed and "test" in roles and "query" not in chosen:
        chosen["query"] = roles["test"]
    elif "test" in roles and "query" in chosen and "gallery" not in chosen and not closed:
        chosen["gallery"] = roles["test"]
        notes.append(f"{where}: {roles['test']} is read as the gallery of {roles['query']}.")
    elif "test" in roles and chosen:
        notes.append(
            f"{where}: {roles['test']} is left out, as it does not say which pictures are queries and which gallery; "
            "sort them into query and gallery to evaluate, or, where the individuals are those of training, add "
            "gallery=train."
        )
    if not chosen:  # val and test alone
        if len(roles) > 1:
            names = " and ".join(roles.values())
            notes.append(f"{where}: {names} name no split of {', '.join(SPLITS)}; their pictures have none.")
        return dict.fromkeys(roles.values()), notes
    return {name: split for split, name in chosen.items()}, notes
