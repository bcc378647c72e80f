"""``inception train``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.completion import choices, devices, networks, recipes, settings
from inception.cli.grouped import LEARNING, MACHINE, OUTPUT
from inception.cli.members import (
    Asked,
    FoldsOption,
    MemberCropOption,
    MembersOption,
    WiderOption,
    is_ensemble,
    planned,
    train_members,
)
from inception.cli.output import (
    FAILED,
    INTERRUPTED,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.cli.printing import clock, print_settings
from inception.errors import InputError, command

if TYPE_CHECKING:
    from inception.training.config import TrainConfig
    from inception.training.group import Group
    from inception.training.run import RunSummary

InitOption = Annotated[
    str | None,
    typer.Option(
        metavar="[MODEL]",
        help="A MODEL to start from; its classes may differ. Where none is named, imagenette.",
    ),
]
ModelOption = Annotated[str | None, typer.Option(autocompletion=networks)]
FreezeOption = Annotated[str | None, typer.Option(autocompletion=choices("freeze"))]
NumberSetting = Annotated[int | None, typer.Option()]
ShareSetting = Annotated[float | None, typer.Option()]
MoreNumber = Annotated[int | None, typer.Option(rich_help_panel=LEARNING)]
MoreShare = Annotated[float | None, typer.Option(rich_help_panel=LEARNING)]
AugmentOption = Annotated[
    str | None, typer.Option(autocompletion=choices("augment"), rich_help_panel=LEARNING)
]
BalanceOption = Annotated[
    str | None, typer.Option(autocompletion=choices("balance"), rich_help_panel=LEARNING)
]
CropOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="Share of the area that training crops keep.",
        rich_help_panel=LEARNING,
    ),
]
DataArgument = Annotated[
    str | None, typer.Argument(help="Folder, tar shards, parquet or CSV of labelled pictures.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting; `--set help` lists them.",
        autocompletion=settings,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Settings to begin from: a run's config.json, or JSON, TOML, YAML."
    ),
]
DryOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be done and how long it takes; keep nothing."),
]
OutOption = Annotated[str | None, typer.Option(help="Run folder; below runs/ by default.")]
ResumeOption = Annotated[
    str | None,
    typer.Option(
        help="Run folder to go on with, exactly as if never stopped; or its epoch-N.safetensors."
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="Settings that go together; `inception recipes` lists them.", autocompletion=recipes
    ),
]
KeepOption = Annotated[int | None, typer.Option(rich_help_panel=MACHINE)]
UnreadableOption = Annotated[float | None, typer.Option(rich_help_panel=MACHINE)]
LoggerOption = Annotated[
    str | None, typer.Option(autocompletion=choices("logger"), rich_help_panel=OUTPUT)
]
DeviceSetting = Annotated[str | None, typer.Option(autocompletion=devices, rich_help_panel=MACHINE)]


def train(
    context: typer.Context,
    data: DataArgument = None,
    model: ModelOption = None,
    recipe: RecipeOption = None,
    epochs: NumberSetting = None,
    image_size: NumberSetting = None,
    batch_size: NumberSetting = None,
    lr: ShareSetting = None,
    config: ConfigOption = None,
    init: InitOption = None,
    freeze: FreezeOption = None,
    out: OutOption = None,
    resume: ResumeOption = None,
    set_: SetOption = None,
    dry_run: DryOption = False,
    steps: MoreNumber = None,
    patience: MoreNumber = None,
    augment: AugmentOption = None,
    crop: CropOption = None,
    label_smoothing: MoreShare = None,
    mixup: MoreShare = None,
    balance: BalanceOption = None,
    seed: MoreNumber = None,
    folds: FoldsOption = None,
    members: MembersOption = 1,
    wider: WiderOption = None,
    member_crop: MemberCropOption = None,
    keep: KeepOption = None,
    max_unreadable: UnreadableOption = None,
    logger: LoggerOption = None,
    device: DeviceSetting = None,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Trains a network on pictures; Ctrl-C saves, --resume goes on."""
    from inception.training.config import TrainConfig, settings_help

    if set_ == ["help"]:
        print_settings(settings_help())
        return 0
    names = TrainConfig.__dataclass_fields__
    options = {name: value for name, value in context.params.items() if name in names}
    settings = [*(set_ or []), *([f"area={crop}"] if crop else [])]
    plan, printing = planned(members, wider, member_crop, folds), json != "-" and not quiet
    options |= {"members": None if folds else plan and members, "config": config}
    asked = _asked(data, options, settings, out, resume)
    if dry_run:
        return _rehearse(asked, json)
    if plan or is_ensemble(resume):
        return together(lambda group: train_members(asked, plan, json, group, printing=printing))
    return trained(asked, json, printing=printing)


def _rehearse(asked: Asked, json: str | None) -> int:
    from inception.cli.output import write_json
    from inception.cli.run_printer import RunPrinter
    from inception.training.rehearsal import STEPS, rehearse

    if asked.config is None or asked.data is None:
        raise InputError("--dry-run is of a new run: inception train DATA --dry-run")
    config = asked.config if asked.config.folds is None else replace(asked.config, fold=1)
    told = rehearse(asked.data, config)
    write_json(told.to_json(), json)
    if json == "-":
        return 0
    RunPrinter(True).started(replace(told.start, folder=Path(asked.out or "not made")))
    say(
        f"{STEPS} steps were tried: {told.seconds_per_step:.2f} s each, "
        f"{told.memory_mb / 1000:.1f} GB of memory; all {told.steps:,} take about "
        f"{clock(told.seconds)} and validations on top. Nothing was kept"
    )
    return 0


def trained(asked: Asked, json: str | None = None, *, printing: bool = True) -> int:
    """Trains, prints and writes what came out; gives the exit status."""

    def act(group: Group) -> int:
        summary = _train(asked, group, printing=printing and group.leads)
        return INTERRUPTED if summary is None else _finish(summary, group, json)

    return together(act)


def together(act: Callable[[Group], int]) -> int:
    """The exit status of all processes launched together; one of them tells what went wrong."""
    from inception.training.group import Elsewhere, joined

    try:
        with joined() as group:
            return act(group)
    except Elsewhere:
        return FAILED


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
        return Asked(data, _config(given.pop("config", None), given, settings), out=out)
    given |= {"out": out} if out else {}
    return Asked(data, resume=resume, machine=_machine(given, settings, resume))


def _config(file: Path | None, given: dict[str, Any], settings: list[str]) -> TrainConfig:
    from inception.training.given import configured, read_settings

    if "epochs" in given and "steps" in given:
        raise InputError("give either --epochs or --steps")
    begun = None if file is None else read_settings(file)
    return configured(begun, given).with_settings(settings)


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


def _finish(summary: RunSummary, group: Group, json: str | None) -> int:
    from inception.cli.output import write_json

    if group.leads:
        write_json(summary.to_json(), json)
        if json != "-":
            _print_summary(summary)
    return 0


def _train(asked: Asked, group: Group, *, printing: bool) -> RunSummary | None:
    """The run's summary, or None where it was interrupted."""
    from inception.cli.run_printer import RunPrinter
    from inception.training.group import Interrupted
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
        if group.leads:
            go_on = command("train", "--resume", printer.folder)
            say(f"interrupted and saved; go on with: {go_on}", err=True)
        return None


def _print_summary(summary: RunSummary) -> None:
    from inception.cli.output import percent
    from inception.cli.run_printer import only_guessed

    say(
        f"validation top-1 {percent(summary.top1_accuracy)} (epoch {summary.best_epoch} of "
        f"{summary.epochs}{', averaged weights' * summary.averaged}), loss {summary.loss:.4f}, "
        f"after {clock(summary.seconds)}"
    )
    say(*only_guessed(summary))
    say(f"the model: {summary.model}")
    say("next:")
    say(f"  {command('evaluate', summary.folder, summary.data)}")
    say(f"  {command('predict', summary.folder, 'PICTURES')}")
