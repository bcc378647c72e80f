"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.completion import crop_counts, devices, engines, settings
from inception.cli.grouped import LEARNING, MACHINE, OUTPUT
from inception.files import write_text
from inception.text import json_text, shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

FAILED = 2  # exit status of a caller's mistake
INTERRUPTED = 130  # exit status of what a signal stopped

JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the result as JSON; - prints only that.",
        rich_help_panel=OUTPUT,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="auto, cpu or cuda; mps, which nobody has tried yet, on a Mac.",
        autocompletion=devices,
        rich_help_panel=MACHINE,
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        help="auto (the fastest that is installed), torch, openvino or onnx.",
        autocompletion=engines,
        rich_help_panel=MACHINE,
    ),
]
BatchOption = Annotated[
    int,
    typer.Option("--batch-size", min=1, help="Squares in one run.", rich_help_panel=MACHINE),
]
CropsOption = Annotated[
    int,
    typer.Option(
        "--crops",
        "--tta",
        help="Squares shown of each picture, their answers averaged (test-time augmentation): "
        "1, 10, 12 or 144.",
        autocompletion=crop_counts,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        help="Threads to use; as many as there are cores by default.", rich_help_panel=MACHINE
    ),
]
ExitOption = Annotated[
    float | None,
    typer.Option(
        metavar="P", help="Let the first auxiliary head that is surer than P answer, 0 to 1."
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Refuse larger pictures; $INCEPTION_MAX_PIXELS, else 89,478,485 by default.",
        callback=lambda number: set_max_pixels(number),
        rich_help_panel=MACHINE,
    ),
]
MoreSettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting of train's.",
        autocompletion=settings,
        rich_help_panel=LEARNING,
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="No progress, no tables.", rich_help_panel=OUTPUT)
]


def set_max_pixels(number: int | None) -> int | None:
    """Tells the limit to this process and those it starts, workers that read pictures too."""
    if number is not None:
        os.environ["INCEPTION_MAX_PIXELS"] = str(number)
    return number


def write_json(value: Any, target: str | None) -> None:
    """Writes a result to the ``--json`` file, or to standard output for ``-``."""
    if target is None:
        return
    if target == "-":
        print(json_text(value, indent=1, into=sys.stdout.encoding or "utf-8"))
    else:
        write_text(Path(target), json_text(value, indent=1) + "\n")


def say(*lines: object, err: bool = False) -> None:
    """Prints lines, on standard error where ``err``: whatever names are in them cannot act."""
    for line in lines:
        typer.echo(shown(line), err=err)


def console(*, stderr: bool = False) -> Console:
    """Where tables and progress go; wide where the output is no terminal, so nothing is cut.

    Strings are printed as they are, never as markup, and cannot act.
    """
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str("\n".join(map(shown, text.split("\n"))), **how)

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # ``main`` ends quietly

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Plain(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def progress(*columns: Any, quiet: bool = False) -> Progress:
    """A progress bar on standard error that vanishes when done; none where that is no terminal."""
    from rich.progress import Progress

    out = console(stderr=True)
    disable = quiet or not out.is_terminal
    return Progress(*columns, console=out, transient=True, disable=disable)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Table:
    """A plain table; the first ``left`` columns to the left, the others to the right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number < left else "right", no_wrap=number > 0)
    for row in rows:
        made.add_row(*map(shown, row))
    return made


def give_up_output() -> None:
    """Lets the interpreter's last flush of what nobody can take go nowhere, without a word."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def percent(share: float | None) -> str:
    """A share as a percentage with two digits, a dash for none."""
    return "–" if share is None else f"{100 * share:.2f} %"


def per_second(count: float) -> str:
    """How many there are in a second, with a digit after the point below ten."""
    return f"{count:.1f}" if count < 10 else f"{count:.0f}"
