"""The section on patches: the numbers of the table, the panels, and what is said without numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reknow.report.content import RunReport
from reknow.report.page import render
from reknow.report.patches import BUDGET, PANELS_AT_MOST, legend_of, marked_pictures, shares_of


def test_a_table_says_chance_before_after_and_change(chosen, parse):
    page = parse(render(RunReport("t", patches=chosen)))
    assert page.sections == ["patches"]
    rows = page.words("td")
    assert rows == ["50.0", "100.0", "100.0", "+0.0", "50.0", "0.0", "100.0", "+100.0"]
    assert "100.0 to 100.0" in page.words("span")
    text = " ".join(text for _, text in page.texts)
    assert "Means over 2 observations" in text and "The outline in the picture holds" in text


def test_every_picture_has_three_panels_that_say_what_they_are(chosen, parse):
    page = parse(render(RunReport("t", patches=chosen)))
    alts = [image["alt"] for image in page.all("img")]
    assert alts[:5] == ["mark", "mark", "first, picture", "first, before training", "first, after training"]
    assert len(alts) == 8 and page.words("code") == ["first", "second"]
    assert {image["height"] for image in page.all("img")[2:]} == {"320"}
    assert {"taken for the object, whole green frame", "taken for something else, broken red frame"} <= set(
        page.words("li")
    )


def test_without_truth_there_are_pictures_and_no_table(chosen, parse):
    blind = replace(chosen, object_share=None, shares=())
    page = parse(render(RunReport("t", patches=blind)))
    assert len(page.all("img")) == 8 and page.all("table") == []
    assert "outline" not in " ".join(page.words("p"))


def test_without_a_start_there_is_no_before(chosen, parse):
    later = {"after": chosen.after}
    alone = replace(
        chosen,
        selected=later,
        shares=tuple(replace(s, change=None, found={"after": s.found["after"]}) for s in chosen.shares),
    )
    page = parse(render(RunReport("t", patches=alone)))
    assert page.words("th")[:3] == ["Percent", "By chance", "Now"]
    assert len(page.all("img")) == 6


def test_what_users_name_is_escaped(chosen, parse):
    nasty = '<script>alert("x")</script>'
    page = parse(render(RunReport("t", patches=replace(chosen, names=(nasty, "b")))))
    assert page.words("code")[0] == nasty and page.all("script") == []


def test_panels_keep_their_budget(chosen):
    pictures = marked_pictures(chosen)
    assert 0 < sum(shown.bytes for shown in pictures) <= BUDGET


def test_kept_patches_have_lines_of_spectra_and_their_coverage(kept, parse):
    page = parse(render(RunReport("t", patches=kept)))
    alts = [image["alt"] for image in page.all("img")]
    assert alts[:3] == ["mark", "mark", "observation 0, rgb, picture"]
    assert "observation 0, nir, kept before" in alts
    rows = dict(zip(page.words("th")[5:], range(99), strict=False))
    assert list(rows)[:3] == [
        "Precision of kept patches",
        "Precision of kept patches, small objects",
        "Precision of spatial patches",
    ]
    assert page.words("td")[:4] == ["50.0", "0.0", "100.0", "+100.0"]
    text = " ".join(text for _, text in page.texts)
    assert "Recall of kept patches" in text and "before 25.0" in text  # by chance: more is kept than before
    assert "Means over 6 observations" in text and "The outline in the picture" in text


def test_many_panels_mean_fewer_observations(kept, kept_in, chosen):
    pictures = marked_pictures(kept)
    panels = sum(len(panels) for _, panels in pictures[0].lines)
    assert panels == 14 and len(pictures) == 6
    assert len(marked_pictures(kept_in(("rgb", "nir", "tir")))) == PANELS_AT_MOST // 21 == 4
    assert len(marked_pictures(chosen)) == 2


@pytest.mark.parametrize("function", [marked_pictures, shares_of, legend_of])
def test_a_run_that_chooses_nothing_has_no_section(function):
    assert function(None) == []
