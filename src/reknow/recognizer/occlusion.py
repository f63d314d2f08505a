"""Occlusion: what a recognizer is worth where something hides a stated share of what it is asked about.

The queries lose that share, the gallery stays as it is, as in Occluded-DukeMTMC, where every query is occluded. In the
synthetic world a wall, a fence or a hedge stands before the object and hides that share of its pixels. On other
pictures the same things are pasted over that share of the picture (:mod:`reknow.world.hiding`), since nobody knows
the object's outline there. What is pasted, and from which side, depends on the observation's name alone: all
recognizers and all shares meet the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reknow.data.cache import Pictures
from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.errors import EvaluationError
from reknow.evaluation.ranking import evaluate
from reknow.observation import Spectrum
from reknow.places import with_option
from reknow.progress import Display
from reknow.recognizer.evaluation import EvaluationSplit, evaluation_split
from reknow.recognizer.recognizer import Recognizer
from reknow.world.hiding import pasted

SHARES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class OcclusionScore:
    """Scores with one share hidden.

    Attributes:
        hidden: the share, of the object in the world, of the picture elsewhere.
        mAP: in percent.
        rank1: likewise.
    """

    hidden: float
    mAP: float  # noqa: N815 (the field writes it so)
    rank1: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def occlusion_scores(
    recognizer: Recognizer,
    data: str,
    shares: Sequence[float] = SHARES,
    *,
    protocol: str | None = None,
    display: Display,
) -> list[OcclusionScore]:
    """Score a recognizer with queries of which ever more is hidden.

    Args:
        recognizer: what to score.
        data: ``FORMAT:PATH`` of a data set with identities.
        shares: how much is hidden, each from 0 to 1.
        protocol: another one than the data set's own.
        display: what the user sees.

    Raises:
        EvaluationError: no identity that a query could be matched by, or a share outside 0 to 1.
    """
    check_hides(data)
    for share in shares:
        if not 0 <= share <= 1:
            raise EvaluationError(
                "occlusion, shares", found=f"{share:g}", expected="0 to 1", remedy="Give shares, such as 0.4."
            )
    split = evaluation_split(open_dataset(data), data, protocol)
    recognizer, manifest = recognizer.for_scores(), split.manifest
    pictures, cameras = recognizer.pictures_of(manifest, display.bar("reading")), recognizer.camera_codes(manifest)
    annotations, pixels = recognizer.annotations(manifest), pictures.hashes()
    vectors = recognizer.embed_pictures(
        pictures, cameras, annotations=annotations, rows=split.gallery, progress=display.bar("embedding the gallery")
    )
    gallery = Embeddings(vectors, manifest.select(split.gallery), pixels=pixels[split.gallery])
    of_queries = {name: values[split.query] for name, values in annotations.items()}
    scores = []
    for share in shares:
        hidden = _hidden_queries(recognizer, split, pictures, data, share, display)
        advance = display.bar(f"embedding, {share:.0%} hidden")
        vectors = recognizer.embed_pictures(hidden, cameras[split.query], annotations=of_queries, progress=advance)
        # A query is known again in the gallery by its picture as it was.
        query = Embeddings(vectors, manifest.select(split.query), pixels=pixels[split.query])
        result = evaluate(query, gallery, split.protocol).as_percent()
        scores.append(OcclusionScore(share, float(result["mAP"]), float(result["rank1"])))
    return scores


def check_hides(data: str) -> None:
    """Refuse a world that already hides a share of its objects.

    Args:
        data: ``FORMAT:PATH``.

    Raises:
        EvaluationError: it does.
    """
    if data.startswith("world:") and re.search(r"[?&]hidden=", data):
        raise EvaluationError(
            data,
            found="the option 'hidden', while several shares are to be hidden",
            expected="the world without it",
            remedy="Leave the option out, or score without --occlusion.",
        )


def _hidden_queries(
    recognizer: Recognizer, split: EvaluationSplit, pictures: Pictures, data: str, share: float, display: Display
) -> Pictures:
    """The pictures of the split's queries, with a share of each hidden."""
    if data.startswith("world:"):
        hidden = open_dataset(with_option(data, "hidden", f"{share:g}"))
        world = evaluation_split(hidden, data, split.protocol.name)
        return recognizer.pictures_of(world.manifest.select(split.query), display.bar(f"drawing, {share:.0%} hidden"))
    names = split.manifest.select(split.query).column("observation")
    images: dict[Spectrum, UInt8[np.ndarray, "queries height width 3"]] = {}
    for spectrum, of_all in pictures.images.items():
        covered = [pasted(picture, share, name) for picture, name in zip(of_all[split.query], names, strict=True)]
        # What is pasted has colors; a picture of another spectrum has none.
        images[spectrum] = np.stack(covered if spectrum == "rgb" else [_gray(picture) for picture in covered])
    return Pictures(images, {spectrum: there[split.query] for spectrum, there in pictures.present.items()})


def _gray(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    return np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
