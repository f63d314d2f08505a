"""reknow: know the same individual again, across cameras, times and spectra, mostly without labels.

>>> import reknow
>>> recognizer = reknow.load()  # the package's own small recognizer; or load("runs/x")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reknow.errors import ReknowError

if TYPE_CHECKING:
    from reknow.recognizer import Recognizer as Recognizer
    from reknow.recognizer import load as load

__version__ = "0.1.0"
__all__ = ["Recognizer", "ReknowError", "load"]


def __getattr__(name: str) -> object:
    # torch takes seconds to import; `import reknow` must not.
    if name in ("Recognizer", "load"):
        from reknow.machine import refuse_windows

        refuse_windows()
        from reknow import recognizer

        return getattr(recognizer, name)
    raise AttributeError(f"module 'reknow' has no attribute '{name}'")
