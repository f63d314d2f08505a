"""Captions: sentences about pictures, in one JSON file, and joined to a manifest as own columns.

A file of captions names its pictures, so that the captions can be made once, on another machine, and training needs no
captioner (section 3.2.1 of Rong et al., "Fusion-Injected Residual Memory", ACML 2025, makes them offline, too)::

    {
        "version": 1,
        "captioner": "blip",
        "settings": {"weights": "blip-image-captioning-base", "seed": 0},
        "captions": {
            "query/0001_c1.jpg": {"caption": "a man in a red coat", "paraphrases": ["a red coat on a man"]},
            "frames/7.png@0 0 64 128": {"caption": "a woman with a bag", "paraphrases": []},
        },
    }

Decided, since the paper has no file:

- The key of a picture is its reference as the manifest has it. Where the picture is a part of its file, its box
  follows: ``frame.png@left top right bottom``. So each panel of a file, which is a picture of one spectrum, has a key,
  and so has every picture of the synthetic world.
- ``caption`` is what evaluation always reads; training may read a paraphrase in its place. Any language will do.
- A caption is one line: line ends and runs of spaces become one space.
- In a manifest, the captions are the own column ``caption``, and ``paraphrases`` holds a paraphrase per line
  (:func:`paraphrases_in`). Where any row has several pictures, each spectrum has columns of its own (``caption_rgb``),
  because what is said of the color picture must not stand beside the infrared one;
  :func:`~reknow.data.manifest.one_spectrum_a_row` makes ``caption`` of them.
- Keys stay in the file: a path may tell an identity, and no method gets one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reknow.data.columns import CAPTION, PARAPHRASES, of_spectrum
from reknow.data.manifest import Manifest
from reknow.data.pictures import Box, parse_boxes
from reknow.errors import DataError, nearest, printable
from reknow.observation import Spectrum
from reknow.places import at_home
from reknow.writing import write_file

VERSION = 1
"""Of the file's form."""

LONGEST = 100_000
"""Characters of a caption; a longer one is refused, since it is no caption."""

WORDS_READ = 60
"""Words that text encoders of 77 tokens surely read of a caption beside a prompt; a note counts longer ones."""

_FIELDS = ("version", "captioner", "settings", "captions")
_CORRECT = "Correct it, or make the captions again."
_FORM = '{"caption": "a man in a red coat", "paraphrases": []}'


@dataclass(frozen=True)
class Caption:
    """What is said of one picture.

    Attributes:
        text: the caption itself, one line.
        paraphrases: the same in other words, a line each.
    """

    text: str
    paraphrases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Captions:
    """What a file of captions holds.

    Attributes:
        captioner: who or what made them.
        settings: what the captioner was told; a file is only completed by the same captioner with equal settings.
        of_picture: the caption of each picture, by its key (see the module).
    """

    captioner: str
    settings: Mapping[str, Any]
    of_picture: Mapping[str, Caption]

    @classmethod
    def read(cls, path: Path) -> Captions:
        """Read a file of captions, and check every one of them.

        Raises:
            DataError: no such file, not JSON in UTF-8, another version, an unknown field, a picture that stands twice,
                or a caption that is empty, no text or longer than :data:`LONGEST`.
        """
        content = _content(path)
        if content.get("version") is True or content.get("version") != VERSION:
            raise DataError(
                f"{path}, field 'version'",
                found=_json(content["version"]) if "version" in content else "no such field",
                expected=str(VERSION),
                remedy="Name a file of captions; a newer version of reknow may have written it.",
            )
        _check_fields(content, _FIELDS, (), str(path))
        for name, kind in (("captioner", str), ("settings", dict), ("captions", dict)):
            if not isinstance(content[name], kind):
                raise DataError(
                    f"{path}, field '{name}'",
                    found=_kind(content[name]),
                    expected=_kind(kind()),
                    remedy=_CORRECT,
                )
        of_picture = {key: _caption(entry, f"{path}, '{key}'") for key, entry in content["captions"].items()}
        return cls(content["captioner"], content["settings"], of_picture)

    def write(self, path: Path) -> None:
        """Write the file, completely or not at all; a line for each picture.

        Raises:
            DataError: the disk is full, or the folder may not be written.
        """
        entries = ",\n".join(
            f"{_json(key)}: {_json({'caption': caption.text, 'paraphrases': [*caption.paraphrases]})}"
            for key, caption in self.of_picture.items()
        )
        header = {"version": VERSION, "captioner": self.captioner, "settings": dict(self.settings)}
        lines = [f"{_json(name)}: {_json(value)}" for name, value in header.items()]
        lines.append(f'"captions": {{\n{entries}\n}}')
        write_file(path, "{\n" + ",\n".join(lines) + "\n}\n", DataError)


def picture_key(reference: str, box: Box | None = None) -> str:
    """The name of a picture in a file of captions.

    Example:
        >>> picture_key("query/0001.jpg"), picture_key("frame.png", (0, 0, 64, 128))
        ('query/0001.jpg', 'frame.png@0 0 64 128')
    """
    return reference if box is None else f"{reference}@{' '.join(map(str, box))}"


def picture_keys(manifest: Manifest) -> dict[Spectrum, list[str | None]]:
    """The key of every picture of a manifest, by spectrum; None where a row lacks it.

    Raises:
        DataError: a cell of the column ``crop`` that holds no boxes; the message names its row.
    """
    references: dict[Spectrum, list[Any]] = {spectrum: manifest.column(spectrum) for spectrum in manifest.spectra}
    keys: dict[Spectrum, list[str | None]] = {spectrum: [None] * len(manifest) for spectrum in references}
    for row, crop in enumerate(manifest.column("crop")):
        present: list[Spectrum] = [spectrum for spectrum in references if references[spectrum][row]]
        boxes = parse_boxes(crop, present, f"{manifest.name}, row {row}")
        for spectrum in present:
            keys[spectrum][row] = picture_key(references[spectrum][row], boxes[spectrum])
    return keys


def with_captions(manifest: Manifest, captions: Mapping[str, Caption], where: str) -> Manifest:
    """The same rows with what is said of their pictures, as own columns (see the module), and notes on what is missing.

    Args:
        manifest: N rows.
        captions: by the pictures' keys.
        where: names them in messages.

    Raises:
        DataError: none of them is of a picture of the manifest, or it has such columns already.
    """
    taken = next((name for name in (CAPTION, PARAPHRASES) if name in manifest.own_columns), None)
    if taken is not None:
        raise DataError(
            f"{manifest.name}, own column '{taken}'",
            found=f"a column of this name beside the captions of {where}",
            remedy="Rename the column, or leave the option captions out: a column 'caption' is read without it.",
        )
    keys = picture_keys(manifest)
    pictures = {key: None for column in keys.values() for key in column if key is not None}
    others = [key for key in captions if key not in pictures]
    if len(others) == len(captions):
        raise DataError(
            where,
            found=f"no caption of a picture of {manifest.name}" + (f", but of '{others[0]}'" if others else ""),
            expected=f"names of pictures such as '{next(iter(pictures), 'none')}'",
            remedy="Name the captions of this data set, or make them: reknow caption FORMAT:PATH",
        )
    names = _columns_of(keys)
    columns: dict[str, list[str | None]] = {name: [None] * len(manifest) for pair in names.values() for name in pair}
    for spectrum, column in keys.items():
        for row, key in enumerate(column):
            if key is not None and (caption := captions.get(key)):
                for name, cell in zip(names[spectrum], (caption.text, "\n".join(caption.paraphrases)), strict=True):
                    columns[name][row] = cell
    notes = [*manifest.notes]
    if without := len(pictures.keys() - captions.keys()):
        notes.append(f"{where}: {without:,} of {len(pictures):,} pictures of {manifest.name} have no caption.")
    if others:
        share = f"{len(others):,} of {len(captions):,} captions"
        notes.append(f"{where}: {share} are of no picture of {manifest.name}, such as '{others[0]}'.")
    notes += _note_on_length([caption.text for caption in captions.values()], where)
    return replace(manifest.with_own(columns), notes=tuple(notes))


def captioned(manifest: Manifest, source: str) -> Manifest:
    """The data set with captions, as its option ``captions`` names them.

    Args:
        manifest: N rows.
        source: a file of captions, or the name of an own column of the user's whose cells are captions.

    Raises:
        DataError: neither such a column nor a file of captions, or what :func:`with_captions` refuses.
    """
    if source not in manifest.own_columns:
        file = at_home(source)
        if not os.path.lexists(file) and manifest.own_columns:
            raise DataError(
                f"{manifest.name}, option 'captions'",
                found=f"neither a file nor an own column '{source}'",
                remedy=nearest(source, manifest.own_columns),
            )
        return with_captions(manifest, Captions.read(file).of_picture, file.name)
    where = f"{manifest.name}, column '{source}'"
    cells = [
        None if cell is None else _line(cell, f"{where}, row {row}") for row, cell in enumerate(manifest.column(source))
    ]
    notes = (*manifest.notes, *_note_on_length([cell for cell in cells if cell is not None], where))
    return replace(manifest if source == CAPTION else manifest.with_own({CAPTION: cells}), notes=notes)


def captions_in(manifest: Manifest) -> dict[str, Caption]:
    """What a manifest's columns say of its pictures, by the pictures' keys: what :func:`with_captions` joined.

    Raises:
        DataError: a cell of the column ``crop`` that holds no boxes.
    """
    keys = picture_keys(manifest)
    captions = {}
    for spectrum, names in _columns_of(keys).items():
        texts, paraphrases = manifest.cells(names).values()
        for key, text, lines in zip(keys[spectrum], texts, paraphrases, strict=True):
            if key is not None and text is not None:
                captions[key] = Caption(text, paraphrases_in(lines))
    return captions


def paraphrases_in(cell: str | None) -> tuple[str, ...]:
    r"""The paraphrases that a cell of the column ``paraphrases`` holds.

    Example:
        >>> paraphrases_in("a red coat on a man\na man, a red coat"), paraphrases_in(None)
        (('a red coat on a man', 'a man, a red coat'), ())
    """
    return tuple(line.strip() for line in (cell or "").split("\n") if line.strip())


def _columns_of(keys: Mapping[Spectrum, Sequence[str | None]]) -> dict[Spectrum, tuple[str, str]]:
    """The columns for what is said of each spectrum's pictures; the same for all where each row has one picture."""
    several = any(sum(key is not None for key in row) > 1 for row in zip(*keys.values(), strict=True))
    return {
        spectrum: (of_spectrum(CAPTION, spectrum), of_spectrum(PARAPHRASES, spectrum))
        if several
        else (CAPTION, PARAPHRASES)
        for spectrum in keys
    }


def _note_on_length(texts: Sequence[str], where: str) -> list[str]:
    long = sum(len(text.split()) > WORDS_READ for text in texts)
    share = f"{long:,} of {len(texts):,} captions have more than {WORDS_READ} words"
    return [f"{where}: {share}, and text encoders of 77 tokens cut them."] if long else []


def _content(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; no name stands twice in it."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(path, found=f"not UTF-8 ({error})", remedy="Save the file in UTF-8.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"it cannot be read ({error})"
        raise DataError(
            path, found=reason, expected="a file of captions", remedy="Correct the path, or run: reknow caption"
        ) from error

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for name, value in pairs:
            if name in names:
                raise DataError(f"{path}, '{name}'", found="it stands twice", remedy="Remove one of the two.")
            names[name] = value
        return names

    try:
        content = json.loads(text, object_pairs_hook=checked)
    except (ValueError, RecursionError) as error:
        raise DataError(
            path, found=f"not JSON ({error})", expected="a file of captions", remedy="Correct it, or make it again."
        ) from error
    if not isinstance(content, dict):
        raise DataError(path, found=_kind(content), expected="an object", remedy="Name a file of captions.")
    return content


def _check_fields(content: Mapping[str, Any], required: Sequence[str], optional: Sequence[str], where: str) -> None:
    for name in content:
        if name not in (*required, *optional):
            raise DataError(
                f"{where}, field '{name}'", found="unknown field", remedy=nearest(name, (*required, *optional))
            )
    for name in required:
        if name not in content:
            raise DataError(where, found=f"no field '{name}'", remedy="Add it, or make the captions again.")


def _caption(entry: Any, where: str) -> Caption:
    """One picture's entry, checked."""
    if not isinstance(entry, dict):
        raise DataError(where, found=_kind(entry), expected=f"an object such as {_FORM}", remedy="Correct it.")
    _check_fields(entry, (CAPTION,), (PARAPHRASES,), where)
    paraphrases = entry.get(PARAPHRASES, [])
    if not isinstance(paraphrases, list):
        raise DataError(f"{where}, {PARAPHRASES}", found=_kind(paraphrases), expected="a list", remedy=_CORRECT)
    return Caption(_line(entry[CAPTION], where), tuple(_line(text, f"{where}, {PARAPHRASES}") for text in paraphrases))


def _line(text: Any, where: str) -> str:
    """A caption in one line, checked."""
    if not isinstance(text, str):
        raise DataError(where, found=_kind(text), expected="a text", remedy=_CORRECT)
    line = " ".join(text.split())
    if not line:
        raise DataError(where, found="an empty caption", remedy="Write one, or remove the picture from the file.")
    if len(line) > LONGEST:
        raise DataError(
            where, found=f"{len(line):,} characters", expected=f"at most {LONGEST:,}", remedy="Shorten the caption."
        )
    if "\0" in line or printable(line) != line:
        problem = "a null character" if "\0" in line else "half of a surrogate pair"
        raise DataError(where, found=problem, expected="text in UTF-8", remedy=_CORRECT)
    return line


def _kind(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
