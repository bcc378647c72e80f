"""``inception detect evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.grouped import OUTPUT
from inception.cli.output import (
    DeviceOption,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.errors import InputError

if TYPE_CHECKING:
    from inception.detection.evaluate import DetectEvaluation

SplitOption = Annotated[
    str | None, typer.Option(help="Which part of DATA; val, else test, else all by default.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="The first N pictures only.")]
CocoOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Write what was found as COCO's results, which pycocotools reads.",
        rich_help_panel=OUTPUT,
    ),
]
ReportOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Write a page about mistakes: classes, kinds, the worst pictures.",
        rich_help_panel=OUTPUT,
    ),
]
SearchOption = Annotated[
    str | None,
    typer.Option(help="Selective Search's mode, fast, quality or none; as trained by default."),
]
MultiBoxOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Of `detect multibox`: its boxes come first; with --search none, alone.",
    ),
]
RunEngineOption = Annotated[str, typer.Option(help="auto, torch or openvino.")]


def evaluate(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... DATA",
            help="One or more run folders or files of detectors, which answer together; then "
            "pictures with boxes.",
        ),
    ],
    split: SplitOption = None,
    limit: LimitOption = None,
    search: SearchOption = None,
    multibox: MultiBoxOption = None,
    engine: RunEngineOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    coco: CocoOption = None,
    report: ReportOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measures detectors, alone or together, on pictures with boxes."""
    from inception.cli.output import progress, write_json
    from inception.detection.detections import coco_results
    from inception.detection.evaluate import evaluate as evaluate_detectors

    *detectors, data = arguments
    if not detectors:
        raise InputError(f"a detector is needed too: inception detect evaluate RUN {data}")
    with progress(quiet=quiet) as bar:
        task = bar.add_task("evaluating", total=None)
        told, dataset = evaluate_detectors(
            detectors, data,
            split=split, limit=limit, search=search, multibox=multibox, engine=engine,
            device=device, threads=threads,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    write_json(told.to_json(), json)
    if coco is not None:
        write_json(coco_results(told.found, dataset), coco)
    if report is not None:
        from inception.detection.report import write_report

        page = write_report(Path(report), ", ".join(detectors), told.found, dataset, told.metrics)
        say(f"report: {page}", err=True)
    if "-" not in (json, coco):
        print_evaluation(told, quiet=quiet)


def print_evaluation(told: DetectEvaluation, *, quiet: bool = False) -> None:
    """Prints the table of classes, unless ``quiet``, and what it comes to."""
    from inception.cli.output import console, percent, table

    for path, reason in told.unreadable:
        say(f"unreadable: {path}: {reason}", err=True)
    if not quiet:
        shares = ("recall", "ap50", "ap")
        rows = [
            [row["class"], f"{row['objects']:,}", *(percent(row[name]) for name in shares)]
            for row in told.metrics["per_class"]
        ]
        columns = ["class", "objects", "found", "AP at 0.5", "AP at 0.5 to 0.95"]
        console().print(table(columns, rows))
    together = f" by {len(told.detectors)} detectors together" if len(told.detectors) > 1 else ""
    pace, finding = (s / max(told.images, 1) for s in (told.seconds, told.proposal_seconds))
    half, all_of_coco = (percent(told.metrics[name]) for name in ("map50", "map"))
    say(
        f"mAP {half} at 0.5, {all_of_coco} at 0.5 to 0.95{together} on {told.images:,} pictures "
        f"({told.split})",
        f"{told.proposals:,.0f} regions a picture, {finding:.2f} s to propose and {pace:.2f} s to "
        f"classify ({told.engine})",
    )
