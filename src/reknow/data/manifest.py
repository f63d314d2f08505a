"""Manifest: the one table that every reader fills and every consumer reads.

A row is an observation: one object, as one image or as aligned images of several spectra of one moment.
Every column but ``observation`` and one spectrum may be empty. Names stay the user's own strings; integer
codes are made where numbers are needed, by :func:`encode`.

The user's own columns follow, in any number (:mod:`reknow.data.columns`). They are kept with their rows and are shown;
training uses none of them unless a network requests one by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from reknow.data.columns import CAPTION, PARAPHRASES, SCHEMA, Split, of_spectrum, own_columns, table_of
from reknow.data.levels import Levels, written
from reknow.errors import ContractError, DataError, nearest
from reknow.observation import SPECTRA, Spectrum
from reknow.writing import written_whole

NUMBERED = ("scene", "tracklet")
"""Columns whose names :func:`without_names` replaces by numbers, in the order of their first rows."""

_OF_SPECTRA = tuple(of_spectrum(column, spectrum) for column in (CAPTION, PARAPHRASES) for spectrum in SPECTRA)

CLOSED_SET_OPTION = "gallery"
"""The option of a data set that declares a closed set; its one value is ``train``."""


@dataclass(frozen=True)
class Manifest:
    """Rows of observations, and where their pictures are.

    Attributes:
        table: an Arrow table of :data:`SCHEMA` and, behind it, own columns of text; empty columns are null throughout.
        root: the folder that picture references are relative to.
        name: the data set's name, for reports.
        protocol: the name of the evaluation protocol that the data set's authors use.
        notes: what the user should know of the data set (an incomplete download, rows that were left out).
        levels: per spectrum, which values of deep pictures are black and white, where the data set names them.
        closed: whether the individuals to search for are those of training, so that the training rows are gallery as
            well; see :func:`closed_set`.
    """

    table: pa.Table
    root: Path
    name: str
    protocol: str = "market"
    notes: tuple[str, ...] = field(default=())
    levels: Mapping[str, Levels] = field(default_factory=dict)
    closed: bool = False

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Sequence[Any]],
        *,
        root: Path,
        name: str,
        protocol: str = "market",
        notes: Sequence[str] = (),
        own: Mapping[str, Sequence[Any]] | None = None,
    ) -> Manifest:
        """Build a manifest from plain columns; missing ones become null.

        An empty ``observation`` becomes the picture's reference, followed by ``@`` and the crop where there is one,
        so that several crops of one frame are several observations.

        Args:
            columns: those of :data:`SCHEMA`, as far as they are there.
            root: see :class:`Manifest`, as for `name`, `protocol` and `notes`.
            own: the user's own columns, in the order to keep; see :mod:`reknow.data.columns`.

        Raises:
            DataError: an unknown column, columns of different lengths, no spectrum at all in a row, an unknown split,
                an ``observation`` that stands twice, a text that is not UTF-8, or an own column that takes the name
                of a manifest's.
        """
        return cls(table_of(columns, own or {}, name), Path(root), name, protocol, tuple(notes))

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The names of the user's own columns, in the user's order; :meth:`column` and :meth:`cells` give the cells."""
        return tuple(name for name in self.table.column_names if name not in SCHEMA.names)

    def column(self, name: str) -> list[Any]:
        """One column as a plain list, None where empty."""
        return self.table.column(name).to_pylist()

    def cells(self, names: Sequence[str]) -> dict[str, list[str | None]]:
        """Several columns by name; one that the table lacks is empty."""
        return {name: self.column(name) if name in self.table.column_names else [None] * len(self) for name in names}

    def own_cells(self, names: Sequence[str]) -> dict[str, list[str | None]]:
        """Several of the user's own columns by name; one that the table lacks is empty.

        Raises:
            ContractError: a column of the manifest's own. What a network reads beside pictures must not contain an
                identity, neither in training nor in evaluation.
        """
        taken = [name for name in names if name in SCHEMA.names]
        if taken:
            raise ContractError(
                "columns of a network",
                found=f"'{taken[0]}', a column of every manifest",
                expected="own columns of the user, such as captions; cameras and spectra are part of the batch",
                remedy="Name other columns.",
            )
        return self.cells(names)

    def with_own(self, own: Mapping[str, Sequence[Any]]) -> Manifest:
        """The same rows with more own columns behind the others.

        Args:
            own: N cells by the column's name.

        Raises:
            DataError: a column of this name is there already, or what :func:`~reknow.data.columns.own_columns` refuses.
        """
        taken = next((name for name in own if name in self.own_columns), None)
        if taken is not None:
            raise DataError(
                f"{self.name}, own column '{taken}'",
                found="the data set has one of this name already",
                remedy="Rename it there, or leave it out.",
            )
        table = self.table
        for name, cells in own_columns(own, SCHEMA.names, self.name).items():
            table = table.append_column(pa.field(name, pa.string()), cells)
        return replace(self, table=table)

    def notes_on(self, names: Sequence[str]) -> tuple[str, ...]:
        """Notes for the user on columns that a network reads: which are absent, and which have empty cells."""
        notes = []
        for name in names:
            if name not in self.own_columns:
                if name == PARAPHRASES and CAPTION in names and CAPTION not in self.own_columns:
                    continue  # there are none without captions, which the note before says
                near = f" {nearest(name, self.own_columns)}." if self.own_columns else ""
                if name == CAPTION:
                    near += " Captions come with captions=FILE (reknow caption makes one) or captions=COLUMN."
                notes.append(
                    f"The network reads the column '{name}', which {self.name} lacks: it counts as empty.{near}"
                )
            elif empty := self.table.column(name).null_count:
                notes.append(
                    f"The network reads the column '{name}', which is empty in {empty:,} of {len(self):,} rows."
                )
        return tuple(notes)

    def has(self, name: str) -> bool:
        """Whether any row fills this column."""
        return self.table.column(name).null_count < len(self)

    @property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectra that at least one row has, in fixed order."""
        return tuple(spectrum for spectrum in SPECTRA if self.has(spectrum))

    def select(self, rows: np.ndarray | Sequence[int]) -> Manifest:
        """The given rows, in the given order; a boolean mask works too."""
        numbers = np.asarray(rows)
        if numbers.dtype == bool:
            numbers = np.flatnonzero(numbers)
        return replace(self, table=self.table.take(pa.array(numbers.astype(np.int64))))

    def rows_of(self, split: Split) -> np.ndarray:
        """(n,) int64 row numbers of one split."""
        return np.flatnonzero(np.array([value == split for value in self.column("split")], dtype=bool))

    def gallery_rows(self) -> np.ndarray:
        """(n,) int64 row numbers to compare queries with: the gallery, in a closed set the training rows as well."""
        rows = self.rows_of("gallery")
        return np.union1d(self.rows_of("train"), rows) if self.closed else rows

    def split(self, split: Split) -> Manifest:
        """The rows of one split."""
        return self.select(self.rows_of(split))

    def training(self) -> Manifest:
        """The rows to train on: the split ``train``, or every row where the data set has no splits at all."""
        return self.split("train") if self.has("split") else self

    def codes(self, column: str) -> np.ndarray:
        """(N,) int64 codes of one column in sorted order of its names, -1 where empty."""
        return encode(self.column(column))[0]

    def fingerprint(self) -> str:
        """16 hex digits that change when any row changes; pictures' contents are not read."""
        digest = hashlib.blake2b(digest_size=8)
        for name in SCHEMA.names:
            for value in self.column(name):
                digest.update(repr(value).encode())
        for name in sorted(self.own_columns):  # their order has no meaning
            digest.update(repr((name, self.column(name))).encode())
        if self.levels:  # other pixels from the same files
            digest.update(written(self.levels).encode())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write the table as ``.csv`` or ``.parquet``, completely or not at all.

        Raises:
            DataError: another suffix, no such folder, no permission, or a full disk.
        """
        path = Path(path)
        if path.suffix not in (".csv", ".parquet"):
            raise DataError(path, found=f"suffix '{path.suffix}'", expected=".csv or .parquet", remedy="Rename it.")
        with written_whole(path, DataError) as beside:
            if path.suffix == ".csv":
                pyarrow.csv.write_csv(self.table, beside)
            else:
                pyarrow.parquet.write_table(self.table, beside)


def closed_set(manifest: Manifest, option: str = "train") -> Manifest:
    """The same rows as a closed set. Where none is a query, those of the gallery become queries.

    In a closed set (the products of a shop, a herd, the staff of a site) the individuals to identify are those of
    training, and new pictures of them are the queries. Benchmarks have different individuals in training and test, so
    a closed set is declared, as ``gallery=train`` behind a data set's name: training rows are then the gallery as well,
    and the doctor accepts individuals that are in training and test.

    Args:
        manifest: with training rows and others.
        option: what the user wrote for ``gallery``.

    Raises:
        DataError: another word for the option, no training rows, or no other ones.
    """
    where = f"{manifest.name}, option '{CLOSED_SET_OPTION}'"
    if option != "train":
        raise DataError(where, found=f"'{option}'", expected="train", remedy=nearest(option, ["train"]))
    if not len(manifest.rows_of("train")):
        raise DataError(
            where,
            found="no row in the split 'train'",
            remedy="Mark the rows to train on, which are then searched as well.",
        )
    if not len(manifest.rows_of("query")):
        splits = ["query" if split == "gallery" else split for split in manifest.column("split")]
        if "query" not in splits:
            raise DataError(
                where,
                found="no row but those to train on",
                expected="rows in the split 'query'",
                remedy="Mark the query pictures; in a folder they are those below query or test.",
            )
        place = SCHEMA.get_field_index("split")
        table = manifest.table.set_column(place, SCHEMA.field(place), pa.array(splits, pa.string()))
        manifest = replace(manifest, table=table)
    return replace(manifest, closed=True)


def one_spectrum_a_row(manifest: Manifest) -> Manifest:
    """The same pictures with one row for each, so that spectra can be compared with each other.

    A row with pictures in several spectra becomes as many rows, which are called after it and the spectrum. Rows of one
    picture stay as they are. A caption goes with its picture: ``caption_rgb`` and ``caption_nir`` become ``caption``.

    Args:
        manifest: N rows.

    Raises:
        DataError: a row of several spectra whose pictures are panels of one file: its boxes cannot be told apart here.

    Example:
        >>> rows = {"rgb": ["a.jpg", "b.jpg"], "nir": ["a-ir.jpg", None], "identity": ["1", "2"]}
        >>> apart = one_spectrum_a_row(Manifest.from_columns(rows, root=Path("."), name="some"))
        >>> apart.column("observation"), apart.column("nir"), apart.column("identity")
        (['a.jpg, rgb', 'a.jpg, nir', 'b.jpg'], [None, 'a-ir.jpg', None], ['1', '1', '2'])
    """
    pictures = {spectrum: manifest.column(spectrum) for spectrum in SPECTRA}
    spectra: list[list[Spectrum]] = [
        [spectrum for spectrum in SPECTRA if pictures[spectrum][row]] for row in range(len(manifest))
    ]
    of_spectra = [name for name in manifest.own_columns if name in _OF_SPECTRA]
    if not of_spectra and all(len(names) == 1 for names in spectra):
        return manifest
    crops = manifest.column("crop")
    for row, names in enumerate(spectra):
        if len(names) > 1 and crops[row]:
            raise DataError(
                f"{manifest.name}, row {row} ('{manifest.column('observation')[row]}')",
                found=f"pictures in {' and '.join(names)} with a crop",
                expected="one picture in each row, as spectra are compared",
                remedy="Write a table with a row and a box for each picture: table:FILE",
            )
    rows = np.array([row for row, names in enumerate(spectra) for _ in names], dtype=np.int64)
    of_row: list[Spectrum] = [spectrum for names in spectra for spectrum in names]
    observations = manifest.column("observation")
    columns: dict[str, list[str | None]] = {
        spectrum: [
            pictures[spectrum][row] if name == spectrum else None for row, name in zip(rows, of_row, strict=True)
        ]
        for spectrum in SPECTRA
    }
    columns["observation"] = [
        observations[row] if len(spectra[row]) == 1 else f"{observations[row]}, {name}"
        for row, name in zip(rows, of_row, strict=True)
    ]
    table = manifest.select(rows).table
    for name, cells in columns.items():
        table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), pa.array(cells, pa.string()))
    apart = replace(manifest, table=table.drop_columns(of_spectra))
    if not of_spectra:
        return apart
    said = manifest.cells(_OF_SPECTRA)
    return apart.with_own(
        {
            column: [said[of_spectrum(column, name)][row] for row, name in zip(rows, of_row, strict=True)]
            for column in (CAPTION, PARAPHRASES)
        }
    )


def without_names(manifest: Manifest) -> Manifest:
    """The same rows without what an unsupervised method must not use: identities, and names that could tell them.

    Benchmarks write the identity into the file name, and readers derive observation ids and tracklets from it. So file
    names, crops and the user's own columns are removed too. A method that uses a caption gets it through its network
    (:meth:`reknow.models.network.Network.annotations`), not from here.

    What remains: cameras and their names, times, splits, which scenes and tracklets are equal, and which spectra a row
    has. Observations and pictures are called after their row.

    Example:
        >>> rows = {"rgb": ["0002_c1s1.jpg", "0007_c2s1.jpg"], "identity": ["0002", "0007"], "camera": ["c1", "c2"]}
        >>> hidden = without_names(Manifest.from_columns(rows, root=Path("."), name="some"))
        >>> hidden.column("identity"), hidden.column("rgb"), hidden.column("camera")
        ([None, None], ['row-0', 'row-1'], ['c1', 'c2'])
    """
    numbers = [f"row-{row}" for row in range(len(manifest))]
    columns = {name: manifest.column(name) for name in SCHEMA.names}
    columns["observation"] = numbers
    columns["identity"] = columns["crop"] = [None] * len(manifest)
    for name in NUMBERED:
        numbered: dict[str, str] = {}
        columns[name] = [None if v is None else numbered.setdefault(v, str(len(numbered))) for v in columns[name]]
    for spectrum in SPECTRA:
        columns[spectrum] = [
            None if reference is None else number for reference, number in zip(columns[spectrum], numbers, strict=True)
        ]
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, schema=SCHEMA)
    return replace(manifest, table=table, root=Path(), notes=())


def encode(values: Sequence[str | None], names: Sequence[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Names to integers.

    Args:
        values: N names, None where unknown.
        names: the vocabulary; by default the sorted distinct values.

    Returns:
        (N,) int64 codes, -1 where the value is None or not in `names`; and the vocabulary.

    Example:
        >>> encode(["b", None, "a", "b"])
        (array([ 1, -1,  0,  1]), ['a', 'b'])
    """
    vocabulary = sorted({value for value in values if value is not None}) if names is None else list(names)
    code = {name: number for number, name in enumerate(vocabulary)}
    return np.array([-1 if value is None else code.get(value, -1) for value in values], dtype=np.int64), vocabulary
