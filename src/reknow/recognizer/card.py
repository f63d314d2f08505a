"""Card: where a recognizer comes from and what it is for, as fields and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from reknow.data.transforms import Preprocessing
from reknow.models.network import NetworkConfig
from reknow.models.transformer import TransformerConfig


@dataclass(frozen=True, kw_only=True)
class Card:
    """Where a recognizer comes from and what it is for.

    Attributes:
        name: method and data set.
        trained_on: the data, as the user named them.
        data_fingerprint: of the training manifest.
        dataset: the name of the data set itself, by which its cameras are known again; empty where the user named
            the cameras, which are then known in every data set.
        cameras: names of the training cameras, in the order of the network's camera table.
        identities: how many identities the data are known to have; 0 where unknown.
        spectra: what its pictures show: ``rgb``, ``nir``, ``tir``.
        started_from: the weights that training began with, a sentence for each thing worth knowing about them.
        scores: percent, with the protocol in the name.
        license: of the weights.
        intended_use: what it was made for.
        limits: what it must not be trusted with.
    """

    name: str
    trained_on: str = ""
    data_fingerprint: str = ""
    dataset: str = ""
    cameras: tuple[str, ...] = ()
    identities: int = 0
    spectra: tuple[str, ...] = ("rgb",)
    started_from: tuple[str, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    license: str = "unstated"
    intended_use: str = "Grouping and searching pictures that resemble the training data."
    limits: str = "Not measured on other data. A near vector is a candidate, not proof of identity."


def known_cameras(config: NetworkConfig) -> int:
    """Rows of the network's camera table; 0 where it has none."""
    return config.trunk.cameras if isinstance(config.trunk, TransformerConfig) else 0


def in_words(card: Card, config: NetworkConfig, preprocessing: Preprocessing, dim: int) -> str:
    """The card as the ``README.md`` of a recognizer's folder."""
    height, width = preprocessing.size
    facts = {
        "pictures": f"{height} x {width} pixels (height x width), {preprocessing.interpolation} resizing, "
        f"spectrum {' and '.join(card.spectra)}",
        "cameras": _cameras_in_words(known_cameras(config), card.cameras),
        "trained on": f"{card.trained_on or 'unstated'} (fingerprint {card.data_fingerprint or 'none'}, "
        f"{card.identities or 'unknown'} identities)",
        "started from": " ".join(card.started_from) or "unstated",
        "license of the weights": card.license,
        "intended use": card.intended_use,
        "limits": card.limits,
    }
    scores = [f"- {name}: {value:.1f}" for name, value in card.scores.items()] or ["- none measured"]
    lines = [
        f"# {card.name}",
        "",
        f"A re-identification recognizer: {dim} numbers per picture, a vector of length 1.",
        "",
        *(f"- {name}: {said}" for name, said in facts.items()),
        "",
        "Scores in percent:",
        *scores,
    ]
    return "\n".join(lines) + "\n"


def _cameras_in_words(rows: int, names: tuple[str, ...]) -> str:
    if not rows:
        return "not used; codes that are given change nothing"
    known = f" ({', '.join(names)})" if names else ""
    return (
        f"codes 0 to {rows - 1} of the training cameras{known}; unknown (-1, or none given) gets the mean of the table"
    )
