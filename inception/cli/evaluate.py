"""``inception evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.completion import splits
from inception.cli.exits import measure_exits, watched
from inception.cli.grouped import MACHINE, OUTPUT
from inception.cli.output import (
    BatchOption,
    CropsOption,
    DeviceOption,
    EngineOption,
    ExitOption,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    per_second,
    say,
)
from inception.cli.robustness import (
    AttackOption,
    CorruptionsOption,
    EpsOption,
    StepsOption,
    asks,
    measure,
)
from inception.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from inception.evaluation.evaluate import Evaluation
    from inception.evaluation.grid import Grid
    from inception.evaluation.report import Witness
    from inception.evaluation.request import Request

MOST_CLASSES = 20  # in the printed confusion matrix
SEEN = ("all", "train")  # splits that hold pictures which were learnt from
TRAINED_ON = "the model was trained on just these pictures: no measure of new ones"
SEEN_WARNING = "a model trained on these pictures has seen them: no measure of new ones"
CompareOption = Annotated[
    bool, typer.Option("--compare", help="Two models against each other instead of together.")
]
GridOption = Annotated[bool, typer.Option("--grid", help="1 and all models × 1, 10, 144 crops.")]
ModelsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL... DATA",
        help="A .safetensors file or a run folder, or several as an ensemble; then a folder, "
        "tar shards, parquet or CSV.",
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        help="train, val or test; val, else test, else all by default.", autocompletion=splits
    ),
]
LimitOption = Annotated[int | None, typer.Option(help="Evaluate only so many pictures.")]
UnreadableOption = Annotated[
    float,
    typer.Option(help="Share of pictures that may be unreadable.", rich_help_panel=MACHINE),
]
CsvOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Grid, corruptions or exits' curve as CSV.", rich_help_panel=OUTPUT
    ),
]
PlotOption = Annotated[
    Path | None, typer.Option(metavar="PNG", help="The same drawn.", rich_help_panel=OUTPUT)
]
ReportOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write a page about the errors.", rich_help_panel=OUTPUT),
]
CalibrateOption = Annotated[
    bool, typer.Option("--calibrate", help="Fit how sure the model is; store it in its file.")
]


def evaluate(
    arguments: ModelsArgument,
    crops: CropsOption = 1,
    grid: GridOption = False,
    compare: CompareOption = False,
    split: SplitOption = None,
    limit: LimitOption = None,
    engine: EngineOption = "auto",
    batch_size: BatchOption = 64,
    max_unreadable: UnreadableOption = 0.01,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    exit_confidence: ExitOption = None,
    attack: AttackOption = None,
    eps: EpsOption = None,
    attack_steps: StepsOption = None,
    corruptions: CorruptionsOption = False,
    csv: CsvOption = None,
    plot: PlotOption = None,
    report: ReportOption = None,
    calibrate: CalibrateOption = False,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measures models, alone or together, on labelled pictures."""
    from inception.evaluation.report import Witness
    from inception.evaluation.request import Request

    models, data = _models_and_data(arguments)
    page = report is not None
    stops = exit_confidence is not None
    others = grid or compare or stops or page or calibrate or crops != 1 or len(models) != 1
    robust = asks(attack, eps, attack_steps, corruptions, others)
    if not robust:
        _check_options(models, grid, crops, csv or plot, page, calibrate, stops)
    if compare and (len(models) != 2 or grid or stops or page or calibrate):
        raise InputError("--compare is of two models: evaluate A B DATA --compare, and --crops")
    how = Request(split, limit, engine, device, batch_size, threads, max_unreadable)
    if robust:
        files: dict[str, Any] = {"json": json, "csv": csv, "plot": plot, "quiet": quiet}
        way: dict[str, Any] = {"attack": attack, "eps": eps, "steps": attack_steps}
        return measure(models[0], data, how, **way, **files)
    if compare:
        return _compare(models, data, how, crops, json, quiet=quiet)
    if exit_confidence is not None:
        shown: dict[str, Any] = {"json": json, "csv": csv, "plot": plot, "quiet": quiet}
        return measure_exits(models[0], data, exit_confidence, how, **shown)
    witness = Witness() if page else None
    result = _measure(models, data, how, None if grid else crops, witness, quiet=quiet)
    _print(result, json, csv, plot, quiet=quiet)
    if report is not None:
        _write_report(report, result, witness, err=json == "-")
    if calibrate:
        _calibrate(models[0], data, how, quiet=quiet, err=json == "-")


def _measure(
    models: list[str],
    data: str,
    how: Request,
    crops: int | None,
    witness: Witness | None,
    *,
    quiet: bool,
) -> Evaluation | Grid:
    """The grid where there is no number of crops."""
    from inception.evaluation.counting import no_observer
    from inception.evaluation.evaluate import evaluate_request
    from inception.evaluation.grid import evaluate_grid

    with watched(how, quiet=quiet) as asked:
        if crops is None:
            return evaluate_grid(models, data, asked)
        observe = witness.see if witness else no_observer
        return evaluate_request(models, data, asked, crops=crops, observe=observe)


def _compare(
    models: list[str], data: str, how: Request, crops: int, json: str | None, *, quiet: bool
) -> None:
    from inception.cli.output import percent, write_json
    from inception.evaluation.comparison import compare

    with watched(how, quiet=quiet) as asked:
        told = compare(models[0], models[1], data, asked, crops=crops)
    write_json(told.to_json(), json)
    if json == "-":
        return
    for name, result in zip(models, (told.first, told.second), strict=True):
        low, high = (100 * end for end in result.interval)
        say(f"{name}: top-1 {percent(result.top1_accuracy)} ({low:.1f} to {high:.1f})")
    say(
        f"right alone: {told.only_first:,} the first, {told.only_second:,} the second; both "
        f"{told.both:,}, neither {told.neither:,}",
        f"p = {told.p_value:.3g} (McNemar): "
        + ("they differ" if told.surely_different else "the difference may be chance"),
    )


def _write_report(
    folder: Path, result: Evaluation | Grid, witness: Witness | None, *, err: bool
) -> None:
    from inception.evaluation.grid import Grid
    from inception.evaluation.report import write_report

    if witness is not None and not isinstance(result, Grid):
        say(f"the errors: {write_report(folder, result, witness)}", err=err)


def _calibrate(model: str, data: str, how: Request, *, quiet: bool, err: bool) -> None:
    """Fits and stores the temperatures; prints a line for each exit."""
    from inception.evaluation.calibration import calibrate

    with watched(how, quiet=quiet, what="calibrating") as asked:
        told = calibrate(model, data, asked)
    for c in told.exits:
        name = f"{c.exit}: " if len(told.exits) > 1 else ""
        say(
            f"{name}temperature {c.temperature:.3f}, stored in the model: loss {c.loss_before:.4f} "
            f"to {c.loss_after:.4f}, calibration error {100 * c.error_before:.2f} to "
            f"{100 * c.error_after:.2f} points",
            *["no better than guessing on these pictures"] * (c.loss_after >= c.guessing),
            err=err,
        )
    say(
        f"fitted to {told.fitted:,} of the pictures, judged on the other {told.held_out:,}", err=err
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
        raise InputError(
            "--csv and --plot are of the grid; add --grid, --corruptions or --exit-confidence"
        )
    if calibrate and crops != 1:
        raise InputError(f"--calibrate is of one crop of each picture; leave out --crops {crops}")
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
    low, high = (100 * end for end in result.interval)
    out.print(
        f"top-1 {percent(result.top1_accuracy)} ({low:.1f} to {high:.1f}){top5}, loss "
        f"{result.loss:.4f}{together} on {result.images:,} pictures ({result.split}), {crops} "
        f"each; {per_second(result.images_per_second)} images/s ({result.engine})"
    )
    if not quiet:
        out.print(_means(result))
    if result.seen or result.split in SEEN:
        out.print(TRAINED_ON if result.seen else SEEN_WARNING)


def _means(result: Evaluation) -> str:
    from inception.cli.output import percent
    from inception.evaluation.scores import averaged

    means = averaged(result.confusion)["macro"]
    told = (
        f"mean of the classes: precision {percent(means['precision'])}, recall "
        f"{percent(means['recall'])}, F1 {percent(means['f1'])}; in brackets 95 % intervals"
    )
    if result.binary is None:
        return told
    roc, recall = result.binary.roc, result.binary.precision_recall
    return (
        f"{told}\nat any threshold: area under ROC {roc.area:.4f}, average precision of "
        f"{result.classes[1]} {recall.area:.4f}"
    )


def _class_table(result: Evaluation) -> Table:
    from inception.cli.output import table

    per_class = result.per_class()
    columns = ["class", "images", "accuracy", "95 %", "precision", "F1"]
    counts: list[list[str]] = [[] for _ in per_class]
    if len(result.classes) <= MOST_CLASSES:
        columns += [f"as {c}" for c in result.classes]
        counts = [[str(n) if n else "·" for n in row] for row in result.confusion.tolist()]
    rows = [
        [row["class"], str(row["images"]), *_scores(row), *count]
        for row, count in zip(per_class, counts, strict=True)
    ]
    return table(columns, rows)


def _scores(row: dict[str, Any]) -> list[str]:
    from inception.cli.output import percent

    low, high = (100 * end for end in row["accuracy_interval"])
    between = f"({low:.1f} to {high:.1f})" if row["images"] else "–"
    return [percent(row["accuracy"]), between, percent(row["precision"]), percent(row["f1"])]


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
