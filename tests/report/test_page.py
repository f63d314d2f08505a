"""The page as a whole: what stands on it, what it never does, and that it is written whole or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reknow.errors import RunError
from reknow.evaluation.conflicts import Conflict, Conflicts
from reknow.evaluation.trust import Expected, Trust
from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.attention_maps import AttentionMaps
from reknow.explain.colors import DARK, LIGHT, PRINT
from reknow.explain.patches import ObjectMasks
from reknow.explain.precision_recall import share_of
from reknow.methods.diagnostic import Diagnostic
from reknow.report import page
from reknow.report.content import Group, RankedPicture, RankRow, RunReport
from reknow.report.images import legend_thumbnails, marked_pictures
from reknow.report.numbers import shares_of
from reknow.report.page import DIAGNOSTICS, render, write_report
from reknow.training.records import Metrics, StepLine

NASTY = '<script>alert("x")</script> & \'quoted\' "double".jpg'


def test_a_whole_run_has_every_section_in_order_and_each_is_linked(source, parse):
    page = parse(source)
    assert page.sections == ["numbers", "rankings", "retrieval", "groups", "training", "recipe", "machine"]
    assert [link["href"] for link in page.all("a")] == [f"#{section}" for section in page.sections]
    assert page.words("h1") == ["cluster_contrast on world:target"]
    assert page.all("html")[0]["lang"] == "en"


def test_numbers_are_printed_as_given_with_their_intervals_and_the_difference_of_what_is_printed(source, parse):
    page = parse(source)
    text = " ".join(text for _, text in page.texts)
    assert page.words("strong")[:2] == ["64.9", "78.2"]
    # 64.94 - 41.26 = 23.68, but the page shows 64.9 and 41.3, and a reader will subtract these.
    assert "+23.6 points" in text
    assert "from 41.3 %" in text
    assert "95 % interval 61.8 to 67.9, before 38.2 to 44.5, change +21.4 to +25.7" in text
    assert "-2.3" in text  # mINP fell, and the page says so
    assert "Protocol market, 1,300 queries, 7 of them without a match and not scored" in text
    assert "3 min 32 s" in text and "412 images/s" in text and "2.3 GB" in text


def test_notes_stand_before_the_numbers(whole, source):
    assert source.index("the same-camera rule is off") < source.index('id="numbers"')
    assert 'class="notes"' not in render(replace(whole, summary={**whole.summary, "notes": []}))


def test_without_labels_the_page_leads_with_groups_and_says_what_cannot_be_known(unlabelled, parse):
    page = parse(render(unlabelled))
    assert page.sections == ["numbers", "groups", "training", "recipe"]
    text = " ".join(text for _, text in page.texts)
    assert "carry no identities" in text
    assert "reknow evaluate RUN --data table:labels.csv" in text
    assert page.words("dd")[-3:] == ["120", "11", "25.0 %"]  # images, groups of the last epoch, share in no group
    assert "Purity" not in text and "identities in the data" not in text
    assert not re.search(r"\bnan\b|None", text)


@pytest.mark.parametrize(("content", "section"), [("unlabelled", "numbers"), ("whole", "groups")])
def test_how_far_to_believe_the_groups_is_the_first_sentence_about_them(content, section, request):
    nothing = Conflicts(Conflict(3, 4, (("<a>", "b"),)), None, None)
    trust = Trust(0.54, 0.66, 0.82, "", 24, Expected(100, 300), nothing, None)
    source = render(replace(request.getfixturevalue(content), trust=trust))
    shown = source[source.index(f'<section id="{section}"') :]
    said = [shown.index(text) for text in ("Do not believe these groups", "24 groups where", "3 of 4 groups hold two")]
    assert said == sorted(said)
    assert said[-1] < shown.index("</section>")
    assert source.count("Do not believe these groups") == 1
    assert "&lt;a&gt; and b" in shown


def test_queries_without_any_match_are_not_taken_for_missing_labels(unlabelled):
    summary = {
        **unlabelled.summary,
        "mAP": float("nan"),
        "rank1": float("nan"),
        "queries": 5,
        "queries_without_match": 5,
    }
    text = render(replace(unlabelled, summary=summary))
    assert "None of the 5 queries has a match" in text
    assert "carry no identities" not in text
    assert "nan" not in text


def test_an_evaluation_alone_has_no_curves_and_no_before(whole, parse):
    summary = {key: value for key, value in whole.summary.items() if key != "start"}
    intervals = {"mAP": (61.8, 67.9)}
    alone = replace(
        whole, summary=summary, intervals=intervals, metrics=Metrics(), cmc={"after": whole.cmc["after"]},
        average_precision={"after": whole.average_precision["after"]}, groups=None, recipe="",
    )  # fmt: skip
    page = parse(render(alone))
    assert page.sections == ["numbers", "rankings", "retrieval", "machine"]
    assert page.words("th")[:2] == ["Percent", "Now"]
    assert "points" not in " ".join(page.words("span"))
    assert "Change per query" not in page.words("h3")


def test_a_title_alone_makes_a_page_without_empty_headings(parse):
    page = parse(render(RunReport("nothing yet")))
    assert page.sections == [] and page.all("h2") == [] and page.all("nav") == []


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(source, parse):
    page = parse(source)
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            if name in attributes:
                assert re.match(r"data:|#", attributes[name]), attributes[name]
        assert not any(name.startswith("on") for name in attributes)
    assert not page.all("script") and not page.all("iframe")
    assert "://" not in source and "@import" not in source
    assert not re.search(r"url\((?!#)", source)
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy["content"].startswith("default-src 'none'")


def test_every_picture_and_figure_has_a_text_and_every_id_is_unique(source, parse):
    page = parse(source)
    assert page.all("img") and all(image["alt"] for image in page.all("img"))
    for drawing in page.all("svg"):
        assert drawing.get("aria-hidden") == "true" or len(drawing["aria-label"]) > 20
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="|url\(|aria-labelledby=")#?([\w-]+)(?=["\)])', source):
        assert reference in ids or reference == "data"


def test_hits_and_misses_differ_by_more_than_color(source, parse):
    page = parse(source)
    frames = [attributes["class"] for attributes in page.all("li") if attributes.get("class", "").startswith("framed")]
    assert frames[:3] == ["framed hit", "framed miss", "framed hit"]
    alts = [image["alt"] for image in page.all("img")]
    assert alts[:3] == ["query query.jpg", "rank 1, match, similarity 0.90", "rank 2, no match, similarity 0.80"]
    assert "border: 3px dashed" in source
    assert page.words("h3")[:3] == ["Best queries", "Typical queries", "Worst queries"]


def test_groups_say_their_size_purity_and_impostors(source, parse):
    page = parse(source)
    assert page.words("h3")[-7:-5] == ["Group 4", "In no group"]
    assert {"12 images", "1 image", "purity 50 %"} <= set(page.words("p"))
    assert "Group 4, image 2, another identity" in [image["alt"] for image in page.all("img")]


def test_what_users_name_is_escaped_everywhere(whole, picture, parse):
    row = RankRow("best", picture(0), NASTY, 0.5, [RankedPicture(picture(1), True, 0.5, NASTY)], NASTY)
    nasty = replace(
        whole, title=NASTY, summary={**whole.summary, "dataset": NASTY, "notes": [NASTY]}, rank_sheets=[row],
        groups=[Group(NASTY, 2, [picture(1)])], recipe=NASTY, machine={NASTY: NASTY},
        metrics=Metrics.of(StepLine(0, step, {f"loss/{NASTY}": 1.0}, 100.0, 0.1) for step in (1, 2)),
    )  # fmt: skip
    source = render(nasty)
    page = parse(source)
    assert "<script" not in source
    assert page.words("h1") == [NASTY] and page.words("pre") == [NASTY] and page.words("code")[0] == NASTY
    assert f"query {NASTY}" in [image["alt"] for image in page.all("img")]


def test_the_page_has_the_named_colors_and_no_others(whole, chosen):
    text = render(replace(whole, patches=chosen))
    used = set(re.findall(r"var\(--([a-z-]+)\)", text)) - {"panels", "panel"}
    assert used == set(LIGHT.variables)
    for theme in (LIGHT, DARK, PRINT):
        assert all(f"--{name}: {color};" in text for name, color in theme.variables.items())
    assert not re.search(r"#[0-9a-f]{3}", (Path(page.__file__).parent / "page.css").read_text(encoding="utf-8"))


def test_equal_content_gives_equal_bytes(whole, source):
    assert render(whole) == source


def test_the_page_stays_small_whatever_the_pictures_are(whole):
    large = [np.random.default_rng(n).integers(0, 255, (400, 300, 3), dtype=np.uint8) for n in range(24)]
    rows = [RankRow("best", large[0], "q", 0.5, [RankedPicture(p, True, 0.5) for p in large[:10]])] * 6
    source = render(replace(whole, rank_sheets=rows, groups=[Group(str(n), 10, large[:10]) for n in range(6)]))
    assert len(source.encode()) < 3_000_000


def test_at_most_ten_pictures_of_a_ranking_are_drawn(picture, parse):
    row = RankRow("best", picture(0), "q", None, [RankedPicture(picture(n), True, 0.5) for n in range(12)])
    other = RankRow("best", picture(0, 20, 50), "r", None, [RankedPicture(picture(1, 20, 40), True, 0.5)])
    page = parse(render(RunReport("t", rank_sheets=[row, other], groups=[Group("0", 1, [picture(2, 20, 30)])])))
    assert [image["width"] for image in page.all("img")] == ["30"] + ["16"] * 11 + ["50", "40"]


def test_writing_replaces_the_file_whole_and_leaves_nothing_beside(whole, source, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(whole, path) == path
    assert path.read_text(encoding="utf-8") == source
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(RunError, match=r"absent.report\.html"):
        write_report(RunReport("t"), tmp_path / "absent" / "report.html")


def test_a_report_that_cannot_be_finished_leaves_the_old_one_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(type(path), "replace", full)
    with pytest.raises(RunError, match="no space left"):
        write_report(RunReport("t"), path)
    assert path.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_wide_pictures_have_half_as_many_in_a_line_and_the_panels_are_named(whole, picture, parse):
    assert not [tag for tag in parse(render(whole)).all("div") if "wide" in tag.get("class", "")]
    wide = replace(whole.rank_sheets[0], picture=picture(1, 16, 50), spectra=("rgb", "nir", "tir"))
    text = render(replace(whole, rank_sheets=[wide]))
    assert [tag["class"] for tag in parse(text).all("div") if tag.get("class", "").startswith("row")] == ["row wide"]
    assert "in rgb, nir, tir; a gray panel" in " ".join(text for _, text in parse(text).texts)


# --- Diagnostics of the method ----------------------------------------------------------------------------------------


def diagnostics(count: int, edge: int = 20) -> list[Diagnostic]:
    noise = [np.random.default_rng(n).integers(0, 255, (edge, edge, 3), dtype=np.uint8) for n in range(count)]
    return [Diagnostic(title=f"Picture {n}", caption=f"Caption {n}.", picture=pixels) for n, pixels in enumerate(noise)]


def test_what_a_method_drew_has_a_section_with_titles_and_captions(parse):
    page = parse(render(RunReport("t", diagnostics=diagnostics(2))))
    assert page.sections == ["diagnostics"] and page.words("h2") == ["Diagnostics of the method"]
    assert page.words("h3") == ["Picture 0", "Picture 1"]
    assert {"Caption 0.", "Caption 1."} <= set(page.words("p"))
    assert [image["alt"] for image in page.all("img")] == ["Picture 0", "Picture 1"]


def test_what_a_method_writes_is_escaped(parse):
    source = render(RunReport("t", diagnostics=[replace(diagnostics(1)[0], title=NASTY, caption=NASTY)]))
    page = parse(source)
    assert "<script" not in source and page.words("h3") == [NASTY] and NASTY in page.words("p")


def test_many_large_diagnostics_keep_the_page_small_and_say_where_the_others_are(whole, parse):
    large = [np.random.default_rng(n).integers(0, 255, (400, 300, 3), dtype=np.uint8) for n in range(24)]
    rows = [RankRow("best", large[0], "q", 0.5, [RankedPicture(p, True, 0.5) for p in large[:10]])] * 6
    many = replace(whole, rank_sheets=rows, diagnostics=diagnostics(DIAGNOSTICS[0] + 5, edge=900))
    source = render(many)
    assert len(source.encode()) < 3_000_000
    assert "5 more in the run" in source
    shown = [image for image in parse(source).all("img") if image["alt"].startswith("Picture")]
    assert len(shown) == DIAGNOSTICS[0]


# --- Selected patches -------------------------------------------------------------------------------------------------


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


def test_without_masks_there_are_pictures_and_no_table(chosen, parse):
    blind = replace(chosen, object_share=None, shares=())
    page = parse(render(RunReport("t", patches=blind)))
    assert len(page.all("img")) == 8 and page.all("table") == []
    assert "outline" not in " ".join(page.words("p"))


def test_without_a_start_patches_have_no_before(chosen, parse):
    later = {"after": chosen.after}
    alone = replace(
        chosen,
        selected=later,
        shares=tuple(replace(s, change=None, value={"after": s.value["after"]}) for s in chosen.shares),
    )
    page = parse(render(RunReport("t", patches=alone)))
    assert page.words("th")[:3] == ["Percent", "By chance", "Now"]
    assert len(page.all("img")) == 6


def test_names_of_observations_are_escaped(chosen, parse):
    nasty = '<script>alert("x")</script>'
    page = parse(render(RunReport("t", patches=replace(chosen, names=(nasty, "b")))))
    assert page.words("code")[0] == nasty and page.all("script") == []


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


@pytest.mark.parametrize("function", [marked_pictures, shares_of, legend_thumbnails])
def test_a_run_that_chooses_nothing_has_no_section(function):
    assert function(None) == []


# --- Attention --------------------------------------------------------------------------------------------------------


@pytest.fixture
def attended() -> AttentionExplanation:
    """Two pictures of 2 x 2 patches; of the attention, 80 and 40 % lie on the right half, where the object is."""
    mask = np.arange(16) >= 8
    masks = ObjectMasks({"rgb": (np.tile(mask, (32, 1)),) * 2}, np.array([True, False]))
    values = {"rgb": np.array([[0.1, 0.4, 0.1, 0.4], [0.3, 0.2, 0.3, 0.2]], dtype=np.float32)}
    shares, uniform = {"attention": np.array([0.8, 0.4])}, {"attention": np.array([0.5, 0.5])}
    return AttentionExplanation(
        names=("first", "second"),
        pictures={"rgb": np.full((2, 32, 16, 3), 100, dtype=np.uint8)},
        present={"rgb": np.ones(2, dtype=bool)},
        networks={"attention": AttentionMaps(kind="rollout", layer="", grid=(2, 2), values=values)},
        masks=masks,
        share=share_of("attention_on_object", "", shares, uniform),
    )


def test_attention_has_a_section_with_its_share_and_a_panel_for_each_picture(attended, parse):
    page = parse(render(RunReport("t", attention=attended)))
    assert page.sections == ["attention"]
    assert [image["alt"] for image in page.all("img")] == [
        f"{name}, {title}" for name in ("first", "second") for title in ("picture", "attention")
    ]
    text = " ".join(text for _, text in page.texts)
    assert "What the network attends to: rollout of attention through all blocks." in text
    assert "60.0 % (40.0 to 80.0) of the attention; with a uniform map it would be 50.0 %" in text
    assert "Mean over 2 observations" in text


def test_without_masks_attention_has_pictures_and_the_reason(attended, parse):
    blind = replace(attended, masks=None, share=None, notes=("There is no share.",))
    page = parse(render(RunReport("t", attention=blind)))
    text = " ".join(text for _, text in page.texts)
    assert len(page.all("img")) == 4 and "There is no share." in text and "On the object lies" not in text


def test_a_network_without_attention_and_maps_has_no_section(parse):
    assert marked_pictures(None) == [] and parse(render(RunReport("t"))).sections == []
