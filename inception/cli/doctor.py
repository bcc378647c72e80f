"""``inception weights doctor``: which form of pictures a file of weights expects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.output import DeviceOption, JsonOption, QuietOption, ThreadsOption, say

if TYPE_CHECKING:
    from rich.table import Table

    from inception.evaluation.diagnosis import Diagnosis, Trial

MOST_ROWS = 15  # of the table; --json has all


def doctor(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A MODEL, or with --as any file of weights.")
    ],
    images: Annotated[
        str, typer.Argument(metavar="IMAGES", help="Labelled pictures, or pictures without labels.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--as", metavar="MODEL", help="Our network, where the file says nothing."),
    ] = None,
    limit: Annotated[int, typer.Option(min=2, help="Pictures to show.")] = 100,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the model anew, saying what was found."),
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Tells which pixels, size, crop and classes weights expect.

    Exit status 1 where the file errs.
    """
    from inception.cli.output import write_json
    from inception.evaluation.doctor import examine
    from inception.evaluation.patient import open_patient
    from inception.evaluation.specimens import open_specimens
    from inception.prediction import find_model

    path = Path(file) if model is not None else find_model(file)
    patient = open_patient(path, model=model, device=device)
    specimens = open_specimens(images, patient.info.classes, limit=limit, threads=threads)
    for error in specimens.unreadable:
        say(f"unreadable: {error}", err=True)
    with _Waiting(quiet or json == "-") as waiting:
        found = examine(patient, specimens.read, specimens.labels, progress=waiting.told)
    write_json(found.to_json(), json)
    if json != "-":
        _print(found, file, specimens.note, quiet=quiet)
    if out is not None:
        best = found.best.preprocessing
        if not found.sizes:
            best = replace(best, size=patient.info.preprocessing.size)
        patient.save(out, best, offset=found.best.offset)
        say(f"written: {out}", err=json == "-")
    return 0 if found.agrees and not (found.guessing or found.unlike) else 1


class _Waiting:
    """Says which form is being tried, on standard error, while it is a terminal."""

    def __init__(self, quiet: bool) -> None:
        from rich.progress import TextColumn

        from inception.cli.output import progress

        self.bar = progress(TextColumn("{task.description}"), quiet=quiet)
        self.task = self.bar.add_task("looking at the pictures")

    def __enter__(self) -> _Waiting:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def told(self, trial: Trial) -> None:
        self.bar.update(self.task, description=f"tried {_form(trial)}")


def _print(found: Diagnosis, file: str, note: str, *, quiet: bool) -> None:
    from inception.cli.output import console

    out = console()
    if not quiet:
        out.print(_table(found))
        hidden = len(found.trials) - MOST_ROWS
        more = f"; {hidden} more forms are worse, --json has all" if hidden > 0 else ""
        out.print(f"shown {found.pictures:,} pictures; {note}{more}")
        out.print(
            f"misfit: of pictures {found.showing} to what batch norms remember of training;\n"
            "=: these pictures cannot tell apart"
        )
    if found.guessing:
        out.print(f"{file} answers no better than chance in any form that was tried")
        return
    if found.unlike:
        out.print(
            "not to be relied on: in every form these pictures, too few or too odd, are unlike"
        )
        out.print("those of its training; show it more, or some with labels. The likeliest so far:")
    out.print(f"{file} expects: {_form(found.best, size=_size(found))}")
    for other in found.trials[1 : found.equals]:
        out.print(f"  these pictures cannot tell it from: {_form(other)}")
    if found.agrees and found.said is not None:
        out.print("and so it says itself")
    elif not (found.agrees or found.unlike):
        out.print("it says otherwise itself; --out FILE writes it with what was found")


def _table(found: Diagnosis) -> Table:
    from inception.cli.output import percent, table

    labelled = found.best.losses is not None
    columns = ["", "pixels", "size", "resize", "crop", "filter", "classes"]
    columns += ["accuracy", "loss"] if labelled else []
    columns += ["confidence", "information", "misfit"]
    rows = []
    for place, trial in enumerate(found.trials[:MOST_ROWS]):
        how = trial.preprocessing
        says = how == found.said and not trial.offset
        rows.append(
            [
                ("=" if place < found.equals else "") + ("file" if says else ""),
                f"{trial.pixels}, {how.channel_order}",
                *(str(how.size), how.resize, f"{how.crop:.4g}", how.interpolation),
                f"{trial.offset:+d}" if trial.offset else "0",
                *([percent(trial.accuracy), f"{trial.loss:.4f}"] if labelled else []),
                percent(trial.confidence),
                f"{trial.information:.3f}",
                "–" if trial.misfit is None else f"{trial.misfit:.4f}",
            ]
        )
    return table(columns, rows, left=2)


def _size(found: Diagnosis) -> str:
    """The size, as far as there is evidence of it."""
    *others, last = (str(size) for size in found.sizes or (0,))
    if others:
        return f"size unknown, {', '.join(others)} or {last} px"
    return f"{last} px" if found.sizes else "size unknown"


def _form(trial: Trial, *, size: str = "") -> str:
    how = trial.preprocessing
    parts = [
        f"{trial.pixels}, {how.channel_order}",
        size or f"{how.size} px",
        f"{how.resize} {how.crop:.4g}, {how.interpolation}",
    ]
    if trial.offset:
        parts.append(f"classes from output {trial.offset:+d}")
    return "; ".join(parts)
