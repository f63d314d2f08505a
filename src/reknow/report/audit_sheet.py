"""The sheet of an audit: one HTML file in which a person says of each pair of pictures whether it shows one individual.

It needs nothing else, not even a network. The layout is in ``audit_sheet.html`` and ``audit_sheet.css``, with the style
of the report; ``audit_sheet.js`` takes the keys, keeps the answers in the browser and gives them as the CSV that
:mod:`reknow.evaluation.audit_file` reads. The browser runs no other script. Without JavaScript the pairs are shown all
the same, and the CSV is filled by hand. Decided: the sheet shows neither similarities nor strata, which would tell what
the recognizer thinks of a pair.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup
from PIL import Image

from reknow.data.groups import Groups
from reknow.data.manifest import Manifest
from reknow.evaluation.audit import Audit
from reknow.evaluation.audit_file import audit_lines, audit_name
from reknow.report.images import observation_image, spectra_shown, thumbnails
from reknow.report.templates import from_template

LONGEST = 520
"""Pixels of a picture's longer side, which is the height at which the sheet shows it at most."""

BUDGET = 12_000_000
"""Bytes of all pictures as text: more than a report has, since the sheet is opened where it lies and not mailed."""


def audit_sheet(audit: Audit, groups: Groups, manifest: Manifest, groups_file: Path, csv_file: Path) -> str:
    """The sheet as HTML text.

    Args:
        audit: pairs of rows; answers in it are not shown.
        groups: the names and groups of these rows.
        manifest: the same rows, with their pictures. Only those of the pairs are read.
        groups_file: the CSV of the groups, as the user named it.
        csv_file: the CSV to fill, which the sheet's button gives with the answers in it.

    Raises:
        DataError: a picture cannot be read.
    """
    spectra = spectra_shown(manifest)
    rows = [row for pair in audit.pairs for row in (pair.first, pair.second)]
    pictures = [_shrunk(observation_image(manifest, row, spectra)) for row in rows]
    shown = list(zip(thumbnails(pictures, BUDGET, LONGEST), [groups.images[row] for row in rows], strict=True))
    name = audit_name(audit, groups)
    header, *lines = audit_lines(replace(audit, answers=()), groups)
    script = (Path(__file__).parent / "audit_sheet.js").read_text(encoding="utf-8")
    return from_template(
        "audit_sheet.html",
        name=name,
        header=header,
        pairs=[
            # The script writes the answer and the audit's name behind the line.
            {"group": pair.group, "line": line.removesuffix(f",{name}"), "pictures": shown[2 * row : 2 * row + 2]}
            for row, (pair, line) in enumerate(zip(audit.pairs, lines, strict=True))
        ],
        groups_file=groups_file.name,
        csv_file=csv_file.name,
        command=f"reknow audit {shlex.quote(str(csv_file))} --groups {shlex.quote(str(groups_file))}",
        script=Markup(script),
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def _shrunk(picture: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """At most :data:`LONGEST` pixels long: a hundred pictures of 12 megapixels would take 4 GB."""
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(image)
