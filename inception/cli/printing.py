"""What commands that take long print while they go: a bar, lines, a table's rows."""

from __future__ import annotations

import signal
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from inception.cli.output import console, give_up_output, progress, say

STOPPING = "stopping, to save what there is"
INDENT = 30  # of what a setting means, in ``--set help``


class Printing:
    """A bar on standard error that moves, and lines on standard output."""

    def __init__(self, printing: bool) -> None:
        from rich.progress import BarColumn, Task, TextColumn
        from rich.text import Text

        class Note(TextColumn):
            """Says that it stops as soon as it was asked to, whatever is being done."""

            def render(self, task: Task) -> Text:
                return Text(STOPPING) if stopping() else super().render(task)

        def stopping() -> bool:
            return self.stopping()

        self.printing = printing
        self.stopping: Callable[[], bool] = lambda: False  # whether it was asked to
        self._out = console()
        self._header_printed = False
        self._progress = progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            Note("{task.percentage:>3.0f} %  {task.fields[note]}"),
            quiet=not printing,
        )
        self._task = self._progress.add_task("starting", total=None, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def move(self, what: str, done: int, total: int, note: str = "") -> None:
        """Moves the bar."""
        self._progress.update(self._task, description=what, total=total, completed=done, note=note)

    def line(self, text: str, style: str | None = None) -> None:
        """Prints a line; where whoever reads has had enough, asks to stop, as Ctrl-C does."""
        if not self.printing:
            return
        try:
            with self._aside():
                self._out.print(text, style=style)
        except BrokenPipeError:
            give_up_output()
            signal.raise_signal(signal.SIGINT)

    def row(self, cells: Mapping[str, str], note: str = "") -> None:
        """Prints a row of a table by its columns' names, a header above the first."""
        widths = [max(len(name), 8) for name in cells]
        if not self._header_printed:
            self.line(_aligned(cells, widths), style="bold")
            self._header_printed = True
        self.line(_aligned(cells.values(), widths) + note)

    def restart(self) -> None:
        """Prints the header again before the next row, which is another run's."""
        self._header_printed = False

    def warning(self, text: str) -> None:
        """Tells of something that is done without."""
        with self._aside():
            say(f"inception: {text}", err=True)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Takes the bar off the terminal meanwhile, which else would stand in the line printed."""
        live = self._progress.live
        shown = live.is_started
        if shown:
            live.stop()
        try:
            yield
        finally:
            if shown:
                live.start(refresh=True)


def _aligned(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def print_settings(settings: Iterable[tuple[str, str, str]]) -> None:
    """Prints what ``--set help`` tells: name and default, values, meaning."""
    for name, values, about in settings:
        start, told = f"{name} ".ljust(INDENT), f"{values}: {about}"
        say(*textwrap.wrap(told, 100, initial_indent=start, subsequent_indent=" " * INDENT))


def moved_note(settings: Sequence[str]) -> str:
    """What a resumed run says of settings that differ from those of the machine it began on."""
    return (
        f"moved: {', '.join(settings)}; from here on its weights may differ in their last bits "
        "from those of a run that stayed"
    )


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
