"""Figures as inline SVG in one style: matplotlib draws, and the page's style sheet colors.

A figure is drawn with stand-in colors that occur nowhere else; in the page each becomes a CSS variable, so that one SVG
serves light, dark and print. Texts stay texts (they can be selected, searched and read aloud), ids are
made unique to the figure, and whatever names an address (metadata, namespaces) is removed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reknow.explain.colors import Theme

STAND_IN = Theme(*(f"#{n:02x}{n:02x}{n:02x}" for n in range(1, 1 + len(fields(Theme)))))
"""The colors to draw with: matplotlib takes only colors, the page takes variables."""

WIDTH, HEIGHT = 6.4, 3.5  # inches of 72 units: two figures side by side fill the page, one fills a phone

# Any: matplotlib's stubs want a literal type that only they know.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reknow",  # without it ids are random and equal content gives unequal files
    "text.parse_math": False,  # a loss term may be named with a dollar sign
    "font.size": 11,
    "text.color": STAND_IN.ink,
    "axes.labelcolor": STAND_IN.muted,
    "axes.edgecolor": STAND_IN.line,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.labelsize": 11,
    "axes.linewidth": 1,
    "axes.formatter.use_mathtext": False,
    "figure.facecolor": "none",
    "grid.color": STAND_IN.line,
    "grid.linewidth": 1,
    "xtick.color": STAND_IN.line,
    "ytick.color": STAND_IN.line,
    "xtick.labelcolor": STAND_IN.muted,
    "ytick.labelcolor": STAND_IN.muted,
    "xtick.major.size": 4,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.6,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0.2,
}


@dataclass(frozen=True)
class Plot:
    """A figure for the page.

    Attributes:
        name: unique on the page, of letters and dashes.
        title: its heading.
        svg: inline SVG.
        description: the same in words; screen readers read it aloud.
        caption: what to note; may be empty.
    """

    name: str
    title: str
    svg: Markup
    description: str
    caption: str = ""


def draw(name: str, title: str, description: str, paint: Callable[[Axes], None], caption: str = "") -> Plot:
    """Draw one figure of the common size.

    Args:
        name, title, description, caption: see :class:`Plot`.
        paint: fills the axes; lines with a label get a legend above the figure.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        paint(axes)
        handles, labels = axes.get_legend_handles_labels()
        if len(labels) > 1:
            figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4))
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return Plot(name, title, _inline(drawn.getvalue(), name, description), description, caption)


def _inline(document: str, name: str, description: str) -> Markup:
    """An SVG document as an element of an HTML page."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # The style element of an inline SVG would apply to the whole page.
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = re.sub(r"font-family: [^;\"]*?sans-serif;? ?", "", body)
    used = set(re.findall(r"(?:url\(|href=\")#([\w-]+)", body))
    body = re.sub(r' id="([\w.-]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", body)
    body = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", body)
    for variable, stand_in in STAND_IN.variables.items():
        body = body.replace(stand_in, f"var(--{variable})")
    body = re.sub(r"\s*\n\s*", " ", body)
    view = re.search(r'viewBox="[^"]+"', body)
    opening = f'<svg class="plot" role="img" aria-label="{escape(description)}" {view[0] if view else ""}>'
    return Markup(opening + body[body.index(">") + 1 :].strip())  # matplotlib escapes every text that it draws
