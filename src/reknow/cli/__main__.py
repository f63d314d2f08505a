"""``python -m reknow.cli``, where a launcher such as torchrun wants a module."""

from __future__ import annotations

import sys

from reknow.cli import main

if __name__ == "__main__":
    sys.exit(main())
