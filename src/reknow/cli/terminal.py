"""Standard output and error as they are found: any encoding, a pipe whose reader has gone, a full disk, nothing."""

from __future__ import annotations

import io
import os
import sys

from reknow.errors import RunError


def show_any_letter() -> None:
    """Print as its code what the terminal's encoding lacks, instead of ending with an error; UTF-8 shows all as before.

    File names of the user's may have any letter, and even bytes that are none.
    """
    for stream in (sys.stdout, sys.stderr):
        # Under UTF-8 with surrogateescape, as in the locale C, even such bytes come out as they went in.
        if isinstance(stream, io.TextIOWrapper) and (stream.encoding, stream.errors) != ("utf-8", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print, at once.

    Raises:
        BrokenPipeError: the reader has gone.
        RunError: it goes to a file on a full disk, or to something that was closed.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        forget_output()
        raise RunError(
            "standard output",
            found=f"cannot be written ({error.strerror})",
            remedy="Free space where it goes; files that the command wrote are whole.",
        ) from error


def forget_output() -> None:
    """Drop what standard output still holds, or Python would complain of it once more at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
