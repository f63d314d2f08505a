"""The command that describes pictures in words: ``reknow caption``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from reknow.cli.options import DATA_HELP, Json, check_new_file
from reknow.cli.printing import notes, print_facts
from reknow.errors import DataError, RunError

CaptionerName = Literal["blip", "template", "world"]


def caption(
    data: Annotated[Positional[str], arg(help=DATA_HELP)],
    captioner: Annotated[
        CaptionerName,
        arg(
            help="What describes the pictures: BLIP; sentences about the attributes of people that CLIP finds; or the "
            "synthetic world itself, whose data set has captions, as world:target?captions=0.1."
        ),
    ] = "blip",
    weights: Annotated[
        str | None,
        arg(help="Of the captioner, on this machine: a folder with BLIP as transformers writes it, or a file of CLIP."),
    ] = None,
    paraphraser: Annotated[
        Path | None,
        arg(help="The folder of a language model of transformers, which says each caption in three other ways."),
    ] = None,
    seed: Annotated[int, arg(help="Of the captions that BLIP draws where its likeliest one repeats itself.")] = 0,
    out: Annotated[
        Path, arg(help="The JSON file to write; where it is there, pictures are added that it does not have.")
    ] = Path("captions.json"),
    json: Json = False,
) -> int:
    """Describe every picture of a data set in a sentence, once; training then reads the file, as captions=FILE."""
    from reknow.data.formats import open_dataset

    _check_options(captioner, weights, paraphraser)
    if not os.path.lexists(out) or captioner == "world":
        check_new_file(out, ".json")
    manifest = open_dataset(data)
    facts: dict[str, Any]
    if captioner == "world":
        facts = _copied(manifest, data, out)
    else:
        facts = _described(manifest, _captioner_named(captioner, weights, paraphraser, seed), out)
    facts = {"captioner": captioner, **facts, "file": str(out), "notes": list(manifest.notes)}
    lines = [*notes(facts), f"{facts['made']:,} pictures described"]
    lines[-1] += f", {facts['kept']:,} were before" if facts["kept"] else ""
    lines[-1] += f", {facts['silent']:,} without a word" if facts["silent"] else ""
    lines[-1] += f": {out}"
    print_facts(facts, json, lines=[*lines, *(f"such as: {text}" for text in facts["examples"])])
    return 0


def _described(manifest: Any, captioner: Any, out: Path) -> dict[str, Any]:
    from reknow.captioning import caption_pictures
    from reknow.progress import Display

    with Display() as display:
        outcome = caption_pictures(manifest, captioner, out, progress=display.bar("describing"))
    texts = [caption.text for caption in outcome.captions.of_picture.values()]
    return {"made": outcome.made, "kept": outcome.kept, "silent": outcome.silent, "examples": texts[:3]}


def _copied(manifest: Any, data: str, out: Path) -> dict[str, Any]:
    """The captions that the synthetic world has of its own, as a file."""
    from reknow.data.captions import Captions, captions_in
    from reknow.data.picture_files import WORLD_PREFIX

    said = {key: caption for key, caption in captions_in(manifest).items() if key.startswith(WORLD_PREFIX)}
    if not said:
        raise DataError(
            data,
            found="no captions of the synthetic world",
            expected="such as world:target?captions=0.1",
            remedy="Add the option captions, or choose another --captioner.",
        )
    Captions("world", {"data": data}, said).write(out)
    texts = [caption.text for caption in said.values()]
    return {"made": len(said), "kept": 0, "silent": 0, "examples": texts[:3]}


def _check_options(captioner: str, weights: str | None, paraphraser: Path | None) -> None:
    """Refuse before any work what does not go together."""
    if captioner == "world":
        if weights is not None or paraphraser is not None:
            raise RunError(
                "--captioner world",
                found="with --weights or --paraphraser",
                remedy="Leave them out: the world's captions come with paraphrases.",
            )
    elif weights is None:
        raise RunError(
            f"--captioner {captioner}",
            found="no weights",
            expected="a folder with BLIP, as transformers writes it" if captioner == "blip" else "a file of CLIP",
            remedy="Name it: --weights PATH; nothing is downloaded.",
        )


def _captioner_named(name: str, weights: str | None, paraphraser: Path | None, seed: int) -> Any:
    from reknow.captioning.blip import Blip
    from reknow.captioning.paraphraser import Paraphrased
    from reknow.captioning.template import Template

    assert weights is not None
    captioner = Blip(Path(weights), seed) if name == "blip" else Template(weights)
    return captioner if paraphraser is None else Paraphrased(captioner, paraphraser)
