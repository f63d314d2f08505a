"""What was selected, in words."""

from __future__ import annotations

from reknow.explain.panels import legend_of


def test_words_say_what_is_marked_and_counted(explanation):
    made = explanation(known=True)
    assert made.summary == "2 observations in rgb: of the 4 patches of each picture, positives 1, negatives 1"
    assert "Negatives: patches taken for something else. Similarity: to the whole; the paler" in made.about
    assert "The outline" in made.about and "Precision" not in made.basis
    assert [share.name for share in made.leading] == ["right", "negatives_on_background"]


def test_words_say_what_is_kept_and_dropped(selection):
    made = selection(known=True)
    assert made.summary.endswith("of the 4 patches of each picture, kept 3, spatial 1, frequency 1")
    assert "Dropped: what is left without the kept patches." in made.about
    assert [meaning for _, meaning in legend_of(made)] == [
        "selected by attention, disc",
        "selected by frequency, zigzag",
    ]
    assert "Recall: the share of the object's patches" in made.basis
