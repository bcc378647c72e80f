"""``inception weights list`` and ``pull``: the catalogue of public weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.output import JsonOption, QuietOption, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from inception.weights.catalogue import Published
    from inception.weights.pull import Pulled


def list_weights(
    pattern: Annotated[
        str, typer.Argument(metavar="[PATTERN]", help="Only these tags, googlenet* for example.")
    ] = "*",
    json: JsonOption = None,
) -> None:
    """Lists public weights: whose, how good, whether they are here."""
    from fnmatch import fnmatch

    from inception.cli.output import write_json
    from inception.errors import InputError
    from inception.weights.catalogue import CATALOGUE

    entries = [entry for tag, entry in CATALOGUE.items() if fnmatch(tag, pattern)]
    if not entries:
        raise InputError(f"no tag matches {pattern}; without a pattern all are listed")
    write_json([entry.to_json() for entry in entries], json)
    if json != "-":
        _print_list(entries)


def _print_list(entries: list[Published]) -> None:
    from inception.cli.output import console, table

    columns = ["tag", "licence", "checked by", "px", "top-1 %", "top-5 %", "says", "here"]
    rows = [
        [
            entry.tag,
            entry.licence,
            "–" if entry.checksum is None else entry.checksum.algorithm,
            str(entry.preprocessing.size),
            "–" if entry.top1 is None else f"{entry.top1:.1f}",
            "–" if entry.top5 is None else f"{entry.top5:.1f}",
            entry.figures or "–",
            "yes" if entry.path.exists() else "",
        ]
        for entry in entries
    ]
    out = console()
    out.print(table(columns, rows, left=3))
    out.print("inception weights pull TAG downloads one; then the tag is a MODEL")


def pull(
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="As `list` names them.")],
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Downloads public weights and makes models of them.

    A cut download goes on where it was.
    """
    from rich.progress import DownloadColumn, TextColumn, TransferSpeedColumn

    from inception.cli.output import progress, write_json
    from inception.weights.catalogue import find_published
    from inception.weights.pull import pull as pull_tag

    for tag in tags:
        find_published(tag)
    results = []
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    for tag in tags:
        with progress(*columns, quiet=quiet) as bar:
            show = partial(_show, bar, bar.add_task(tag, total=None))
            done = pull_tag(tag, progress=show)
        results.append(done)
        if json != "-" and not quiet:
            _print_pulled(done)
    write_json([_to_json(done) for done in results], json)


def _show(bar: Progress, task: TaskID, done: int, total: int | None) -> None:
    bar.update(task, completed=done, total=total)


def _to_json(done: Pulled) -> dict[str, object]:
    return {
        **done.published.to_json(),
        "original": str(done.original),
        "sha256": done.sha256,
        "verified": done.pin is None,
        "notes": list(done.notes),
    }


def _print_pulled(done: Pulled) -> None:
    published = done.published
    checked = f"checked by {published.checksum}"
    if published.checksum is None:
        checked = f"unverified, for nobody published a checksum; pinned in {done.pin}"
    say(f"{published.tag}: {done.original}, {done.original.stat().st_size:,} bytes; {checked}")
    for note in done.notes:
        say(f"  {note}")
    say(f"  licence: {published.licence}; the pictures of its training have their own")
    say(f"  written: {done.path}, {done.path.stat().st_size:,} bytes")
    say(f"  try: inception predict {published.tag} photo.jpg")
