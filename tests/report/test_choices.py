"""The section on patches: the numbers of the table, the panels, and what is said without numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reknow.report.choices import BUDGET, marked_pictures, shares_of
from reknow.report.content import RunReport
from reknow.report.page import render


def test_a_table_says_chance_before_after_and_change(chosen, parse):
    page = parse(render(RunReport("t", patches=chosen)))
    assert page.sections == ["patches"]
    rows = page.words("td")
    assert rows == ["50.0", "0.0", "100.0", "+100.0", "50.0", "100.0", "100.0", "+0.0"]
    assert "100.0 to 100.0" in page.words("span")
    text = " ".join(text for _, text in page.texts)
    assert "Means over 2 pictures" in text and "The outline holds" in text


def test_every_picture_has_three_panels_that_say_what_they_are(chosen, parse):
    page = parse(render(RunReport("t", patches=chosen)))
    alts = [image["alt"] for image in page.all("img")]
    assert alts[:3] == [
        "first, picture",
        "first, chosen patches before training",
        "first, chosen patches after training",
    ]
    assert len(alts) == 6 and page.words("code") == ["first", "second"]
    assert {image["height"] for image in page.all("img")} == {"320"}


def test_without_truth_there_are_pictures_and_no_table(chosen, parse):
    blind = replace(chosen, person=None, shares=())
    page = parse(render(RunReport("t", patches=blind)))
    assert len(page.all("img")) == 6 and page.all("table") == []
    assert "outline" not in " ".join(page.words("p"))


def test_without_a_start_there_is_no_before(chosen, parse):
    later = {"after": chosen.choices["after"]}
    alone = replace(
        chosen,
        choices=later,
        shares=tuple(replace(s, change=None, found={"after": s.found["after"]}) for s in chosen.shares),
    )
    page = parse(render(RunReport("t", patches=alone)))
    assert page.words("th")[:3] == ["Percent", "By chance", "Now"]
    assert len(page.all("img")) == 4


def test_what_users_name_is_escaped(chosen, parse):
    nasty = '<script>alert("x")</script>'
    page = parse(render(RunReport("t", patches=replace(chosen, names=(nasty, "b")))))
    assert page.words("code")[0] == nasty and page.all("script") == []


def test_panels_keep_their_budget(chosen):
    pictures = marked_pictures(chosen)
    assert 0 < sum(shown.bytes for shown in pictures) <= BUDGET


@pytest.mark.parametrize("function", [marked_pictures, shares_of])
def test_a_run_that_chooses_nothing_has_no_section(function):
    assert function(None) == []
