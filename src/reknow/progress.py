"""The display of a command's progress: bars with speed and remaining time, and plain lines that stay.

Everything goes to standard error, so that ``--json`` output stays clean.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich import progress as bars
from rich.console import Console
from rich.text import Text

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class _Speed(bars.ProgressColumn):
    """Pictures per second."""

    def render(self, task: bars.Task) -> Text:
        """Empty until the first report."""
        factor = task.fields.get("pictures", 1)
        speed = (task.finished_speed or task.speed or 0) * factor
        return Text(f"{speed:,.0f} pictures/s" if speed else "", style="cyan")


class Display:
    """Bars for running work, lines for finished work; used as a context manager.

    Args:
        quiet: show nothing at all (the other processes of a run, tests).
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=28),
            bars.MofNCompleteColumn(),
            _Speed(),
            bars.TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            speed_estimate_period=10.0,
        )

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, markup=False, soft_wrap=True)

    def bar(self, what: str, pictures: int = 1) -> Progress:
        """A new bar; call the returned function with (done, total).

        Args:
            what: the name of the work.
            pictures: pictures per unit of work, for the speed.
        """
        task = self._bars.add_task(what, total=None, pictures=pictures)

        def advance(done: int, total: int) -> None:
            self._bars.update(task, completed=done, total=total, visible=done < total)

        return advance
