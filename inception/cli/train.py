"""``inception train``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.members import (
    MemberCropOption,
    MembersOption,
    WiderOption,
    is_ensemble,
    planned,
    train_members,
)
from inception.cli.output import (
    INTERRUPTED,
    DeviceOption,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)

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


def train(
    data: Annotated[
        str | None, typer.Argument(help="Folder, tar shards, parquet or CSV of labelled pictures.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Network or spec in JSON; --init's, else googlenet_bn.")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help=f"Settings that go together: {', '.join(RECIPE_NAMES)}.")
    ] = "default",
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
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Trains a network on a folder of pictures; Ctrl-C saves, --resume goes on."""
    if set_ == ["help"]:
        return _print_settings()
    options = {
        "model": model, "epochs": epochs, "steps": steps, "image_size": image_size,
        "batch_size": batch_size, "lr": lr, "augment": augment, "init": init, "freeze": freeze,
        "seed": seed, "threads": threads,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    settings = [*(set_ or []), *([f"area={crop}"] if crop else [])]
    plan, printing = planned(members, wider, member_crop), json != "-" and not quiet
    _check(given | ({"members": members} if plan else {}), settings, out, resume)
    config = _config(recipe, {**given, "device": device}, settings)
    if plan or is_ensemble(resume):
        return train_members(data, config, plan, out, resume, json, printing=printing)
    summary = _train(data, config, out, resume, printing=printing)
    return INTERRUPTED if summary is None else _finish(summary, json)


def _print_settings() -> int:
    import textwrap

    from inception.training.config import settings_help

    indent = " " * 30
    for name, values, about in settings_help():
        start = f"{name} ".ljust(len(indent))
        told = f"{values}: {about}"
        say(*textwrap.wrap(told, 100, initial_indent=start, subsequent_indent=indent))
    return 0


def _check(given: dict[str, Any], settings: list[str], out: str | None, resume: str | None) -> None:
    from inception.errors import InputError

    if "epochs" in given and "steps" in given:
        raise InputError("give either --epochs or --steps")
    if resume is not None and (given or settings or out):
        names = ", ".join([*given, *settings, *(["out"] if out else [])])
        raise InputError(f"a resumed run keeps its settings; leave out: {names}")


def _config(name: str, given: dict[str, Any], settings: list[str]) -> TrainConfig:
    from inception.training.recipes import recipe

    return replace(recipe(name), **given).with_settings(settings)


def _finish(summary: RunSummary, json: str | None) -> int:
    from inception.cli.output import write_json
    from inception.training.run import is_main_process

    if is_main_process():
        write_json(summary.to_json(), json)
        if json != "-":
            _print_summary(summary)
    return 0


def _train(
    data: str | None,
    config: TrainConfig,
    out: str | None,
    resume: str | None,
    *,
    printing: bool,
) -> RunSummary | None:
    """The run's summary, or None where it was interrupted."""
    from inception.cli.run_printer import RunPrinter
    from inception.training.loop import Interrupted
    from inception.training.run import train

    printer = RunPrinter(printing)
    try:
        with printer:
            return train(
                data,
                config,
                out=out,
                resume=resume,
                reports=printer.reports(),
                started=printer.started,
            )
    except Interrupted:
        say(
            f"interrupted and saved; go on with: inception train --resume {printer.folder}",
            err=True,
        )
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
    say(f"  inception evaluate {summary.folder} {summary.data}")
    say(f"  inception predict {summary.folder} PICTURES")
