"""``inception detect predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.detect_evaluate import MultiBoxOption, RunEngineOption, SearchOption
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
from inception.text import csv_text, json_text

if TYPE_CHECKING:
    from inception.data.images import Picture
    from inception.detection.predictor import Detected

LONGEST_STEM = 100  # letters of a picture's name in that of the one with its boxes
SHOWN = 0.5  # score from which an object is told where nothing else is said


DetectorAndPictures = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN PICTURES",
        help="A detector's run folder or file, then pictures: files, folders, globs, tars.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write there each picture with its boxes, detections.json and detections.csv.",
        rich_help_panel=OUTPUT,
    ),
]
ScoreOption = Annotated[
    float, typer.Option(min=0, max=1, help="Tell objects that are at least so sure.")
]
WithOption = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="RUN", help="A further detector that answers together."),
]
FormOption = Annotated[
    str,
    typer.Option(
        help="Of --json: pictures, a list of them with their objects; or coco, COCO's results.",
        rich_help_panel=OUTPUT,
    ),
]


def predict(
    arguments: DetectorAndPictures,
    out: OutOption = None,
    min_score: ScoreOption = SHOWN,
    ensemble: WithOption = None,
    form: FormOption = "pictures",
    search: SearchOption = None,
    multibox: MultiBoxOption = None,
    engine: RunEngineOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Finds objects in pictures. Exit status 1 where some could not be read."""
    from inception.cli.output import write_json
    from inception.detection.predictor import DetectionPredictor
    from inception.pictures import check_paths

    detector, *paths = arguments
    if form not in FORMS:
        raise InputError(f"--form is {' or '.join(FORMS)}; got {form!r}")
    if not paths:
        raise InputError(f"no pictures given: inception detect predict {detector} PICTURES")
    check_paths(paths)
    predictor = DetectionPredictor(
        detector, *(ensemble or []),
        search=search, multibox=multibox,
        engine=engine, device=device, threads=threads, least_score=min_score,
    )  # fmt: skip
    told: list[Detected] = []
    for number, (detected, picture) in enumerate(predictor.stream(paths), 1):
        told.append(detected)
        _say(detected, quiet=quiet or json == "-")
        if out is not None and picture is not None:
            _draw(out, number, detected, picture)
    values = FORMS[form](told)
    write_json(values, json)
    if out is not None:
        _write_tables(out, told)
        if json != "-" and not quiet:
            say(f"pictures with boxes, detections.json and detections.csv: {out}")
    unreadable = sum(detected.error is not None for detected in told)
    if unreadable:
        say(f"{unreadable} of {len(told)} pictures could not be read", err=True)
    return 1 if unreadable else 0


def _say(detected: Detected, *, quiet: bool) -> None:
    if detected.error is not None:
        say(f"unreadable: {detected.path}: {detected.error}", err=True)
    elif not quiet:
        found = ", ".join(_caption(each.label, each.score) for each in detected.objects)
        say(f"{detected.path}: {found or 'nothing'}")


def _caption(label: str, score: float) -> str:
    return f"{label} {100 * score:.0f} %"


def _draw(folder: Path, number: int, detected: Detected, picture: Picture) -> None:
    import numpy as np
    from PIL import Image

    from inception.detection.drawn import draw_boxes
    from inception.files import replacing

    worst_first = detected.objects[::-1]
    drawn = draw_boxes(
        picture,
        np.array([each.box_xyxy for each in worst_first]).reshape(-1, 4),
        [_caption(each.label, each.score) for each in worst_first],
        [each.index for each in worst_first],
    )
    stem = Path(detected.path).stem[:LONGEST_STEM]
    with replacing(folder / f"{number:05d}-{stem}.jpg") as beside:
        Image.fromarray(drawn).save(beside, "JPEG", quality=92)


def _write_tables(folder: Path, told: Sequence[Detected]) -> None:
    from inception.files import write_text

    write_text(folder / "detections.json", json_text(_pictures(told), indent=1) + "\n")
    rows = [
        {
            "path": detected.path,
            "label": each.label,
            "score": f"{each.score:.6f}",
            **{name: f"{edge:.2f}" for name, edge in zip(EDGES, each.box_xyxy, strict=True)},
            "error": "",
        }
        for detected in told
        for each in detected.objects
    ]
    blank = dict.fromkeys(("label", "score", *EDGES), "")
    rows += [{"path": d.path, **blank, "error": d.error} for d in told if d.error is not None]
    head = ",".join(["path", *blank, "error"]) + "\n"
    write_text(folder / "detections.csv", csv_text(rows) or head)


EDGES = ("x1", "y1", "x2", "y2")


def _pictures(told: Sequence[Detected]) -> list[dict[str, Any]]:
    return [detected.to_json() for detected in told]


def _coco(told: Sequence[Detected]) -> list[dict[str, Any]]:
    """COCO's results; pictures are numbered from 1 in their order, classes from 1."""
    return [
        {
            "image_id": number,
            "file_name": detected.path,
            "category_id": each.index + 1,
            "bbox": [
                each.box_xyxy[0],
                each.box_xyxy[1],
                each.box_xyxy[2] - each.box_xyxy[0],
                each.box_xyxy[3] - each.box_xyxy[1],
            ],
            "score": each.score,
        }
        for number, detected in enumerate(told, 1)
        for each in detected.objects
    ]


FORMS = {"pictures": _pictures, "coco": _coco}
