"""Naming: a place, and options after a question mark. So users name data sets and files of weights.

``PLACE?option=value&option=value``. A question mark that belongs to an existing path stays in the path. Values are
taken as they stand: nothing is percent-decoded, because they are often regular expressions (write ``\\x26`` for an
ampersand).
"""

from __future__ import annotations

from collections.abc import Callable

from reknow.errors import ReknowError


def place_and_options(
    text: str, exists: Callable[[str], bool], error: type[ReknowError], form: str
) -> tuple[str, dict[str, str]]:
    """Take a name apart. Of several question marks, the one after the longest existing path starts the options.

    Args:
        text: as the user wrote it.
        exists: whether anything is at a place.
        error: what to raise.
        form: how such a name is written, for the message.

    Returns:
        the place and each option's value.

    Raises:
        ReknowError: of the given kind: something else than options after the question mark, or one of them twice.

    Example:
        >>> place_and_options("w.pth?stride=12&size=256x128", lambda place: place == "w.pth", ReknowError, "")
        ('w.pth', {'stride': '12', 'size': '256x128'})
    """
    if "?" not in text or exists(text):
        return text, {}
    marks = [position for position, letter in enumerate(text) if letter == "?"]
    existing = [position for position in marks if exists(text[:position])]
    mark = existing[-1] if existing else marks[0]
    options: dict[str, str] = {}
    for part in text[mark + 1 :].split("&"):
        option, equals, value = part.partition("=")
        if not equals or not option or option in options:
            found = f"option '{option}' twice" if option in options else f"'{part}'"
            raise error(text, found=found, expected="option=value after the question mark", remedy=f"Write: {form}")
        options[option] = value
    return text[:mark], options
