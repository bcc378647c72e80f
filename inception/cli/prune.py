"""``inception prune``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.grouped import LEARNING
from inception.cli.output import (
    JsonOption,
    MoreSettingsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.cli.printing import Printing
from inception.errors import InputError, command

if TYPE_CHECKING:
    from inception.search.prune import Pruned
    from inception.training.config import TrainConfig

OutOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Run folder; below runs/ by default.")
]
PicturesOption = Annotated[
    int, typer.Option(min=1, help="Training pictures that channels are scored on, a round.")
]
TeacherOption = Annotated[
    bool,
    typer.Option(
        "--teach/--no-teach",
        help="Whether the unpruned model's answers are learned beside the labels.",
        rich_help_panel=LEARNING,
    ),
]


def prune(
    model: Annotated[
        str, typer.Argument(help="A .safetensors file, a run folder or cats-and-dogs.")
    ],
    data: Annotated[str, typer.Argument(help="Labelled pictures with the model's classes.")],
    keep: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the multiply-adds to be left, 0 to 1.")
    ],
    out: OutOption = None,
    pictures: PicturesOption = 256,
    epochs: Annotated[
        int, typer.Option(min=1, help="To train on afterwards.", rich_help_panel=LEARNING)
    ] = 5,
    lr: Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=LEARNING)] = 2e-3,
    teach: TeacherOption = True,
    set_: MoreSettingsOption = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of everything random.", rich_help_panel=LEARNING)
    ] = 0,
    json: JsonOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Makes a trained model cheaper by what matters least.

    Channels and whole branches go in four rounds, by Taylor scores for each multiply-add. What
    comes out is a run folder like any other: Ctrl-C saves, `inception train --resume` goes on,
    and evaluate, export and predict take it.
    """
    from inception.cli.members import Asked
    from inception.cli.train import trained
    from inception.search.prune import prune as run
    from inception.search.prune import tuning
    from inception.training.rehearsal import check_begins

    config = _config(epochs, lr, model if teach else None, set_, seed=seed, threads=threads)
    check_begins(data, replace(config, init=model))
    folder, printing = out or _folder(model, data), json != "-" and not quiet
    with _Scoring(printing) as bar:
        made = run(
            model, data, keep, folder,
            pictures=pictures, threads=threads, seed=seed, progress=bar.scored,
        )  # fmt: skip
    if printing:
        _print(made)
    asked = Asked(data, tuning(made, config), out=str(folder))
    status = trained(asked, json, printing=printing)
    if printing and status == 0:
        say(f"  {command('evaluate', model, folder, data, '--compare')}")
    return status


def _config(
    epochs: int,
    lr: float,
    teacher: str | None,
    set_: list[str] | None,
    *,
    seed: int,
    threads: int | None,
) -> TrainConfig:
    from inception.search.prune import TUNING
    from inception.training.config import parse_settings

    given = parse_settings(set_ or [])
    if own := sorted(
        {"model", "init", "image_size", "width", "freeze", "head", "norm"} & set(given)
    ):
        raise InputError(f"a pruned network is trained as it is; leave out {', '.join(own)}")
    base = replace(TUNING, epochs=epochs, lr=lr, teacher=teacher, seed=seed, threads=threads)
    return replace(base, **given)


def _folder(model: str, data: str) -> Path:
    from inception.training.folder import new_folder_name

    return new_folder_name(f"pruned-{Path(model).stem}", data)


class _Scoring(Printing):
    """How far the scoring is."""

    def scored(self, done: int, total: int) -> None:
        self.move("scoring channels", done, total)


def _print(made: Pruned) -> None:
    """What is left, stage by stage."""
    from inception.cli.output import console, table
    from inception.models.cost import cost

    before, after = cost(made.before), cost(made.after)
    rows = [
        (
            was.name,
            f"{was.end.shape.channels}",
            f"{now.end.shape.channels}",
            f"{was.multiply_adds:,}",
            f"{now.multiply_adds:,}",
        )
        for was, now in zip(before.stages, after.stages, strict=True)
        if was.parameters
    ]
    total = ("all", "", "", f"{before.multiply_adds:,}", f"{after.multiply_adds:,}")
    columns = ("stage", "channels", "left", "multiply-adds", "left")
    console().print(table(columns, [*rows, total]))
    say(
        f"{100 * made.share:.1f} % of the multiply-adds and "
        f"{100 * after.parameters / before.parameters:.1f} % of the parameters are left"
    )
