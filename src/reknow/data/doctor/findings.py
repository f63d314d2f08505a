"""Findings of the doctor, and the columns that its checks of labels read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from reknow.data.manifest import Manifest

Kind = Literal[
    "empty",
    "file",  # missing, or not to be read
    "picture",  # not a picture, damaged, or too large
    "box",  # without a pixel, reaching outside, or not four numbers
    "size",  # too small or too long to show an object
    "aligned_size",  # spectra of one observation that differ in size
    "contrast",  # a deep picture that is left nearly flat, or that is refused without levels
    "suffix",  # a file whose format differs from its suffix
    "duplicate",  # the same pixels twice
    "leakage",  # the same pixels in train and in query or gallery
    "identity",  # missing
    "identity_in_train_and_test",
    "single_picture",
    "camera",  # missing
    "single_camera",
    "query_without_match",
    "split",  # missing, misspelt, or one half of an evaluation
    "no_training_rows",
]
Severity = Literal["error", "warning"]

TEST = ("query", "gallery")

# Protocols that remove a gallery row of the query's identity and scene; all others take the camera. Their rules are
# values of a higher floor (reknow.evaluation.protocols), so the doctor knows them by name.
SCENE_PROTOCOLS = frozenset({"msvr310"})


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor found.

    Attributes:
        kind: what it is about.
        severity: ``error`` or ``warning``.
        row: the row, or the first of several; -1 where it concerns the whole manifest.
        observation: that row's id; empty for the whole manifest.
        where: names the row for people.
        message: what was found.
        remedy: what to do now.
    """

    kind: Kind
    severity: Severity
    row: int
    observation: str
    where: str
    message: str
    remedy: str


class Rows:
    """The columns that the checks of labels read, as lists, and how a finding names a row."""

    def __init__(self, manifest: Manifest) -> None:
        self.name = manifest.name
        self.observation: list[str] = manifest.column("observation")
        self.identity: list[str | None] = manifest.column("identity")
        self.camera: list[str | None] = manifest.column("camera")
        self.split: list[str | None] = manifest.column("split")
        self.closed = manifest.closed
        """Whether the training rows are gallery as well, on purpose."""
        self.group_name: Literal["camera", "scene"] = "scene" if manifest.protocol in SCENE_PROTOCOLS else "camera"
        self.group: list[str | None] = manifest.column(self.group_name)

    def finding(self, kind: Kind, severity: Severity, row: int, message: str, remedy: str) -> Finding:
        observation = self.observation[row] if row >= 0 else ""
        where = f"{self.name}, row {row} ({observation})" if row >= 0 else self.name
        return Finding(kind, severity, row, observation, where, message, remedy)

    def by_identity(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = defaultdict(list)
        for row, identity in enumerate(self.identity):
            if identity is not None:
                rows[identity].append(row)
        return rows
