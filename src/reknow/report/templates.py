"""Templates of pages: what all of them have, which is that every value is escaped and the three themes are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from reknow.explain import colors


def from_template(template: str, **values: Any) -> str:
    """The text of a page.

    Args:
        template: the name of a file beside this module.
        values: what it reads; one that it lacks is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    themes = {"light": colors.LIGHT, "dark": colors.DARK, "print": colors.PRINT}
    return environment.get_template(template).render(themes=themes, **values)
