"""``inception detect``: where in a picture its objects are."""

from __future__ import annotations

import typer

from inception.cli.output import say

detect_app = typer.Typer(
    name="detect",
    help="Finds objects and their boxes, the way of 2014.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@detect_app.callback()
def detect(context: typer.Context) -> None:
    """Finds objects and their boxes, the way of 2014."""
    if context.invoked_subcommand is None:
        say(*context.get_help().splitlines())
