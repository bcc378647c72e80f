"""``inception data``: the data doctor, and the makers of data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli import pack as makers
from inception.cli.grouped import GroupedCommand
from inception.cli.output import JsonOption, MaxPixelsOption, ThreadsOption, say

if TYPE_CHECKING:
    from inception.data.check import DataReport
    from inception.detection.check import BoxReport

data_app = typer.Typer(
    name="data", help="Looks after data sets.", rich_markup_mode=None, invoke_without_command=True
)

data_app.command(cls=GroupedCommand)(makers.pack)
data_app.command(cls=GroupedCommand)(makers.split)

ByOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Also find copies as this model sees them: resized, cut, relit, re-encoded.",
    ),
]
MOST_LINES = 10  # of a list; --json has all


@data_app.callback()
def data(context: typer.Context) -> None:
    """Looks after data sets."""
    if context.invoked_subcommand is None:
        say(*context.get_help().splitlines())


@data_app.command(cls=GroupedCommand)
def check(
    data: Annotated[str, typer.Argument(help="Folder, tar shards, parquet, CSV, VOC or COCO.")],
    seed: Annotated[
        int, typer.Option(help="Without a validation set: what training with it holds out.")
    ] = 0,
    by: ByOption = None,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
) -> int:
    """Finds unreadable, odd, equal and leaked pictures, imbalance.

    Exit status 1 where it matters.
    """
    from inception.cli.output import write_json
    from inception.data.check import as_trained, check_data
    from inception.data.datasets import open_data
    from inception.detection.datasets import is_detection
    from inception.embedding.copies import Onlooker
    from inception.machine import available_cores

    if is_detection(data):
        return _check_boxes(data, threads or available_cores(), json)
    onlooker = None if by is None else Onlooker(by, threads=threads)
    opened = open_data(data)
    report = check_data(opened, threads=threads or available_cores(), seed=seed)
    if onlooker is not None:
        alike = onlooker.copies(list(as_trained(opened, seed).values()))
        report.alike = [pair.to_json() for pair in alike]
    write_json(report.to_json(), json)
    if json != "-":
        _print(report)
    return 0 if report.healthy else 1


def _check_boxes(data: str, threads: int, json: str | None) -> int:
    """The same for pictures with boxes."""
    from inception.cli.output import write_json
    from inception.detection.check import check_boxes

    report = check_boxes(data, threads=threads)
    write_json(report.to_json(), json)
    if json != "-":
        _print_boxes(report)
    return 0 if report.healthy else 1


def _print_boxes(report: BoxReport) -> None:
    from inception.cli.output import console, table

    splits = report.splits
    if splits:
        classes = list(dict.fromkeys(c for split in splits.values() for c in split.per_class))
        rows = [[c, *(f"{s.per_class.get(c, 0):,}" for s in splits.values())] for c in classes]
        totals = {"objects": "all", "ignored": "of them ignored", "pictures": "pictures"}
        totals["empty_pictures"] = "pictures without any"
        rows += [
            [title, *(f"{getattr(s, name):,}" for s in splits.values())]
            for name, title in totals.items()
        ]
        console().print(table(["objects of", *splits], rows))
    _print_list("refused", report.faults)
    _print_list("unreadable", [f"{each['path']}: {each['reason']}" for each in report.unreadable])
    _print_list("clipped or left out", report.notes)
    _print_list("of another size than told; their own counts", report.wrong_sizes)
    _print_list("equal pictures in several splits", [" = ".join(g) for g in report.leaks])
    _print_list("equal pictures in one split", [" = ".join(g) for g in report.duplicates])


def _print(report: DataReport) -> None:
    from inception.cli.output import console, table
    from inception.data.check import TINY_PX

    out = console()
    say(*report.notes)
    names = list(report.splits)
    classes = list(next(iter(report.splits.values())).per_class)
    rows = [[c, *(f"{report.splits[n].per_class[c]:,}" for n in names)] for c in classes]
    rows.append(["all", *(f"{report.splits[n].pictures:,}" for n in names)])
    out.print(table(["class", *names], rows))
    for name, split in report.splits.items():
        modes = ", ".join(f"{count:,} {mode}" for mode, count in sorted(split.modes.items()))
        out.print(f"{name}: {modes}")
        counts = [count for count in split.per_class.values() if count]
        if counts and max(counts) > 3 * min(counts):
            out.print(f"{name}: classes are unbalanced, from {min(counts):,} to {max(counts):,}")
    unreadable = [f"{entry['path']}: {entry['reason']}" for entry in report.unreadable]
    _print_list("unreadable", unreadable)
    _print_list(f"with a side under {TINY_PX} px", report.tiny)
    _print_list("equal pictures in several splits", [" = ".join(g) for g in report.leaks])
    _print_list("equal pictures with different labels", [" = ".join(g) for g in report.conflicts])
    _print_list("equal pictures in one split", [" = ".join(g) for g in report.duplicates])
    near = "pictures in several splits that look alike; look whether they are copies"
    _print_list(near, [" ~ ".join(pair) for pair in report.near_leaks])
    seen = [f"{p['first']} ~ {p['second']} ({p['likeness']:.2f})" for p in report.alike or ()]
    _print_list("pictures the model sees nearly the same, the likest first", seen)


def _print_list(title: str, lines: list[str]) -> None:
    if not lines:
        return
    say(f"{title}: {len(lines)}")
    for line in lines[:MOST_LINES]:
        say(f"  {line}")
    if len(lines) > MOST_LINES:
        say(f"  and {len(lines) - MOST_LINES} more; --json has all")
