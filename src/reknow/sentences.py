"""Sentences: what is known of a person's appearance, as a caption and its paraphrases.

The synthetic world says the truth in this way, and the template captioner what CLIP finds. The sentences have only the
words of the attributes and a dozen more, so that a text encoder without pretraining can learn them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COLORS = frozenset(
    {
        *("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "black", "white", "gray", "grey"),
        *("brown", "beige", "navy", "olive", "burgundy", "charcoal", "denim", "khaki", "tan", "violet", "turquoise"),
        *("gold", "golden", "silver", "maroon", "crimson", "magenta", "cyan", "lime", "cream", "ivory", "indigo"),
        *("chestnut", "blond", "blonde", "colored", "colorful", "coloured", "colourful"),
    }
)
"""Words for colors, which an infrared picture cannot tell."""

_PLURAL = ("trousers", "jeans", "leggings", "shorts")
_HAIR = ("short", "cropped", "long")  # said of hair; other styles are nouns
_SLEEVES = {"none": "without sleeves", "short": "with short sleeves", "long": "with long sleeves"}


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """A person in words; None or ``none`` where there is nothing to say.

    Attributes:
        who: ``person``, ``man`` or ``woman``.
        hair: ``short``, ``cropped``, ``long``, ``bald``, or a noun such as ``ponytail``.
        hair_color: with it.
        upper: the garment around the trunk, such as ``coat``.
        upper_color: with it.
        sleeve: ``none``, ``short`` or ``long``.
        lower: the garment around the legs.
        lower_color: with it.
        hat: such as ``cap``.
        hat_color: with it.
        bag: such as ``backpack``.
        bag_color: with it.
    """

    who: str = "person"
    hair: str | None = None
    hair_color: str | None = None
    upper: str | None = None
    upper_color: str | None = None
    sleeve: str | None = None
    lower: str | None = None
    lower_color: str | None = None
    hat: str | None = None
    hat_color: str | None = None
    bag: str | None = None
    bag_color: str | None = None


def sentences(appearance: Appearance) -> tuple[str, ...]:
    r"""The same facts in up to four forms, which all differ; any of them may be the caption.

    Example:
        >>> told = Appearance(hair="long", upper="coat", upper_color="red", sleeve="long", lower="jeans", bag="bag")
        >>> print("\n".join(sentences(told)))
        a person with long hair in a red coat with long sleeves and jeans, carrying a bag
        wearing a red coat with long sleeves and jeans, a person with long hair carries a bag
        a person who carries a bag and has long hair, dressed in a red coat with long sleeves and jeans
        a person: a red coat with long sleeves, jeans, long hair, a bag
    """
    who, hair, bag = f"a {appearance.who}", _hair(appearance), _noun(appearance.bag, appearance.bag_color)
    upper = _noun(appearance.upper, appearance.upper_color)
    if upper and appearance.sleeve:
        upper = f"{upper} {_SLEEVES[appearance.sleeve]}"
    parts = (upper, _noun(appearance.lower, appearance.lower_color), _noun(appearance.hat, appearance.hat_color))
    worn = [part for part in parts if part]
    wearing, named = _listed(worn), f"{who} with {hair}" if hair else who
    does = [part for part in (bag and f"carries {bag}", hair and f"has {hair}") if part]
    forms = (
        f"{named}{f' in {wearing}' if worn else ''}{f', carrying {bag}' if bag else ''}",
        f"{f'wearing {wearing}, ' if worn else ''}{named}{f' carries {bag}' if bag else ''}",
        f"{who}{f' who {_listed(does)}' if does else ''}{f', dressed in {wearing}' if worn else ''}",
        f"{who}: {', '.join(part for part in (*worn, hair, bag) if part)}" if worn or hair or bag else who,
    )
    return tuple(dict.fromkeys(forms))


def names_a_color(sentence: str) -> bool:
    """Whether a word of a sentence is the name of a color.

    Example:
        >>> names_a_color("A Red-haired man"), names_a_color("a tired man")
        (True, False)
    """
    return not COLORS.isdisjoint(re.findall(r"[a-z]+", sentence.lower()))


def _hair(appearance: Appearance) -> str:
    style = appearance.hair
    if style == "bald":
        return "a bald head"
    if style in _HAIR:
        return f"{style} {_colored('hair', appearance.hair_color)}"
    return _noun(style, appearance.hair_color)


def _noun(word: str | None, color: str | None) -> str:
    """A thing with its article and color; empty for nothing."""
    if word in (None, "none"):
        return ""
    phrase = _colored(str(word), color)
    if word in _PLURAL:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _colored(word: str, color: str | None) -> str:
    return word if color in (None, "none") else f"{color} {word}"


def _listed(parts: list[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
