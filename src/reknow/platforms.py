"""Where the package runs: Linux. macOS has what it needs and is not tested; Windows has not (docs: troubleshooting)."""

from __future__ import annotations

import sys

from reknow.errors import ReknowError


def refuse_windows() -> None:
    """End with a sentence where a module that Windows lacks would end it with a traceback.

    Raises:
        ReknowError: this is Windows. Several runs share one picture cache by locks (fcntl) that it does not have.
    """
    if sys.platform in ("win32", "cygwin"):
        raise ReknowError(
            "Windows",
            found="reknow does not run on it",
            expected="Linux (or macOS, where it is not tested)",
            remedy="On Windows, install it inside the Windows Subsystem for Linux: wsl --install",
        )
