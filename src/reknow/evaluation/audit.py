"""The audit of a grouping: which pairs of pictures a person compares, and what her answers say of the groups.

Without labels the precision of a grouping can still be measured: the share of the pairs of pictures in one group that
show one individual. A person answers for a sample of them, and :mod:`.stratified` makes the estimate. What no such
sample measures is how many individuals stand in several groups. Decided:

- The unit is the pair, so a group counts by its number of pairs: one of 100 pictures as much as 110 of ten.
- Strata are small, medium and large groups, divided so that each has about a third of all pairs; groups of one size
  stay together. Every stratum has at least :data:`AT_LEAST` pairs in the sample, so that small groups are not left
  out, and the other pairs are divided in proportion.
- Where vectors are given, each of these is halved into pairs of near and of far pictures, because errors are mostly
  far pairs. Where a fifth of simulated groups merge two individuals, the interval of 50 answers is 0.15 wide and not
  0.17.
- Pairs are drawn by number and never listed. Halves are those of a first draw of :data:`FIRST_DRAW` pairs, or of all,
  if they are no more: the estimate remains unbiased, and its standard error grows by less than 0.005.
- The order of the sample is random, so that the first half of the answers is a sample, too.
- Unsure is no answer. A stratum without an answer is left out, as if it were like the others, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from reknow.errors import EvaluationError
from reknow.evaluation.stratified import stratified_share

Answer = Literal["yes", "no", "unsure", ""]
"""Whether a pair shows one individual; empty where nobody answered."""

ANSWERS: tuple[Answer, ...] = get_args(Answer)

AT_LEAST = 3
"""Pairs of each stratum in the sample, if it has as many; with smaller samples there are fewer strata."""

FIRST_DRAW = 10_000
"""Pairs of a stratum whose similarities are compared; of more, so many are drawn."""

_SIZE_CLASSES = 3
_BLOCK = 1_000  # pairs whose vectors are multiplied at once: 16 MB at 2,048 numbers each


@dataclass(frozen=True)
class Stratum:
    """Pairs that are drawn together.

    Attributes:
        sizes: pictures of its smallest and of its largest group.
        half: whether the pictures of its pairs are nearer to each other than in the other half; empty if not halved.
        pairs: how many pairs it has.
    """

    sizes: tuple[int, int]
    half: Literal["near", "far", ""]
    pairs: int

    @property
    def name(self) -> str:
        """In words.

        Example:
            >>> Stratum((2, 7), "near", 40).name
            'groups of 2 to 7: near'
        """
        smallest, largest = self.sizes
        sizes = f"groups of {smallest}" if smallest == largest else f"groups of {smallest} to {largest}"
        return f"{sizes}: {self.half}" if self.half else sizes


@dataclass(frozen=True)
class AuditPair:
    """Two pictures of one group.

    Attributes:
        group: its label.
        stratum: its position in :attr:`Audit.strata`.
        first, second: rows of the labels; different.
    """

    group: int
    stratum: int
    first: int
    second: int


@dataclass(frozen=True)
class Audit:
    """A sample of pairs, and the answers.

    Attributes:
        strata: all pairs of the grouping, in parts.
        pairs: the sample, in the order in which it is answered.
        answers: one for each pair; without any, all are empty.
    """

    strata: tuple[Stratum, ...]
    pairs: tuple[AuditPair, ...]
    answers: tuple[Answer, ...] = ()

    def __post_init__(self) -> None:
        if not self.answers:
            object.__setattr__(self, "answers", ("",) * len(self.pairs))
        if len(self.answers) != len(self.pairs):
            raise EvaluationError(
                "audit",
                found=f"{len(self.answers)} answers for {len(self.pairs)} pairs",
                remedy="Give one for each pair; '' means that there is none.",
            )


@dataclass(frozen=True)
class StratumResult:
    """The answers in one stratum: of `sampled` pairs `answered` with yes or no, `yes` of them with yes."""

    stratum: Stratum
    sampled: int
    answered: int
    yes: int


@dataclass(frozen=True)
class AuditResult:
    """What an audit says.

    Attributes:
        precision: share of the pairs in one group that show one individual, estimated from the answers yes and no.
        interval: its 95 % interval.
        unsure_as_no, unsure_as_yes: the estimate if every unsure pair were a no, or a yes.
        yes, no, unsure, empty: how many pairs have this answer.
        strata: the answers by stratum.
        notes: sentences on what is missing.
    """

    precision: float
    interval: tuple[float, float]
    unsure_as_no: float
    unsure_as_yes: float
    yes: int
    no: int
    unsure: int
    empty: int
    strata: tuple[StratumResult, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def answered(self) -> int:
        """Pairs with yes or no."""
        return self.yes + self.no


# --- The sample -------------------------------------------------------------------------------------------------------


def audit_pairs(
    labels: Int[np.ndarray, "rows"],
    count: int,
    seed: int = 0,
    *,
    vectors: Float[np.ndarray, "rows dim"] | None = None,
) -> Audit:
    """Draw pairs of pictures that stand in one group; equal arguments give equal pairs.

    Args:
        labels: (N,) group of each picture, -1 = in none.
        count: pairs to draw; if there are no more than so many, all are taken.
        seed: of the draws.
        vectors: (N, D) unit vectors, by whose products near and far pairs are told apart; None: they are not.

    Raises:
        EvaluationError: `count` below 1, or no group of two pictures or more.

    Example:
        >>> drawn = audit_pairs(np.array([0, 0, 1, 1, 1, -1]), count=100)
        >>> sorted((pair.first, pair.second) for pair in drawn.pairs)
        [(0, 1), (2, 3), (2, 4), (3, 4)]
    """
    strata = audit_strata(labels, count, halved=vectors is not None)
    shares = _shares([stratum.pairs for stratum in strata], count)
    generator = np.random.default_rng(seed)
    drawn: list[AuditPair] = []
    for sizes in dict.fromkeys(stratum.sizes for stratum in strata):
        places = [place for place, stratum in enumerate(strata) if stratum.sizes == sizes]
        pairs = _Pairs(labels, sizes)
        numbers = generator.choice(len(pairs), min(len(pairs), max(FIRST_DRAW, 2 * count)), replace=False)
        rows = pairs.rows(numbers)
        if len(places) > 1 and vectors is not None:
            order = np.argsort(-_similarities(vectors, rows), kind="stable")
            parts = np.split(order, [len(order) - len(order) // 2])  # the near ones first, as in audit_strata
        else:
            parts = [np.arange(len(rows))]
        for place, part in zip(places, parts, strict=True):
            chosen = rows[generator.permutation(part)[: shares[place]]]
            drawn += [AuditPair(int(labels[first]), place, first, second) for first, second in chosen.tolist()]
    return Audit(strata, tuple(drawn[place] for place in generator.permutation(len(drawn))))


def audit_strata(labels: Int[np.ndarray, "rows"], count: int, *, halved: bool) -> tuple[Stratum, ...]:
    """The strata from which a sample of `count` pairs is drawn: all pairs of pictures in one group.

    Args:
        labels: (N,) group of each picture, -1 = in none.
        count: pairs of the sample, which decides how many strata there can be.
        halved: whether near and far pairs are told apart.

    Raises:
        EvaluationError: `count` below 1, or no group of two pictures or more.

    Example:
        >>> [(part.name, part.pairs) for part in audit_strata(np.repeat([0, 1, 2], [2, 3, 4]), 50, halved=False)]
        [('groups of 2 to 3', 4), ('groups of 4', 6)]
    """
    if count < 1:
        raise EvaluationError("audit", found=f"{count} pairs", expected="1 or more", remedy="50 are usual.")
    of_groups = np.unique(labels[labels >= 0], return_counts=True)[1].astype(np.int64)
    sizes, groups = np.unique(of_groups[of_groups >= 2], return_counts=True)
    if not len(sizes):
        raise EvaluationError(
            "audit",
            found="no group of two pictures, so no pair to compare"
            if len(of_groups)
            else f"no group: all of {len(labels):,} pictures are in none",
            expected="a group of two pictures or more",
            remedy="Change the grouping first: a larger --eps or a smaller --min-samples makes more groups.",
        )
    pairs = groups * sizes * (sizes - 1) // 2
    count = min(count, int(pairs.sum()))
    halves = 2 if halved and count >= 2 * AT_LEAST else 1
    classes = int(np.clip(count // (AT_LEAST * halves), 1, _SIZE_CLASSES))
    # A size belongs where the middle of its pairs lies among all, so that a class has about an equal part of them.
    belongs = (classes * (2 * np.cumsum(pairs) - pairs)) // (2 * pairs.sum())
    strata: list[Stratum] = []
    for number in np.unique(belongs):
        among = belongs == number
        spanned, total = (int(sizes[among][0]), int(sizes[among][-1])), int(pairs[among].sum())
        if halves == 1 or total == 1:
            strata.append(Stratum(spanned, "", total))
        else:
            strata += [Stratum(spanned, "near", total - total // 2), Stratum(spanned, "far", total // 2)]
    return tuple(strata)


def _shares(pairs: Sequence[int], count: int) -> list[int]:
    """How many pairs each stratum gives to the sample: some of each, then in proportion, and never more than it has."""
    total = sum(pairs)
    shares = [min(AT_LEAST, available, count // len(pairs)) for available in pairs]
    for _ in range(min(count, total) - sum(shares)):
        lacking = [
            count * available / total - share if share < available else -np.inf
            for available, share in zip(pairs, shares, strict=True)
        ]
        shares[int(np.argmax(lacking))] += 1
    return shares


class _Pairs:
    """The pairs of pictures in groups of certain sizes, numbered from 0 and not listed.

    Args:
        labels: (N,) group of each picture.
        sizes: pictures of the smallest and of the largest group.
    """

    def __init__(self, labels: Int[np.ndarray, "rows"], sizes: tuple[int, int]) -> None:
        self.order = np.argsort(labels, kind="stable")  # the rows of a group follow each other
        groups, starts, counts = np.unique(labels[self.order], return_index=True, return_counts=True)
        among = (groups >= 0) & (counts >= sizes[0]) & (counts <= sizes[1])
        self.starts, counts = starts[among], counts[among].astype(np.int64)
        self.ends = np.cumsum(counts * (counts - 1) // 2)  # one past the last number of each group

    def __len__(self) -> int:
        return int(self.ends[-1])

    def rows(self, numbers: Int[np.ndarray, "pairs"]) -> Int[np.ndarray, "pairs 2"]:
        """(n, 2) the two rows of each pair, the lower first. In a group, pair k(k-1)/2 + j is of pictures j < k."""
        group = np.searchsorted(self.ends, numbers, side="right")
        within = numbers - np.concatenate([[0], self.ends])[group]
        # The root is exact enough below 2^53, so in groups of up to 47 million pictures.
        second = ((1 + np.sqrt(1 + 8 * within)) / 2).astype(np.int64)
        first = within - second * (second - 1) // 2
        return self.order[self.starts[group][:, None] + np.stack([first, second], axis=1)]


def _similarities(
    vectors: Float[np.ndarray, "rows dim"], rows: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, "pairs"]:
    """(n,) the products of the pairs' vectors."""
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    return np.concatenate([np.einsum("pd,pd->p", vectors[block[:, 0]], vectors[block[:, 1]]) for block in blocks])


# --- The estimate -----------------------------------------------------------------------------------------------------


def audit_result(audit: Audit) -> AuditResult:
    """The precision that the answers show.

    Raises:
        EvaluationError: no pair is answered with yes or no.
    """
    place = np.array([pair.stratum for pair in audit.pairs], dtype=np.int64)
    given = np.array(audit.answers)
    count = {answer: np.bincount(place[given == answer], minlength=len(audit.strata)) for answer in ANSWERS}
    yes, no, unsure, empty = (count[answer] for answer in ANSWERS)
    if not (yes + no).any():
        raise EvaluationError(
            "audit",
            found=f"no pair of {len(audit.pairs)} is answered with yes or no ({unsure.sum()} unsure)",
            remedy="Answer some pairs first.",
        )
    pairs = np.array([stratum.pairs for stratum in audit.strata], dtype=np.int64)
    answered = yes + no > 0
    estimate = stratified_share(pairs[answered], (yes + no)[answered], yes[answered])
    decided = yes + no + unsure
    as_no, as_yes = (
        stratified_share(pairs[decided > 0], decided[decided > 0], positive[decided > 0]).mean
        for positive in (yes, yes + unsure)
    )
    notes = []
    if empty.any():
        notes.append(f"{empty.sum()} of {len(audit.pairs)} pairs have no answer yet: with more, the interval narrows.")
    if not answered.all():
        names = ", ".join(stratum.name for stratum, known in zip(audit.strata, answered, strict=True) if not known)
        part = pairs[~answered].sum() / pairs.sum()
        notes.append(
            f"No pair is answered of {names} ({100 * part:.0f} % of all pairs): the precision is of the others."
        )
    return AuditResult(
        precision=estimate.mean,
        interval=(estimate.low, estimate.high),
        unsure_as_no=as_no,
        unsure_as_yes=as_yes,
        yes=int(yes.sum()),
        no=int(no.sum()),
        unsure=int(unsure.sum()),
        empty=int(empty.sum()),
        strata=tuple(
            StratumResult(stratum, int(sampled), int(known), int(positive))
            for stratum, sampled, known, positive in zip(audit.strata, decided + empty, yes + no, yes, strict=True)
        ),
        notes=tuple(notes),
    )
