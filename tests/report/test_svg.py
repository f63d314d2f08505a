"""Figures take their colors from the page and bring nothing along."""

from __future__ import annotations

import re

from reknow.report.svg import STAND_IN, draw


def test_stand_in_colors_become_variables_and_nothing_else_is_colored():
    plot = draw("two-lines", "Title", 'said "so" & <so>', lambda axes: axes.plot([1, 2], [3, 4], color=STAND_IN.accent))
    assert "var(--accent)" in plot.svg and "var(--muted)" in plot.svg
    assert set(re.findall(r"#[0-9a-f]{6}", plot.svg)) <= {"#000000"}
    assert 'aria-label="said &#34;so&#34; &amp; &lt;so&gt;"' in plot.svg
    assert "http" not in plot.svg and "<style" not in plot.svg and "font-family" not in plot.svg


def test_ids_belong_to_their_figure():
    first, second = (
        draw(name, "Title", "described", lambda axes: axes.plot([1, 2], [3, 4], "o-", color=STAND_IN.bad))
        for name in ("a", "b")
    )
    ids = [set(re.findall(r' id="([^"]+)"', plot.svg)) for plot in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    assert all(name.startswith("a-") for name in ids[0])


def test_a_legend_only_for_more_than_one_line():
    def one(axes):
        axes.plot([1, 2], [3, 4], label="alone")

    assert "alone" not in draw("x", "Title", "described", one).svg
