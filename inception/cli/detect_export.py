"""``inception detect export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inception.cli.output import JsonOption, QuietOption, ThreadsOption, say


def export(
    detector: Annotated[str, typer.Argument(metavar="RUN", help="A run folder or file.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="A folder, which is then a detector as well.")
    ],
    check: Annotated[
        list[str],
        typer.Option(metavar="PICTURES", help="To compare on: files, folders, globs, tars."),
    ],
    format: Annotated[str, typer.Option(help="openvino or onnx.")] = "openvino",
    precision: Annotated[
        str, typer.Option(help="fp32, or fp16 for weights of half the size.")
    ] = "fp32",
    threads: ThreadsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Writes a detector for OpenVINO or ONNX, with a certificate.

    Exit status 1 where it fails that.
    """
    from dataclasses import asdict

    from inception.cli.output import write_json
    from inception.detection.export import export_detector

    told = export_detector(
        detector, out, check, format=format, precision=precision, threads=threads
    )
    write_json(asdict(told), json)
    moved = ""
    if told.box_difference_px is not None:
        moved = f", of an edge {told.box_difference_px:.2g} px"
    if json != "-" and not quiet:
        say(
            f"{told.regions:,} regions of {told.pictures} pictures: largest difference of a score "
            f"{told.score_difference:.2g}{moved}",
            f"written: {out}" if told.passed else "it differs too much: nothing was written",
        )
    return 0 if told.passed else 1
