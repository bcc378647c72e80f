"""``inception train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.members import (
    Asked,
    MemberCropOption,
    MembersOption,
    WiderOption,
    is_ensemble,
    planned,
    train_members,
)
from inception.cli.output import (
    INTERRUPTED,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.errors import InputError, command

if TYPE_CHECKING:
    from inception.training.config import TrainConfig
    from inception.training.run import RunSummary

RECIPE_NAMES = (  # of training.recipes, whose import would cost the help its speed
    "default", "small-data", "googlenet-paper", "googlenet-caffe", "googlenet-caffe-quick",
    "bn-inception", "inception-v3", "inception-v4", "xception",
)  # fmt: skip
FreezeOption = Annotated[
    str | None, typer.Option(help="backbone: train classifier and heads only.")
]

RecipeOption = Annotated[
    str | None, typer.Option(help=f"Settings that go together: {', '.join(RECIPE_NAMES)}.")
]
UnreadableOption = Annotated[
    float | None, typer.Option(help="Share of pictures that may be unreadable; 0.01.")
]


def train(
    data: Annotated[
        str | None, typer.Argument(help="Folder, tar shards, parquet or CSV of labelled pictures.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Network or spec in JSON; --init's, else googlenet_bn.")
    ] = None,
    recipe: RecipeOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set.")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates; instead of epochs.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side in px.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures an update.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    augment: Annotated[str | None, typer.Option(help="light, googlenet, caffe or none.")] = None,
    crop: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Share of the area that training crops keep."),
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="MODEL to start from; its classes may differ.")
    ] = None,
    freeze: FreezeOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; help lists them."),
    ] = None,
    out: Annotated[str | None, typer.Option(help="Run folder; below runs/ by default.")] = None,
    resume: Annotated[
        str | None, typer.Option(help="Run folder to go on with, exactly as if never stopped.")
    ] = None,
    members: MembersOption = 1,
    wider: WiderOption = None,
    member_crop: MemberCropOption = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    max_unreadable: UnreadableOption = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Trains a network on a folder of pictures; Ctrl-C saves, --resume goes on."""
    if set_ == ["help"]:
        return _print_settings()
    options = {
        "recipe": recipe, "model": model, "epochs": epochs, "steps": steps,
        "image_size": image_size, "batch_size": batch_size, "lr": lr, "augment": augment,
        "init": init, "freeze": freeze, "seed": seed, "max_unreadable": max_unreadable,
        "device": device, "threads": threads,
    }  # fmt: skip
    settings = [*(set_ or []), *([f"area={crop}"] if crop else [])]
    plan, printing = planned(members, wider, member_crop), json != "-" and not quiet
    asked = _asked(data, options | {"members": plan and members}, settings, out, resume)
    if plan or is_ensemble(resume):
        return train_members(asked, plan, json, printing=printing)
    summary = _train(asked, printing=printing)
    return INTERRUPTED if summary is None else _finish(summary, json)


def _asked(
    data: str | None,
    options: dict[str, Any],
    settings: list[str],
    out: str | None,
    resume: str | None,
) -> Asked:
    given = {name: value for name, value in options.items() if value is not None}
    if resume is None:
        given.pop("members", None)
        return Asked(data, _config(given, settings), out=out)
    given |= {"out": out} if out else {}
    return Asked(data, resume=resume, machine=_machine(given, settings, resume))


def _print_settings() -> int:
    import textwrap

    from inception.training.config import settings_help

    indent = " " * 30
    for name, values, about in settings_help():
        start = f"{name} ".ljust(len(indent))
        told = f"{values}: {about}"
        say(*textwrap.wrap(told, 100, initial_indent=start, subsequent_indent=indent))
    return 0


def _config(given: dict[str, Any], settings: list[str]) -> TrainConfig:
    from inception.training.given import configured

    if "epochs" in given and "steps" in given:
        raise InputError("give either --epochs or --steps")
    return configured(None, given).with_settings(settings)


def _machine(given: dict[str, Any], settings: list[str], resume: str) -> dict[str, Any]:
    """What a resumed run is told of the machine it goes on with; all else is refused."""
    from inception.training.config import MACHINE, parse_settings

    asked = given | parse_settings(settings)
    if other := [f"--{name.replace('_', '-')}" for name in asked if name not in MACHINE]:
        raise InputError(
            f"a resumed run keeps its settings; leave out {', '.join(other)}. What may change is "
            f"the machine, {', '.join(MACHINE)}; for more epochs or another recipe begin from its "
            f"weights: {command('train', 'DATA', '--init', resume)}"
        )
    return asked


def _finish(summary: RunSummary, json: str | None) -> int:
    from inception.cli.output import write_json
    from inception.training.run import is_main_process

    if is_main_process():
        write_json(summary.to_json(), json)
        if json != "-":
            _print_summary(summary)
    return 0


def _train(asked: Asked, *, printing: bool) -> RunSummary | None:
    """The run's summary, or None where it was interrupted."""
    from inception.cli.run_printer import RunPrinter
    from inception.training.loop import Interrupted
    from inception.training.run import train

    printer = RunPrinter(printing)
    try:
        with printer:
            return train(
                asked.data,
                asked.config,
                out=asked.out,
                resume=asked.resume,
                machine=asked.machine,
                reports=printer.reports(),
                started=printer.started,
            )
    except Interrupted:
        go_on = command("train", "--resume", printer.folder)
        say(f"interrupted and saved; go on with: {go_on}", err=True)
        return None


def _print_summary(summary: RunSummary) -> None:
    from inception.cli.output import percent
    from inception.cli.run_printer import clock

    say(
        f"validation top-1 {percent(summary.top1_accuracy)} (epoch {summary.best_epoch} of "
        f"{summary.epochs}{', averaged weights' * summary.averaged}), loss {summary.loss:.4f}, "
        f"after {clock(summary.seconds)}"
    )
    say(f"the model: {summary.model}")
    say("next:")
    say(f"  {command('evaluate', summary.folder, summary.data)}")
    say(f"  {command('predict', summary.folder, 'PICTURES')}")
