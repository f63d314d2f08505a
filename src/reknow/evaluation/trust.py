"""Trust: how far groups of unlabelled pictures can be believed.

Without labels nobody knows. What can be known is one number and what speaks against it.

**Support**, from 0 to 1 (:mod:`reknow.clustering.final_groups`): how far two halves of the features make the same
groups, times the share of pictures that are in a group. Over the sets of docs/measured/trust.json it has a rank
correlation of 0.94 with the true adjusted Rand index, and lies up to 0.2 above it. It is necessary, not sufficient:
poses and light are in both halves, too. So beside it stands what contradicts the groups:

- groups with two pictures that one camera took at one moment, and tracklets that are split (:mod:`.conflicts`);
- how far size, color and sharpness of the pictures alone explain the groups (:mod:`.appearance`);
- how many individuals the user expects.

The last word has a person: :mod:`.audit`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from reknow.clustering.final_groups import FinalGroups
from reknow.data.embeddings import Embeddings
from reknow.errors import EvaluationError
from reknow.evaluation.appearance import AppearanceShares, explained_by_appearance
from reknow.evaluation.conflicts import Conflicts, conflicts_of

# Where the points of docs/tasks/own-data.md part: above the first most groups are of one individual and whole, below
# the last hardly any is.
_MOSTLY, _PARTLY, _HARDLY = 0.6, 0.35, 0.15
# The true groups of groceries, which have colors of their own, are explained to 0.51, but to 0.02 by size or sharpness
# alone; those of people and characters to at most 0.04. Below 40 pictures chance alone reaches 0.3.
_EXPLAINED, _EXPLAINED_WITHOUT_COLOR, _ENOUGH_PICTURES = 0.6, 0.15, 40
_CONFLICTING = 0.05  # share of groups, or of tracklets, from which on a conflict is said


@dataclass(frozen=True)
class Expected:
    """How many individuals a user expects.

    Attributes:
        least: at least so many.
        most: at most so many.
    """

    least: int
    most: int

    @classmethod
    def of(cls, text: str) -> Expected:
        """``100:300``, or one number.

        Raises:
            EvaluationError: another text, or a range that is empty.

        Example:
            >>> Expected.of("100:300"), Expected.of("12")
            (Expected(least=100, most=300), Expected(least=12, most=12))
        """
        ends = [part.strip() for part in text.split(":")]
        numbers = [int(part) for part in ends if part.isascii() and part.isdecimal() and len(part) < 10]
        if len(numbers) != len(ends) or len(ends) > 2 or not 1 <= numbers[0] <= numbers[-1]:
            raise EvaluationError(
                "--expect-individuals",
                found=f"'{text}'",
                expected="a number of individuals, or a range such as 100:300",
                remedy="Write whole numbers from 1 on, the smaller one first.",
            )
        return cls(numbers[0], numbers[-1])

    def __str__(self) -> str:
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


@dataclass(frozen=True)
class Trust:
    """How far groups can be believed.

    Attributes:
        support: from 0 to 1; None where nothing can be said.
        agreement: of the groups by two halves of the features, an adjusted Rand index; None likewise.
        grouped: share of the pictures that are in a group.
        reason: why nothing can be said; else empty.
        individuals: groups that were made.
        expected: individuals that the user expects; None where she did not say.
        conflicts: with cameras, moments and tracklets.
        appearance: what size, color and sharpness explain; None where they were not measured.
    """

    support: float | None
    agreement: float | None
    grouped: float
    reason: str
    individuals: int
    expected: Expected | None
    conflicts: Conflicts
    appearance: AppearanceShares | None

    @property
    def sentence(self) -> str:
        """The one honest sentence, with its number."""
        if self.support is None:
            return f"How far to believe these groups cannot be said: {self.reason}."
        moment = self.conflicts.same_moment
        # A group with two pictures of one moment holds two individuals, whatever the features say.
        credible = self.support * (1 - (moment.share if moment is not None else 0))
        believed = (
            "Most of these groups can be believed"
            if credible >= _MOSTLY
            else "About half of what these groups say can be believed"
            if credible >= _PARTLY
            else "Little of what these groups say can be believed"
            if credible >= _HARDLY
            else "Do not believe these groups"
        )
        halves = f"two halves of the features agree to {self.agreement:.2f}"
        grouped = f"{100 * self.grouped:.0f} % of the pictures are in a group"
        contradicted = "" if not moment else f"; {moment.count:,} of {moment.among:,} groups are contradicted"
        return f"{believed}: support {self.support:.2f} of 1 ({halves}, and {grouped}{contradicted})."

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against the groups."""
        return (*self._counted(), *self._contradicted(), *self._explained())

    def _counted(self) -> list[str]:
        if self.expected is None or self.expected.least <= self.individuals <= self.expected.most:
            return []
        merged = self.individuals < self.expected.least
        why = (
            "groups may hold several individuals, or individuals may be in no group"
            if merged
            else "individuals may be split between groups"
        )
        groups = "1 group" if self.individuals == 1 else f"{self.individuals:,} groups"
        return [f"{groups} where {self.expected} individuals are expected: {why}."]

    def _contradicted(self) -> list[str]:
        said = []
        for conflict, words in (
            (
                self.conflicts.same_moment,
                "groups hold two pictures of one moment at one place, so two individuals",
            ),
            (self.conflicts.split_tracklets, "tracklets are split between groups"),
        ):
            if conflict is not None and conflict.share >= _CONFLICTING:
                such = " and ".join(conflict.examples[0])
                said.append(f"{conflict.count:,} of {conflict.among:,} {words}, such as {such}.")
        return said

    def _explained(self) -> list[str]:
        if self.appearance is None or self.appearance.queries < _ENOUGH_PICTURES:
            return []
        alone = self.appearance.alone
        plain = max(("size", "sharpness"), key=lambda measure: alone[measure])
        if alone[plain] >= _EXPLAINED_WITHOUT_COLOR:
            return [
                f"The {plain} of the pictures alone explains {alone[plain]:.2f} of the groups (0 is chance), and no "
                "individual has one: they may be groups of distance, pose or camera."
            ]
        if self.appearance.largest >= _EXPLAINED:
            return [
                f"Size, color and sharpness of the pictures alone explain {self.appearance.largest:.2f} of the groups "
                "(0 is chance): unless individuals have colors of their own, they are groups of light."
            ]
        return []

    def as_json(self) -> dict[str, object]:
        """Everything, as plain values."""
        kinds = {
            "same_moment": self.conflicts.same_moment,
            "split_tracklets": self.conflicts.split_tracklets,
            "partly_grouped": self.conflicts.partly_grouped,
        }
        return {
            "support": self.support,
            "agreement": self.agreement,
            "grouped": self.grouped,
            "sentence": self.sentence,
            "warnings": list(self.warnings),
            "expected_individuals": None if self.expected is None else [self.expected.least, self.expected.most],
            "conflicts": {
                name: None if kind is None else {"count": kind.count, "among": kind.among}
                for name, kind in kinds.items()
            },
            "appearance": None
            if self.appearance is None
            else {"together": self.appearance.together, **self.appearance.alone},
        }


def trust_in(final: FinalGroups, embeddings: Embeddings, expected: Expected | None = None) -> Trust:
    """How far the groups of embedded pictures can be believed.

    Args:
        final: the groups of these rows.
        embeddings: N rows, with measures where pictures were measured.
        expected: how many individuals the user expects.

    Raises:
        EvaluationError: groups of other rows.
    """
    labels: Int[np.ndarray, "rows"] = final.groups.labels
    if len(labels) != len(embeddings):
        raise EvaluationError(
            "groups",
            found=f"{len(labels)} rows for {len(embeddings)} embeddings",
            expected="a group for each row",
            remedy="Group these embeddings.",
        )
    halves = final.halves if final.halves is not None and final.halves.agreement is not None else None
    return Trust(
        support=None if halves is None else halves.support,
        agreement=None if halves is None else halves.agreement,
        grouped=float((labels >= 0).mean()) if len(labels) else 0.0,
        reason=final.reason,
        individuals=final.groups.num_clusters,
        expected=expected,
        conflicts=conflicts_of(labels, embeddings.manifest),
        appearance=explained_by_appearance(labels, embeddings.measures, embeddings.manifest.codes("tracklet")),
    )
