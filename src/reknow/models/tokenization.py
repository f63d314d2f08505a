"""Tokenization: captions as the numbers that a text tower reads.

Two vocabularies. CLIP's byte pairs (Radford et al., ICML 2021) are those that its weights were trained with; open_clip
has them, so they need the extra ``clip``. Hashed words (Weinberger et al., "Feature Hashing", ICML 2009) need no file
and no download: a word's number is a checksum of its letters, the same on every machine.

A prompt is START, ``:``, the caption, ``.``, END (FIRM, eq. 2; a text tower puts its learned prefix behind START). A
caption that is too long loses its end, never END. Without a caption the prompt is START and END. Decisions: START and
END are the two highest numbers, as in CLIP, so END is a row's maximum; a caption that spells one of CLIP's special
tokens loses it, or it would end there.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from reknow.errors import MissingExtra, printable
from reknow.fields import Bounds, check_fields

# Scripts that are written without spaces: kana, ideographs, Thai, Lao, Khmer, Burmese.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")

LONGEST = 4096
"""Characters of a caption that are read. CLIP's longest token has 32, so 65 tokens, all that fit, need no more."""


class Tokenizer(ABC):
    """A vocabulary: a frozen dataclass that turns captions into numbers.

    Attributes:
        name: of the vocabulary, for people.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def size(self) -> int:
        """Numbers in the vocabulary, START and END included."""

    @abstractmethod
    def words(self, text: str) -> list[int]:
        """The tokens of a text, each below START.

        Raises:
            MissingExtra: the vocabulary is another package's, which is not installed.
        """

    @property
    def start(self) -> int:
        """START, the highest number but one."""
        return self.size - 2

    @property
    def end(self) -> int:
        """END, the highest number."""
        return self.size - 1

    def prompts(self, captions: Sequence[str | None], longest: int) -> Int[Tensor, "rows length"]:
        """The prompts of captions, without a prefix: START, ``:``, the caption, ``.``, END.

        Args:
            captions: None or only spaces for none, which makes a prompt of START and END.
            longest: length of the longest prompt, at least 5; longer captions lose their end.

        Returns:
            (N, L) with L the length of the longest prompt that there is, at least 2; behind END stands 0.

        Example:
            >>> HashedWords(16).prompts(["a man", None], longest=77)
            tensor([[14,  5, 11, 10,  8, 15],
                    [14, 15,  0,  0,  0,  0]])
        """
        ids = [self._prompt(caption, longest) for caption in captions]
        prompts = torch.zeros(len(ids), max(map(len, ids), default=2), dtype=torch.long)
        for row, prompt in zip(prompts, ids, strict=True):
            row[: len(prompt)] = torch.tensor(prompt)
        return prompts

    def _prompt(self, caption: str | None, longest: int) -> list[int]:
        text = " ".join(printable(caption or "").split())[:LONGEST]
        if not text:
            return [self.start, self.end]
        words = [word for word in self.words(text) if word < self.start]
        return [self.start, *self.words(":"), *words[: longest - 4], *self.words("."), self.end]


@dataclass(frozen=True)
class HashedWords(Tokenizer):
    """Words, each with the number that its checksum gives; a sign, and a letter of a script without spaces, is a word.

    Upper and lower case, and compatible forms of a letter (NFKC), are one. Two words may share a number: of 500
    different ones, 500 x 499 / 2 / 4094 = 30 pairs are to be expected.

    Attributes:
        count: size of the vocabulary, START and END included.

    Example:
        >>> vocabulary = HashedWords()
        >>> vocabulary.words("Red coat") == vocabulary.words("red  COAT"), len(vocabulary.words("赤い服"))
        (True, 3)
    """

    name: ClassVar[str] = "hashed words"
    count: Annotated[int, Bounds(3, 2**31)] = 4096

    def __post_init__(self) -> None:
        check_fields(self, "network.text.tokens")

    @property
    def size(self) -> int:
        """The count."""
        return self.count

    def words(self, text: str) -> list[int]:
        """CRC-32 of each word's UTF-8, modulo the numbers below START."""
        text = unicodedata.normalize("NFKC", text).casefold()
        return [zlib.crc32(word.encode("utf-8", "backslashreplace")) % self.start for word in _WORD.findall(text)]


@dataclass(frozen=True)
class ClipTokens(Tokenizer):
    """CLIP's byte pairs, by open_clip."""

    name: ClassVar[str] = "a CLIP"

    @property
    def size(self) -> int:
        """49,408."""
        return 49_408

    def words(self, text: str) -> list[int]:
        """The tokens of a text, without special ones."""
        return [token for token in _open_clip().encode(text) if token < self.start]


@cache
def _open_clip() -> Any:
    try:
        return import_module("open_clip.tokenizer").SimpleTokenizer()
    except ImportError as error:
        raise MissingExtra("clip", "captions for CLIP's text tower") from error
