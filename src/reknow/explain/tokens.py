"""Tokens: which patches TCMM takes for the object and which for something else, and how often rightly.

Two questions are asked where it is known what the pixels show. How often do patches that are taken for something else
lie on background, and how often do those that are taken for the object lie on it? Both are compared with patches drawn
blindly, which would lie there as often as all patches do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reknow.explain.constraint import PatchChoice, choice_of, joined
from reknow.explain.drawing import Pen
from reknow.explain.explanation import MOMENTS, Explanation
from reknow.explain.marks import Mark, negative, positive
from reknow.explain.panels import Panel, enlarged, outlined, paled, paleness
from reknow.explain.patches import boxes
from reknow.explain.sample import Looking
from reknow.explain.shares import Share, fraction, share_of
from reknow.explain.truth import ON_OBJECT, is_known, truth_of
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.models.embedder import Embedder
from reknow.observation import Batch

PANEL = 320
"""Pixels of a panel's longer side: a patch of the papers' 16 x 8 grid gets 20."""


@dataclass(frozen=True, kw_only=True)
class ChosenPatches(Explanation):
    """P pictures with the patches that were taken for the object and for something else.

    Attributes:
        pictures: (P, H, W, 3) as the network sees them, before normalization.
        person: (P, N) of every patch, the share of its pixels that show the person; None where nobody knows.
        choices: "before" and "after" training, or "after" alone.
    """

    pictures: UInt8[np.ndarray, "pictures height width 3"]
    person: Float[np.ndarray, "pictures patches"] | None
    choices: Mapping[str, PatchChoice]

    @property
    def counts(self) -> dict[str, Any]:
        """The same in every picture."""
        choice = self.choices["after"]
        return {
            "pictures": len(self.names),
            "grid": list(choice.grid),
            "patches": choice.similarity.shape[1],
            "positives": int(choice.positive[0].sum()),
            "negatives": int(choice.negative[0].sum()),
        }

    @property
    def summary(self) -> str:
        """How many patches of each kind."""
        counts = self.counts
        chosen = f"{counts['positives']} positive and {counts['negatives']} negative in each"
        return f"{counts['pictures']:,} pictures of {counts['patches']} patches: {chosen}"

    @property
    def about(self) -> str:
        """What the marks and the paleness mean."""
        outline = " The outline holds the patches on the person: those of which she fills at least half."
        return (
            "Which patches of a picture the method took for the object, and which for something else. The paler a "
            "patch, the less similar it is to its picture as a whole." + (outline if self.shares else "")
        )

    @property
    def basis(self) -> str:
        """What is counted."""
        return (
            f"Means over {len(self.names):,} pictures with 95 % intervals over pictures. By chance: the share of all "
            "patches that lie there. What stands before the person is background."
        )

    @property
    def legend(self) -> tuple[tuple[Mark, str], ...]:
        """One mark for each kind."""
        return (
            (positive, "taken for the object, whole green frame"),
            (negative, "taken for something else, broken red frame"),
        )

    def panels(self, row: int) -> dict[str, dict[str, Panel]]:
        """One line: the picture as it is, and as each network chooses in it."""
        plain, grid = enlarged(self.pictures[row], PANEL), self.choices["after"].grid
        picture = plain if self.person is None else outlined(plain, self.person[row] >= ON_OBJECT, grid)
        line = {"picture": np.asarray(picture)}
        for moment, choice in self.choices.items():
            pen = Pen(paled(plain, paleness(choice.similarity[row]), grid))
            for chosen, mark in ((choice.negative[row], negative), (choice.positive[row], positive)):
                for patch in np.flatnonzero(chosen):
                    mark(pen, boxes(grid, (plain.height, plain.width))[patch])
            line[MOMENTS[moment]] = np.asarray(pen.picture())
        return {"": line}


def explain_tokens(constraint: TokenConstraint, looking: Looking) -> ChosenPatches:
    """Let networks choose, and measure the choice where the pictures say what they show.

    Args:
        constraint: how the method chooses.
        looking: who looks at what.

    Raises:
        DataError: see :meth:`~reknow.explain.sample.Looking.sample`.
    """

    def choose(network: Embedder, batch: Batch) -> PatchChoice:
        return choice_of(constraint, network.tokens(batch))

    sample, spectrum = looking.sample(), looking.recognizers["after"].network.spectra[0]
    known = is_known(sample, (spectrum,))
    sample = sample if known else looking.few(sample)
    pictures = looking.pictures(sample)
    choices = {moment: joined(made) for moment, made in looking.choices(sample, pictures, choose).items()}
    person = truth_of(sample, (spectrum,), choices["after"].grid).object_share[spectrum] if known else None
    return ChosenPatches(
        names=tuple(sample.column("observation")),
        pictures=np.asarray(pictures.images[spectrum]),
        person=person,
        choices=choices,
        shares=() if person is None else shares(choices, person),
        notes=looking.notes,
    )


def shares(choices: Mapping[str, PatchChoice], person: Float[np.ndarray, "pictures patches"]) -> tuple[Share, ...]:
    """The answers of one or two networks on the same pictures.

    Args:
        choices: "before" and "after" training, or "after" alone, each of P pictures.
        person: (P, N) of every patch, the share of its pixels that show the person.
    """
    on_person = person >= ON_OBJECT
    return (
        _share(
            "negatives_on_background",
            "Patches taken for something else that lie on background",
            {moment: choice.negative for moment, choice in choices.items()},
            ~on_person,
        ),
        _share(
            "positives_on_person",
            "Patches taken for the object that lie on the person",
            {moment: choice.positive for moment, choice in choices.items()},
            on_person,
        ),
    )


def _share(
    name: str,
    question: str,
    chosen: Mapping[str, Bool[np.ndarray, "pictures patches"]],
    wanted: Bool[np.ndarray, "pictures patches"],
) -> Share:
    found = {moment: fraction((wanted & patches).sum(1), patches.sum(1)) for moment, patches in chosen.items()}
    chance = {moment: fraction(wanted.sum(1), np.full(len(wanted), wanted.shape[1])) for moment in chosen}
    return share_of(name, question, found, chance)
