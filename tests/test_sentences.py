"""Sentences: the same facts in every form, and nothing that was not told."""

from __future__ import annotations

import re
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from reknow.sentences import Appearance, names_a_color, sentences

WORDS = {
    "who": ("person", "man", "woman"),
    "hair": ("short", "bald", "ponytail", "afro"),
    "upper": ("coat", "overall"),
    "sleeve": ("none", "short", "long"),
    "lower": ("jeans", "long skirt"),
    "hat": ("none", "cap"),
    "bag": ("none", "shoulder bag"),
    **{f"{part}_color": ("none", "olive", "red") for part in ("hair", "upper", "lower", "hat", "bag")},
}
appearances = st.fixed_dictionaries(
    {name: st.sampled_from(words) | (st.nothing() if name == "who" else st.none()) for name, words in WORDS.items()}
).map(lambda words: Appearance(**words))


@given(appearances)
def test_every_form_says_everything_and_no_more(appearance):
    forms = sentences(appearance)
    assert 1 <= len(forms) <= 4 and len({*forms}) == len(forms)
    said = [sorted(set(re.findall(r"[a-z]+", form)) & told_words(appearance)) for form in forms]
    assert all(words == said[0] for words in said), forms
    for form in forms:
        assert form == " ".join(form.split()) and "none" not in form and "None" not in form
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", form), form
    assert names_a_color(forms[0]) == any(word in ("olive", "red") for word in said[0])


def told_words(appearance: Appearance) -> set[str]:
    words = {getattr(appearance, field.name) for field in fields(appearance)} - {None, "none"}
    return {part for word in words for part in word.split()} | {"sleeves", "hair", "head"}


def test_nothing_known_is_one_sentence():
    assert sentences(Appearance(who="man", bag="none", sleeve="long")) == ("a man",)
