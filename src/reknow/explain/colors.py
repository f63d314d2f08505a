"""Named colors of everything that is drawn: sheets and panels (PNG), plots and the report's page (light, dark, print).

Good and bad have one lightness in each theme. They are never told apart by color alone: a good frame is whole and a bad
one is broken, and each has a mark of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Theme:
    """One set of colors, as ``#rrggbb``.

    Attributes:
        ink: text.
        muted: text of less weight, and lines for comparison.
        line: rules and grids.
        accent: links, and what a plot is about.
        warm: the second line of a plot, and notes.
        good: matches, and numbers that improved.
        bad: impostors, and numbers that got worse.
        paper: the ground.
        soft: the ground of notes.
        on_mark: a check mark or a cross on its disc.
    """

    ink: str
    muted: str
    line: str
    accent: str
    warm: str
    good: str
    bad: str
    paper: str
    soft: str
    on_mark: str

    @property
    def variables(self) -> dict[str, str]:
        """The colors by the names that a style sheet uses: ``on-mark``."""
        return {field.name.replace("_", "-"): getattr(self, field.name) for field in fields(self)}


LIGHT = Theme(
    ink="#1b1e24",
    muted="#5f6570",
    line="#e2e4e9",
    accent="#2a5bd7",
    warm="#a45a00",
    good="#117a3a",
    bad="#c22a2a",
    paper="#ffffff",
    soft="#f5f6f8",
    on_mark="#ffffff",
)
DARK = Theme(
    ink="#e7e9ee",
    muted="#a1a8b4",
    line="#2d323b",
    accent="#8db1ff",
    warm="#e5a95c",
    good="#4fc480",
    bad="#ff8078",
    paper="#14161b",
    soft="#1c1f26",
    on_mark="#14161b",
)
PRINT = Theme(
    ink="#000000",
    muted="#4a4f58",
    line="#cfd2d8",
    accent="#1f4bbd",
    warm="#8a4b00",
    good="#0b6a30",
    bad="#ad1f1f",
    paper="#ffffff",
    soft="#f5f6f8",
    on_mark="#ffffff",
)

# Sheets are drawn on white, in the light theme. Blue and orange are for marks that are neither good nor bad.
INK, MUTED, GOOD, BAD, BLUE, ORANGE = LIGHT.ink, LIGHT.muted, LIGHT.good, LIGHT.bad, LIGHT.accent, LIGHT.warm

BLANK, HATCHING = "#f0f1f4", "#c9cdd5"
"""Of a panel or a patch that shows nothing, and of the strokes over a patch that is taken out."""

SAMPLE_GROUND = "#d5d8df"
"""The ground of a mark's sample in a legend: light and dark strokes both show on it."""
