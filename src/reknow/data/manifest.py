"""Manifest: the one table that every reader fills and every consumer reads.

A row is an observation: one sight of one object, as one image or as aligned images of several spectra.
Every column but ``observation`` and one spectrum may be empty. Names stay the user's own strings; integer
codes are made where numbers are needed, by :func:`encode`.

Behind these columns stand the user's own, as many as there are (:mod:`reknow.data.columns`). They travel with their
rows and are shown; training looks at none of them unless a network asks for one by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from reknow.data.columns import own_columns, text_column
from reknow.data.levels import Levels, written
from reknow.errors import ContractError, DataError, nearest
from reknow.observation import SPECTRA, Spectrum
from reknow.writing import written_whole

Split = Literal["train", "query", "gallery"]
SPLITS: tuple[Split, ...] = get_args(Split)

SCHEMA = pa.schema(
    [
        pa.field("observation", pa.string(), nullable=False),  # unique in the manifest
        pa.field("identity", pa.string()),
        pa.field("camera", pa.string()),
        pa.field("scene", pa.string()),
        pa.field("time", pa.float64()),  # seconds, any origin that the rows share
        pa.field("tracklet", pa.string()),
        pa.field("split", pa.string()),  # train, query, gallery
        *(pa.field(spectrum, pa.string()) for spectrum in SPECTRA),  # picture references, see pictures.py
        # "left top right bottom" in pixels; for files that hold several panels, one box per spectrum of the
        # row, separated by semicolons, in the order rgb, nir, tir.
        pa.field("crop", pa.string()),
    ]
)

_NAMES = ("identity", "camera", "scene", "tracklet", "split")


@dataclass(frozen=True)
class Manifest:
    """Rows of observations, and where their pictures are.

    Attributes:
        table: an Arrow table of :data:`SCHEMA` and, behind it, own columns of text; empty columns are null throughout.
        root: the folder that picture references are relative to.
        name: the data set's name, for reports.
        protocol: the name of the evaluation protocol that the data set's authors use.
        notes: what a reader wants the user to know (an incomplete download, rows it left out).
        levels: per spectrum, which values of deep pictures are black and white, where the data set names them.
        closed: whether the individuals to search for are those of training, so that the training rows are gallery as
            well; see :func:`reknow.data.closed.closed_set`.
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
        for column in columns:
            if column not in SCHEMA.names:
                raise DataError(
                    f"{name}, column '{column}'",
                    found="unknown column",
                    remedy=f"{nearest(column, SCHEMA.names)}. From Python, others are given as own={{'{column}': ...}}",
                )
        beside = own_columns(own or {}, SCHEMA.names, name)
        lengths = {column: len(values) for column, values in (*columns.items(), *beside.items())}
        if len(set(lengths.values())) > 1:
            raise DataError(
                name, found=f"columns of different lengths {lengths}", remedy="Give every row every column."
            )
        rows = next(iter(lengths.values()), 0)
        filled = {**columns, "observation": _named_observations(columns, rows)}
        arrays = []
        for column in SCHEMA:
            values = filled.get(column.name)
            if values is None:
                arrays.append(pa.nulls(rows, column.type))
            elif pa.types.is_string(column.type):
                if column.name in _NAMES:  # spaces around a name make no other individual
                    values = [v if v is None else str(v).strip() for v in values]
                # An empty cell of a CSV and a missing one mean the same to a user.
                texts = [None if v is None or v == "" else str(v) for v in values]
                arrays.append(text_column(texts, name, column.name))
            else:
                arrays.append(pa.array(values, column.type))
        table = pa.Table.from_arrays(arrays, schema=SCHEMA)
        for column, cells in beside.items():
            table = table.append_column(pa.field(column, pa.string()), cells)
        manifest = cls(table, Path(root), name, protocol, tuple(notes))
        manifest._refuse_nonsense()
        return manifest

    def _refuse_nonsense(self) -> None:
        """What no consumer could handle; everything milder is the doctor's business."""
        observations = self.column("observation")
        if len(set(observations)) < len(observations):
            seen: set[str] = set()
            row, twice = next((i, o) for i, o in enumerate(observations) if o in seen or seen.add(o))  # type: ignore[func-returns-value]
            raise DataError(
                f"{self.name}, row {row}",
                found=f"observation '{twice}' stands twice",
                remedy="Give every row its own observation id.",
            )
        pictures = [self.column(spectrum) for spectrum in SPECTRA]
        for row, references in enumerate(zip(*pictures, strict=True)):
            if not any(references):
                raise DataError(
                    f"{self.name}, row {row} (observation '{observations[row]}')",
                    found="no picture in any spectrum",
                    expected=f"a path in at least one of {', '.join(SPECTRA)}",
                    remedy="Fill one of these columns, or remove the row.",
                )
        for row, split in enumerate(self.column("split")):
            if split is not None and split not in SPLITS:
                raise DataError(
                    f"{self.name}, row {row}, column 'split'", found=f"'{split}'", remedy=nearest(split, SPLITS)
                )

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
            ContractError: a column of the manifest's own. What a network reads beside pictures must not be able to tell
                it an identity, neither in training nor where it is scored.
        """
        taken = [name for name in names if name in SCHEMA.names]
        if taken:
            raise ContractError(
                "columns of a network",
                found=f"'{taken[0]}', a column of every manifest",
                expected="own columns of the user, such as captions; cameras and spectra are in the batch",
                remedy="Name other columns.",
            )
        return self.cells(names)

    def notes_on(self, names: Sequence[str]) -> tuple[str, ...]:
        """What a user should know of columns that a network reads: which are not there, and which have empty cells."""
        notes = []
        for name in names:
            if name not in self.own_columns:
                near = f" {nearest(name, self.own_columns)}." if self.own_columns else ""
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
        picked = np.asarray(rows)
        if picked.dtype == bool:
            picked = np.flatnonzero(picked)
        return replace(self, table=self.table.take(pa.array(picked.astype(np.int64))))

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
        for name in sorted(self.own_columns):  # their order means nothing
            digest.update(repr((name, self.column(name))).encode())
        if self.levels:  # other pixels from the same files
            digest.update(written(self.levels).encode())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write the table as ``.csv`` or ``.parquet``, beside and then renamed, never half.

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


def _named_observations(columns: Mapping[str, Sequence[Any]], rows: int) -> list[str]:
    """The observation ids that a user gave, and for each that is empty its picture's reference and crop."""
    given = columns.get("observation", [None] * rows)
    crops = columns.get("crop", [None] * rows)
    pictures = [columns[spectrum] for spectrum in SPECTRA if spectrum in columns]
    names = []
    for row, (observation, crop) in enumerate(zip(given, crops, strict=True)):
        reference = next((str(column[row]) for column in pictures if column[row]), f"row-{row}")
        names.append(str(observation) if observation else f"{reference}@{crop}" if crop else reference)
    return names


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
