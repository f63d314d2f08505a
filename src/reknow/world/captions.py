"""Captions of the world: what a captioner would say of one picture of a person, and how often it errs.

The words are those that a person was drawn from (``clothing.py``, ``people.py``), so the sentences are true but for the
errors. Decided:

- It says hair, the upper garment with its sleeves, the lower one, hat and bag. Hair under a hood and what a dress
  covers are not visible and not said. Viewpoint and occluders hide nothing from it.
- It names colors in color pictures alone, and not where the camera is in the dark (:mod:`reknow.world.conditions`):
  neither near infrared nor thermal tells them.
- An error is an attribute with another word of the same vocabulary, a hat or a bag that is not there, or one that is
  overlooked; each attribute errs by itself. What errs at one rate errs at every higher one.
- Everything is drawn from streams of its own, so that no picture and no other column depends on the captions.
- Vehicles have none: captions are of people (Rong et al., "Fusion-Injected Residual Memory", ACML 2025).
"""

from __future__ import annotations

from dataclasses import replace

from reknow.errors import DataError
from reknow.sentences import Appearance, sentences
from reknow.world.clothing import BAGS, DENIM, DULL, HATS, HUES, LOWERS, SLEEVES, UPPERS
from reknow.world.conditions import failure_at
from reknow.world.domain import check_share, domain_named
from reknow.world.draws import Draws
from reknow.world.people import HAIRS, STYLES, person
from reknow.world.reference import Reference, parse_reference

CLOTHS = (*HUES, *DULL)
"""The names of a cloth's colors."""


def captions_of(reference: str, errors: float = 0.0) -> tuple[str, ...]:
    """The caption of a picture, and behind it the same in other words.

    Args:
        reference: the picture.
        errors: chance of an error in each attribute, 0 to 1.

    Raises:
        DataError: the reference is wrong or of a vehicle, or no such chance.

    Example:
        >>> captions_of("world:people/target/0/17/2/1/nir")[0]
        'a person who has a bob, dressed in a sweater with long sleeves and trousers'
    """
    check_share(errors, "captions", "of attributes that a caption has wrong")
    named = parse_reference(reference)
    if named.kind != "people":
        raise DataError(
            reference,
            found=f"captions of {named.kind}",
            expected="captions of people, the only ones that the world makes",
            remedy="Leave the option 'captions' out, or choose kind=people.",
        )
    draws = Draws("caption", named.domain, named.seed, named.identity, named.camera, named.shot, named.spectrum)
    forms = sentences(_told(named, errors, draws))
    first = draws.below(len(forms))
    return (*forms[first:], *forms[:first])


def _told(named: Reference, errors: float, draws: Draws) -> Appearance:
    """What the captioner says of the person, with its errors."""
    conditions = named.conditions
    domain = domain_named(named.domain, conditions.difficulty)
    words = person(domain, named.seed, named.identity).attributes
    season = domain.season
    vocabulary = {
        "hair": tuple(STYLES),
        "hair_color": tuple(HAIRS),
        "upper": tuple(UPPERS[season]),
        "upper_color": CLOTHS,
        "sleeve": tuple(SLEEVES),
        "lower": tuple(LOWERS[season]),
        "lower_color": (*CLOTHS, DENIM),
        "hat": tuple(HATS[season]),
        "hat_color": CLOTHS,
        "bag": tuple(BAGS),
        "bag_color": CLOTHS,
    }
    told: dict[str, str | None] = {}
    for attribute, known in vocabulary.items():
        others = [word for word in known if word != words[attribute]]
        wrong, other = draws.chance(errors), draws.choose(others)  # both in any case, so that streams stay equal
        told[attribute] = other if wrong else words[attribute]
    if words["hat"] == "hood":
        told["hair"] = None
    if words["upper"] == "dress":
        told["lower"] = None
    failure = failure_at(named.domain, named.seed, named.camera, conditions.light)
    appearance = Appearance(**told)  # type: ignore[arg-type]  # every attribute of a person is a text
    if named.spectrum == "rgb" and failure != "dark":
        return appearance
    return replace(appearance, hair_color=None, upper_color=None, lower_color=None, hat_color=None, bag_color=None)
