"""The rows of the device check, one file for each kind. A new row is a line in its file's ROWS."""

from __future__ import annotations

from device_rows import compiled, demo, embedding, pseudo_labels, ranking, steps, tests
from device_rows.context import Context, Row

__all__ = ["ROWS", "Context", "Row"]

ROWS: dict[str, Row] = {
    **tests.ROWS,
    **steps.ROWS,
    **embedding.ROWS,
    **pseudo_labels.ROWS,
    **ranking.ROWS,
    **demo.ROWS,
    **compiled.ROWS,
}
"""Every row by name, in the order in which they run: what matters most comes first, in case time runs out."""
