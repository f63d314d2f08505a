"""Template: attributes of a person that CLIP finds in a picture, in fixed sentences.

For machines without BLIP: an image is compared with a text for each word of each attribute (garments, sleeves, hair,
hat, bag, and colors of color pictures), and the words that fit are said (:mod:`reknow.sentences`). It describes people
alone.
Decided, since the paper of FIRM has no such captioner:

- A word is said where its share of the softmax over the attribute's words is more than one half, so more than that of
  all others together; else the attribute is left out.
- The whole picture is resized to CLIP's square: a crop of the center would cut off heads and feet.
- No color is asked for in infrared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reknow.captioning.captioner import Captioner, Shown
from reknow.captioning.pretrained import chosen_device
from reknow.data.captions import Caption
from reknow.data.transforms import Preprocessing
from reknow.errors import MissingExtra, WeightsError
from reknow.models.weights.file import Content, read
from reknow.models.weights.pretrained import CLIP
from reknow.models.weights.source import Source
from reknow.sentences import Appearance, sentences

SURE = 0.5
"""Share of the softmax from which a word is said."""

_COLORS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige")
_UPPERS = ("coat", "jacket", "hoodie", "sweater", "shirt", "t-shirt", "dress")
_LOWERS = ("trousers", "jeans", "shorts", "skirt", "leggings")
_BAGS = ("backpack", "shoulder bag", "handbag", "suitcase")

ATTRIBUTES: dict[str, dict[str, str]] = {
    "who": {who: f"a {who}" for who in ("man", "woman")},
    "hair": {
        **{length: f"a person with {length} hair" for length in ("short", "long")},
        "ponytail": "a person with a ponytail",
        "bald": "a person with a bald head",
    },
    "upper": {word: f"a person wearing a {word}" for word in _UPPERS},
    "upper_color": {color: f"a person in a {color} top" for color in _COLORS},
    "sleeve": {sleeve: f"a person wearing {sleeve} sleeves" for sleeve in ("long", "short")},
    "lower": {word: f"a person wearing {word}" for word in _LOWERS},
    "lower_color": {color: f"a person with {color} trousers" for color in _COLORS},
    "hat": {
        "none": "a person without a hat",
        **{word: f"a person wearing a {word}" for word in ("cap", "beanie", "hood")},
    },
    "bag": {"none": "a person without a bag", **{word: f"a person carrying a {word}" for word in _BAGS}},
}
"""The attributes of an :class:`~reknow.sentences.Appearance`: its words, and the text that CLIP compares for each."""


class Template(Captioner):
    """Captions of attributes that CLIP finds.

    Args:
        weights: a file of a whole CLIP with a transformer for images, both towers under OpenAI's names, as open_clip
            writes it; ``FILE?activation=gelu`` for one that was not trained with quick GELU.

    Raises:
        MissingExtra: `reknow[clip]` is not installed.
        WeightsError: no such file, or none of a whole CLIP.
    """

    name = "template"
    batch = 64

    def __init__(self, weights: Source | str) -> None:
        open_clip = _open_clip()
        content = read(Source.of(weights))
        self.device, self.weights = chosen_device(), content.path.name
        self.model = _clip(open_clip, content).to(self.device).eval()
        self.preprocessing = Preprocessing(size=self.model.visual.image_size, mean=CLIP.mean, std=CLIP.std)
        tokenizer = open_clip.SimpleTokenizer(context_length=self.model.context_length)
        texts = [f"a photo of {text}" for words in ATTRIBUTES.values() for text in words.values()]
        with torch.inference_mode():
            self.texts: Float[Tensor, "texts dim"] = functional.normalize(
                self.model.encode_text(tokenizer(texts).to(self.device)), dim=1
            )

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Name of the file of weights, and how sure a word must be."""
        return {"weights": self.weights, "sure": SURE}

    @torch.inference_mode()
    def describe(self, pictures: Sequence[Shown]) -> list[Caption | None]:
        """The sentences of what was found; ``a person`` where nothing is sure."""
        images = functional.normalize(self.model.encode_image(self._pixels(pictures)), dim=1)
        logits = (self.model.logit_scale.exp() * images @ self.texts.T).float().cpu()
        captions: list[Caption | None] = []
        for picture, row in zip(pictures, logits, strict=True):
            text, *paraphrases = sentences(appearance_of(row, in_color=picture.spectrum == "rgb"))
            captions.append(Caption(text, tuple(paraphrases)))
        return captions

    def _pixels(self, pictures: Sequence[Shown]) -> Float[Tensor, "pictures 3 height width"]:
        resized = np.stack([self.preprocessing.resize(picture.pixels) for picture in pictures])
        return self.preprocessing.normalize(torch.from_numpy(resized).to(self.device))


def appearance_of(logits: Float[Tensor, "texts"], *, in_color: bool) -> Appearance:
    """The words that are sure.

    Args:
        logits: of every text of :data:`ATTRIBUTES`, in order.
        in_color: whether colors may be named.
    """
    told: dict[str, str] = {}
    first = 0
    for attribute, words in ATTRIBUTES.items():
        shares = logits[first : first + len(words)].softmax(0)
        first += len(words)
        if shares.max() > SURE and (in_color or not attribute.endswith("_color")):
            told[attribute] = [*words][int(shares.argmax())]
    if told.get("upper") == "dress":
        told.pop("lower", None)
    return Appearance(**told)


def _open_clip() -> Any:
    try:
        return import_module("open_clip")
    except ImportError as error:
        raise MissingExtra("clip", "captions from a template") from error


def _clip(open_clip: Any, content: Content) -> Any:
    """The whole CLIP of a file; its shape is that of its tensors."""
    state = {name: part for name, part in content.state.items() if name not in _SIZES}
    try:
        width, _, patch, _ = state["visual.conv1.weight"].shape
        text_width = len(state["ln_final.weight"])
        vision = {
            "width": width,
            "patch_size": patch,
            "image_size": patch * round((len(state["visual.positional_embedding"]) - 1) ** 0.5),
            "layers": _layers(state, "visual.transformer."),
            "head_width": width // content.options.heads if content.options.heads else 64,
        }
        text = {
            "width": text_width,
            "heads": max(1, text_width // 64),
            "layers": _layers(state, "transformer."),
            "context_length": len(state["positional_embedding"]),
            "vocab_size": len(state["token_embedding.weight"]),
        }
        quick = content.options.activation != "gelu"
        model = open_clip.CLIP(state["text_projection"].shape[1], vision, text, quick_gelu=quick)
        model.load_state_dict(state)
    except (KeyError, ValueError, IndexError, RuntimeError, AssertionError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise WeightsError(
            content.path,
            found=f"no whole CLIP with a transformer for images ({reason})",
            expected="both towers under OpenAI's names, as open_clip writes them",
            remedy="Name a file of open_clip, such as that of ViT-B-16; of other heads than 64 wide, FILE?heads=16.",
        ) from error
    return model


_SIZES = ("input_resolution", "context_length", "vocab_size")  # numbers among the tensors of OpenAI's files


def _layers(state: Mapping[str, Tensor], inside: str) -> int:
    return sum(name.startswith(inside) and name.endswith(".attn.in_proj_weight") for name in state)
