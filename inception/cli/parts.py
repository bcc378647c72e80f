"""``inception predict --out``: answers to any number of pictures, in parts, perhaps on Ray."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from inception.cli.grouped import MACHINE, OUTPUT
from inception.cli.output import progress, say

RAY = "ray"  # among the engines: the fastest one there is, on a cluster's machines
FEW = 10  # unreadable pictures that are named; a file has all

PartsOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Write parquet in parts, a row a picture; run again it goes on. --engine ray does so "
        "on a cluster.",
        rich_help_panel=OUTPUT,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Of --engine ray, of --threads each; as many as fit by default.",
        rich_help_panel=MACHINE,
    ),
]


def predict_in_parts(
    asked: tuple[Any, ...], workers: int | None, *, alone: bool, quiet: bool
) -> int:
    """Answers what ``asked`` says, as ``Job`` does in its order; gives the exit status."""
    from functools import partial

    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from inception.cluster import UNREADABLE, Job, here, on_ray, predict_parts
    from inception.errors import InputError

    job = Job(*asked)
    on_cluster = job.engine == RAY
    if not job.out or not alone:
        raise InputError(
            "--engine ray and --out go together, without --csv, --json, --save, --exit-confidence"
        )
    if workers and not on_cluster:
        raise InputError("--workers is of --engine ray")
    job = replace(job, engine="auto") if on_cluster else job
    bar = progress(
        TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        quiet=quiet,
    )  # fmt: skip
    task = bar.add_task("predicting", total=None)
    run = partial(on_ray, workers=workers) if on_cluster else here
    with bar:
        written = predict_parts(
            job, run, lambda done, total: bar.update(task, completed=done, total=total)
        )
    pictures = sum(each.pictures for each in written)
    unreadable = [each for part in written for each in part.unreadable]
    for path, reason in unreadable[:FEW]:
        say(f"unreadable: {path}: {reason}", err=True)
    if unreadable:
        where = f"; all of them: {job.out}/{UNREADABLE}" if len(unreadable) > FEW else ""
        say(f"{len(unreadable)} of {pictures} pictures could not be read{where}", err=True)
    if not quiet:
        say(f"{pictures:,} pictures in {len(written):,} parts: {job.out}")
    return 1 if unreadable else 0
