"""BLIP (Li et al., ICML 2022) as a captioner, with the model's own preparation of pictures (384 x 384).

The paper of FIRM says frozen BLIP and no more. Decided: beam search with 3 beams, 5 to 20 tokens. BLIP is known to
repeat itself; a caption with a word more than three times is drawn anew, each word from the likeliest nine tenths. What
is drawn depends on the seed and the picture's key, so neither on other pictures nor on whether a run was stopped.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from reknow.captioning.captioner import Captioner, Shown
from reknow.captioning.pretrained import chosen_device, pretrained, transformers_for
from reknow.data.captions import Caption

BEAMS, LEAST_TOKENS, MOST_TOKENS = 3, 5, 20
MOST_REPEATS = 3
"""How often a caption may have a word."""

DRAWN_FROM = 0.9
"""Share of the probability that the next word is drawn from."""

TRIES = 3
"""Draws before the repeated words are removed instead."""


class Blip(Captioner):
    """Captions of BLIP.

    Args:
        folder: of BLIP for captions (``BlipForConditionalGeneration``), as transformers writes it.
        seed: of the captions that are drawn.

    Raises:
        MissingExtra: `reknow[captions]` is not installed.
        WeightsError: no such folder, another model, or a damaged one.
    """

    name = "blip"
    batch = 16

    def __init__(self, folder: Path, seed: int = 0) -> None:
        transformers = transformers_for("captions by BLIP")
        self.device, self.seed, self.weights = chosen_device(), seed, Path(folder).name
        kinds = transformers.BlipProcessor, transformers.BlipForConditionalGeneration
        self.prepare, self.model = pretrained(kinds, folder, "blip", self.device)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Name of the weights' folder, how captions are searched for, and the seed."""
        return {
            "weights": self.weights,
            "beams": BEAMS,
            "least_tokens": LEAST_TOKENS,
            "most_tokens": MOST_TOKENS,
            "seed": self.seed,
        }

    def describe(self, pictures: Sequence[Shown]) -> list[Caption | None]:
        """The most likely caption of each picture, or a drawn one where that repeats itself; None if it has no word."""
        images = [Image.fromarray(picture.pixels) for picture in pictures]
        pixels = self.prepare(images=images, return_tensors="pt")["pixel_values"].to(self.device)
        texts = self._texts(pixels, num_beams=BEAMS)
        for row, picture in enumerate(pictures):
            if not is_usable(texts[row]):
                texts[row] = self._drawn(pixels[row : row + 1], picture.key, texts[row])
        return [Caption(text) if text else None for text in texts]

    def _drawn(self, pixels: torch.Tensor, key: str, likeliest: str) -> str:
        text = likeliest
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(zlib.crc32(f"{self.seed} {key}".encode("utf-8", "replace")))
            for _ in range(TRIES):
                (text,) = self._texts(pixels, num_beams=1, do_sample=True, top_p=DRAWN_FROM)
                if is_usable(text):
                    return text
        return without_repeats(likeliest or text)

    @torch.inference_mode()
    def _texts(self, pixels: torch.Tensor, **search: Any) -> list[str]:
        tokens = self.model.generate(
            pixel_values=pixels, min_new_tokens=LEAST_TOKENS, max_new_tokens=MOST_TOKENS, **search
        )
        return [" ".join(text.split()) for text in self.prepare.batch_decode(tokens, skip_special_tokens=True)]


def is_usable(text: str) -> bool:
    """Whether a caption has words, and none of them more than three times.

    Example:
        >>> is_usable("a man in a red coat"), is_usable("a man, a man and a man in a coat"), is_usable("")
        (True, False, False)
    """
    return bool(text) and max(Counter(text.lower().split()).values()) <= MOST_REPEATS


def without_repeats(text: str) -> str:
    """A caption in which each word stays at its first three places.

    Example:
        >>> without_repeats("red red red red red coat")
        'red red red coat'
    """
    counted: Counter[str] = Counter()
    kept = []
    for word in text.split():
        counted[word.lower()] += 1
        if counted[word.lower()] <= MOST_REPEATS:
            kept.append(word)
    return " ".join(kept)
