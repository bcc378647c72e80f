"""``inception evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.exits import measure_exits
from inception.cli.output import (
    DeviceOption,
    EngineOption,
    ExitOption,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from inception.evaluation.calibration import Listener
    from inception.evaluation.evaluate import Evaluation
    from inception.evaluation.grid import Grid
    from inception.evaluation.report import Witness

MOST_CLASSES = 20  # in the printed confusion matrix
SEEN = ("all", "train")  # splits that hold pictures which were learnt from
SEEN_WARNING = "a model trained on these pictures has seen them: no measure of new ones"
GridOption = Annotated[bool, typer.Option("--grid", help="1 and all models × 1, 10, 144 crops.")]


def evaluate(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... DATA",
            help="A .safetensors file or a run folder, or several as an ensemble; then a folder, "
            "tar shards, parquet or CSV.",
        ),
    ],
    crops: Annotated[int, typer.Option(help="Squares of each picture: 1, 10, 12 or 144.")] = 1,
    grid: GridOption = False,
    split: Annotated[
        str | None, typer.Option(help="train, val or test; val, else test, else all by default.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Evaluate only so many pictures.")] = None,
    engine: EngineOption = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Squares in one run.")] = 64,
    max_unreadable: Annotated[
        float, typer.Option(help="Share of pictures that may be unreadable.")
    ] = 0.01,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    exit_confidence: ExitOption = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The grid, or the exits' curve, as CSV.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="The same drawn.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page about the errors.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit how sure the model is; store it in its file.")
    ] = False,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measures a model, or several together, on labelled pictures: top-1, top-5, confusion."""
    from inception.evaluation.calibration import Listener
    from inception.evaluation.report import Witness

    models, data = _models_and_data(arguments)
    page = report is not None
    stops = exit_confidence is not None
    _check_options(models, grid, crops, csv or plot, page, calibrate, stops)
    witness, listener = Witness(), Listener()
    options: dict[str, Any] = {
        "split": split, "limit": limit, "engine": engine, "batch_size": batch_size,
        "max_unreadable": max_unreadable, "device": device, "threads": threads,
    }  # fmt: skip
    if exit_confidence is not None:
        shown: dict[str, Any] = {"json": json, "csv": csv, "plot": plot, "quiet": quiet}
        return measure_exits(models[0], data, exit_confidence, options, **shown)
    if not grid:
        observers = [witness.see] * page + [listener.hear] * calibrate
        options |= {"crops": crops, "observe": partial(_tell, observers)}
    result = _measure(models, data, grid, options, quiet=quiet)
    _print(result, json, csv, plot, quiet=quiet)
    _after(result, models, report, witness, listener if calibrate else None, err=json == "-")


def _tell(observers: Sequence[Callable[..., None]], *seen: object) -> None:
    for observer in observers:
        observer(*seen)


def _measure(
    models: list[str], data: str, grid: bool, options: dict[str, Any], *, quiet: bool
) -> Evaluation | Grid:
    from inception.cli.output import progress
    from inception.evaluation.evaluate import evaluate
    from inception.evaluation.grid import evaluate_grid

    measure: Callable[..., Evaluation | Grid] = evaluate_grid if grid else evaluate
    with progress(quiet=quiet) as bar:
        task = bar.add_task("evaluating", total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return measure(models, data, **options, progress=told)


def _after(
    result: Evaluation | Grid,
    models: list[str],
    report: Path | None,
    witness: Witness,
    listener: Listener | None,
    *,
    err: bool,
) -> None:
    """Writes the page about the errors and stores the temperature, where asked to."""
    from inception.evaluation.calibration import calibrate
    from inception.evaluation.grid import Grid
    from inception.evaluation.report import write_report

    if report is not None and not isinstance(result, Grid):
        say(f"the errors: {write_report(report, result, witness)}", err=err)
    if listener is not None:
        c = calibrate(models[0], *listener.all())
        say(
            f"temperature {c.temperature:.3f}, stored in the model: loss {c.loss_before:.4f} to "
            f"{c.loss_after:.4f}, calibration error {100 * c.error_before:.2f} to "
            f"{100 * c.error_after:.2f} points",
            err=err,
        )


def _models_and_data(arguments: Sequence[str]) -> tuple[list[str], str]:
    from inception.prediction import find_members

    *models, data = arguments
    if not models:
        raise InputError(f"a model and a data set are needed: inception evaluate MODEL... {data}")
    return [str(member) for name in models for member in find_members(name)], data


def _check_options(
    models: list[str],
    grid: bool,
    crops: int,
    grid_file: Path | None,
    report: bool,
    calibrate: bool,
    stops: bool,
) -> None:
    if stops and (grid or len(models) > 1 or crops != 1 or report or calibrate):
        raise InputError(
            "--exit-confidence is of one model and one crop: leave out --grid, --crops, --report, "
            "--calibrate and further models"
        )
    if grid and (report or calibrate):
        raise InputError("--report and --calibrate are of one way of asking; leave out --grid")
    if grid and crops != 1:
        raise InputError(f"--grid has crops of its own, 1, 10 and 144; leave out --crops {crops}")
    if not grid and not stops and grid_file:
        raise InputError("--csv and --plot are of the grid; add --grid, or --exit-confidence")
    if calibrate and len(models) > 1:
        raise InputError("--calibrate is of one model; give one")


def _print(
    result: Evaluation | Grid, json: str | None, csv: Path | None, plot: Path | None, *, quiet: bool
) -> None:
    from inception.cli.output import write_json
    from inception.drawing import draw_grid
    from inception.evaluation.grid import Grid
    from inception.files import write_text
    from inception.text import csv_text

    for path, reason in result.unreadable:
        say(f"unreadable: {path}: {reason}", err=True)
    if json != "-":
        if isinstance(result, Grid):
            print_grid(result, quiet=quiet)
        else:
            print_evaluation(result, quiet=quiet)
    values = result.to_json()
    write_json(values, json)
    if csv and isinstance(values, list):
        write_text(csv, csv_text(values))
    if plot and isinstance(values, list):
        draw_grid(values, plot)


def print_evaluation(result: Evaluation, *, quiet: bool = False) -> None:
    """Prints the table of classes, unless ``quiet``, and one line with the result."""
    from inception.cli.output import console, percent

    out = console()
    if not quiet:
        out.print(_class_table(result))
    top5 = f", top-5 {percent(result.top5_accuracy)}" if len(result.classes) > 5 else ""
    crops = "1 crop" if result.crops == 1 else f"{result.crops} crops"
    together = f" by {len(result.models)} models together" if len(result.models) > 1 else ""
    out.print(
        f"top-1 {percent(result.top1_accuracy)}{top5}, loss {result.loss:.4f}{together} on "
        f"{result.images:,} pictures ({result.split}), {crops} each; "
        f"{result.images_per_second:.0f} images/s ({result.engine})"
    )
    if result.split in SEEN:
        out.print(SEEN_WARNING)


def _class_table(result: Evaluation) -> Table:
    from inception.cli.output import percent, table

    per_class = result.per_class()
    columns = ["class", "images", "accuracy"]
    counts: list[list[str]] = [[] for _ in per_class]
    if len(result.classes) <= MOST_CLASSES:
        columns += [f"as {c}" for c in result.classes]
        counts = [[str(n) if n else "·" for n in row] for row in result.confusion.tolist()]
    rows = [
        [row["class"], str(row["images"]), percent(row["accuracy"]), *count]
        for row, count in zip(per_class, counts, strict=True)
    ]
    return table(columns, rows)


def print_grid(result: Grid, *, quiet: bool = False) -> None:
    """Prints models × crops as the paper's table, unless ``quiet``, and what it was measured on."""
    from inception.cli.output import console

    out = console()
    if not quiet:
        out.print(_grid_table(result))
    out.print(
        f"on {result.images:,} pictures ({result.split}, {result.engine}); cost: network "
        "evaluations for a picture; vs base: points of error"
    )
    if result.split in SEEN:
        out.print(SEEN_WARNING)


def _grid_table(result: Grid) -> Table:
    from inception.cli.output import percent, table

    errors = ("top-1 error", "vs base", "top-5 error", "vs base")
    columns = ["models", "crops", "cost", "multiply-adds", *errors, "s/picture"]
    rows = [
        [
            *(str(row.models), str(row.crops), str(row.cost), f"{row.multiply_adds / 1e9:,.3f} G"),
            *(percent(row.top1_error), _points(row.top1_difference, row.cost)),
            *(percent(row.top5_error), _points(row.top5_difference, row.cost)),
            f"{row.seconds_per_picture:.4f}",
        ]
        for row in result.rows
    ]
    return table(columns, rows, left=0)


def _points(difference: float, cost: int) -> str:
    return "base" if cost == 1 else f"{100 * difference:+.2f}"
