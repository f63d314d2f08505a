"""Captions as numbers: prompts, what is cut, what is dropped, other scripts, and vocabularies that stay as they are."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reknow.errors import MissingExtra, RecipeError
from reknow.models import tokenization
from reknow.models.tokenization import ClipTokens, HashedWords

VOCABULARIES = [HashedWords(), ClipTokens()]
LONGEST = 69


@pytest.mark.parametrize("tokens", VOCABULARIES, ids=lambda tokens: tokens.name)
@settings(deadline=None)  # open_clip is loaded once
@given(st.lists(st.none() | st.text(max_size=60), min_size=1, max_size=3))
def test_every_prompt_begins_and_ends_once(tokens, captions) -> None:
    prompts = tokens.prompts(captions, LONGEST)
    assert prompts.shape[0] == len(captions) and 2 <= prompts.shape[1] <= LONGEST
    assert int(prompts.max()) < tokens.size and int(prompts.min()) >= 0
    assert (prompts[:, 0] == tokens.start).all()
    assert ((prompts == tokens.end).sum(1) == 1).all() and ((prompts == tokens.start).sum(1) == 1).all()
    for row, caption in zip(prompts, captions, strict=True):
        end = int(row.argmax())
        assert row[end] == tokens.end and not row[end + 1 :].any()
        assert (end == 1) == (not (caption or "").split())


@pytest.mark.parametrize("tokens", VOCABULARIES, ids=lambda tokens: tokens.name)
def test_a_long_caption_loses_its_end_and_keeps_the_prompt_s(tokens) -> None:
    long, short = tokens.prompts(["red coat " * 5000, "a"], LONGEST)
    assert int(long.argmax()) == LONGEST - 1
    assert long[1] == short[1] and long[-2] == short[3]
    assert len(set(long[2:-2].tolist())) == 2


@pytest.mark.parametrize("tokens", VOCABULARIES, ids=lambda tokens: tokens.name)
def test_one_word_without_end_is_read_in_no_time(tokens) -> None:
    assert tokens.prompts(["x" * 1_000_000], LONGEST).shape[1] <= LONGEST


def test_clip_s_prompts_are_open_clip_s() -> None:
    from open_clip import tokenize

    caption = "A woman in a red coat, with a 2nd bag"
    ours = ClipTokens().prompts([caption], LONGEST)
    theirs = tokenize([f":{' '}{caption}."])[0]
    assert torch.equal(ours[0], theirs[: ours.shape[1]])


def test_a_caption_that_spells_a_special_token_does_not_end_there() -> None:
    plain, spelled = ClipTokens().prompts(["a man", "a <end_of_text> <start_of_text> man"], LONGEST)
    assert torch.equal(plain, spelled)


def test_hashed_words_are_the_same_everywhere() -> None:
    # Numbers that a recognizer of today is trained with.
    assert HashedWords().words("A man, 2 bags") == [2269, 3536, 578, 2351, 1699]
    assert HashedWords().words("ＲＥＤ") == HashedWords().words("red")


@pytest.mark.parametrize(
    ("text", "words"), [("赤いコート", 5), ("เสื้อ", 5), ("красное пальто", 2), ("معطف أحمر", 2), ("a赤b", 3), ("🧥!", 2)]
)
def test_words_of_other_scripts(text, words) -> None:
    assert len(HashedWords().words(text)) == words


def test_half_a_surrogate_pair_is_read_too() -> None:
    for tokens in VOCABULARIES:
        assert tokens.prompts(["caf\udce9"], LONGEST).shape[0] == 1


def test_without_open_clip_a_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)
    tokenization._open_clip.cache_clear()
    with pytest.raises(MissingExtra, match=r"captions for CLIP's text tower.*pip install 'reknow\[clip\]'"):
        ClipTokens().prompts(["a man"], LONGEST)
    assert ClipTokens().prompts([None, " "], LONGEST).tolist() == [[49406, 49407]] * 2  # no word, no extra
    tokenization._open_clip.cache_clear()


def test_a_vocabulary_too_small_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"network\.text\.tokens\.count"):
        HashedWords(2)
