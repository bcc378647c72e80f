"""``inception detect``: where in a picture its objects are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.grouped import MACHINE, OUTPUT, GroupedCommand
from inception.cli.output import JsonOption, MaxPixelsOption, QuietOption, say

if TYPE_CHECKING:
    from inception.detection.datasets import DetectionSet
    from inception.detection.multibox import Proposer
    from inception.detection.proposals import Proposed

detect_app = typer.Typer(
    name="detect",
    help="Finds objects and their boxes, the way of 2014.",
    rich_markup_mode=None,
    invoke_without_command=True,
)

DetectionData = Annotated[str, typer.Argument(help="Pascal VOC folder, or COCO JSON.")]
SplitOption = Annotated[
    str | None, typer.Option(help="Which part of DATA; val, else test, else all by default.")
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="That search pictures; one a core by default.", rich_help_panel=MACHINE
    ),
]


@detect_app.callback()
def detect(context: typer.Context) -> None:
    """Finds objects and their boxes, the way of 2014."""
    if context.invoked_subcommand is None:
        say(*context.get_help().splitlines())


@detect_app.command(cls=GroupedCommand)
def proposals(
    data: DetectionData,
    search: Annotated[
        str, typer.Option(help="Selective Search's mode: fast, quality or none.")
    ] = "fast",
    superpixels: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Their scale and step, 150 by default; 300 gives half the boxes. Give several "
            "to compare.",
        ),
    ] = None,
    multibox: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Of `detect multibox`; alone, and with the others."),
    ] = None,
    split: SplitOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N pictures only.")] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="PNG", help="Draw recall by boxes.", rich_help_panel=OUTPUT),
    ] = None,
    processes: ProcessesOption = None,
    max_pixels: MaxPixelsOption = None,
    quiet: QuietOption = False,
    json: JsonOption = None,
) -> int:
    """Measures which objects proposals hit, and with how many boxes.

    Exit status 1 where a picture cannot be read.
    """
    from inception.cli.output import write_json
    from inception.detection.datasets import open_detection
    from inception.detection.multibox import Proposer
    from inception.detection.proposals import coverage
    from inception.errors import InputError

    dataset = open_detection(data, split)
    dataset = dataset.subset(range(min(limit or len(dataset), len(dataset))))
    scales = [] if search == "none" else superpixels or [150]
    learnt = multibox and Proposer(multibox, threads=processes)
    found = _searched(dataset, search, scales, processes, quiet=quiet)
    if learnt:
        found = _with_multibox(dataset, found, learnt)
    if not found:
        raise InputError("nothing proposes: --search none needs --multibox FILE")
    rows = [{"name": name, **coverage(proposed, dataset)} for name, proposed in found.items()]
    if plot is not None:
        from inception.detection.drawing import draw_recall

        draw_recall({row["name"]: row["curve"] for row in rows}, Path(plot))
    unreadable = [dataset.path(i) for i in range(len(dataset)) if i not in found[rows[0]["name"]]]
    write_json({"data": data, "split": dataset.split, "unreadable": unreadable, "ways": rows}, json)
    if json != "-" and not quiet:
        _print_coverage(rows, dataset.notes, unreadable)
    return 1 if unreadable else 0


def _searched(
    dataset: DetectionSet,
    mode: str,
    superpixels: Sequence[int],
    processes: int | None,
    *,
    quiet: bool,
) -> dict[str, dict[int, Proposed]]:
    """What each way of Selective Search proposes, by the name of the way."""
    from inception.cli.output import progress
    from inception.detection.proposals import SelectiveSearch
    from inception.detection.sources import Source
    from inception.machine import available_cores

    ways = [SelectiveSearch(mode, scale) for scale in superpixels]  # type: ignore[arg-type]  # says so itself
    found = {}
    with progress(quiet=quiet) as bar:
        for how in ways:
            name = f"Selective Search, {how.mode}, superpixels {how.superpixels}"
            task = bar.add_task(name, total=len(dataset))
            found[name] = Source(how).propose_set(
                dataset,
                processes=processes or available_cores(),
                progress=partial(bar.advance, task),
            )
    return found


def _with_multibox(
    dataset: DetectionSet, found: dict[str, dict[int, Proposed]], learnt: Proposer
) -> dict[str, dict[int, Proposed]]:
    """What was found, MultiBox's boxes, and each of the former behind the latter."""
    from inception.detection.sources import Source, joined

    own = Source(None, learnt).propose_set(dataset)
    together = {
        f"MultiBox and {name}": {i: joined(own[i], each) for i, each in proposed.items()}
        for name, proposed in found.items()
    }
    return {**found, f"MultiBox, {learnt.multibox.boxes} boxes": own, **together}


def _print_coverage(
    rows: Sequence[dict[str, Any]], notes: Sequence[str], unreadable: Sequence[str]
) -> None:
    from inception.cli.output import console, percent, table
    from inception.data.listing import number

    out = console()
    say(*notes, *(f"not readable: {path}" for path in unreadable), err=True)
    first = rows[0]
    counts = (number(first["pictures"], "picture"), number(first["objects"], "object"))
    out.print(", ".join(counts))
    columns = ("proposals", "a picture", "hit at 0.5", "at 0.7", "best overlap", "s a picture")
    cells = [
        (
            row["name"],
            f"{row['proposals_per_picture']:,.0f}",
            *(percent(row[name]) for name in ("recall", "recall_at_0.7", "average_best_overlap")),
            f"{row['seconds_per_picture']:.2f}",
        )
        for row in rows
    ]
    out.print(table(columns, cells))
