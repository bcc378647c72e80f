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
from inception.cli.output import DeviceOption, JsonOption, QuietOption, ThreadsOption

if TYPE_CHECKING:
    from inception.models.spec import Spec
    from inception.training.checkpoint import State
    from inception.training.config import TrainConfig
    from inception.training.run import RunStart, RunSummary


INTERRUPTED = 130  # exit status
RECIPE_NAMES = (  # of training.recipes, whose import would cost the help its speed
    "default", "small-data", "googlenet-paper", "googlenet-caffe", "googlenet-caffe-quick",
    "bn-inception", "inception-v3", "inception-v4", "xception",
)  # fmt: skip
FEW = 50  # pictures to validate on below which the figures jump


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
    freeze: Annotated[
        str | None, typer.Option(help="backbone: train classifier and heads only.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting.")
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
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Trains a network on a folder of pictures; Ctrl-C saves, --resume goes on."""
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
        typer.echo(
            f"interrupted and saved; go on with: inception train --resume {printer.folder}",
            err=True,
        )
        return None


class RunPrinter:
    """Prints a run while it goes: what it starts from, progress, a row an epoch."""

    def __init__(self, printing: bool) -> None:
        from rich.progress import BarColumn, TextColumn

        from inception.cli.output import console, progress

        self.printing = printing
        self.out = console()
        self.folder = ""
        self.epochs = 0
        self._header_printed = False
        self.progress = progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[note]}"),
            quiet=not printing,
        )
        self.task = self.progress.add_task("starting", total=None, note="")

    def __enter__(self) -> RunPrinter:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def restart(self) -> None:
        """Prints the header again before the next row, which is another run's."""
        self._header_printed = False

    def reports(self) -> Any:
        """What the training loop tells."""
        from inception.training.loop import Reports

        return Reports(step=self.step, validation=self.validation, epoch=self.epoch)

    def started(self, start: RunStart) -> None:
        """Prints what is about to be trained, on what, and what did not carry over."""
        self.folder = str(start.folder)
        c, spec = start.config, start.spec
        per_epoch = -(-len(start.train) // c.batch_size)
        self.steps = c.steps or c.epochs * per_epoch
        self.steps_per_epoch = per_epoch
        self.epochs = -(-self.steps // per_epoch)
        if not self.printing:
            return
        self.out.print(
            f"{spec.name}, {spec.num_classes} classes ({_few(start.train.classes)}), "
            f"{spec.image_size} px; {len(start.train):,} pictures to learn from, "
            f"{len(start.val):,} to validate on"
        )
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        length = f"{c.steps} steps" if c.steps else f"{epochs} of {per_epoch} steps"
        how = f"{length}, batch {c.batch_size}, {c.optimiser} {c.schedule} {c.lr:g}"
        if c.head == "knn":
            how = f"nothing trained, features compared, {c.neighbours} nearest"
        self.out.print(f"{how}, {c.precision} on {c.device}; run folder {self.folder}")
        for line in _changes(spec):
            self.out.print(f"changed: {line}")
        if len(start.val) < FEW:
            self.out.print(f"only {len(start.val)} pictures to validate on: a rough measure")
        if start.transplant is not None:
            self.out.print(f"dropped from {c.init}: {_names(start.transplant.dropped)}")
            self.out.print(f"fresh: {_names(start.transplant.fresh)}")
            if start.transplant.adapted:
                adapted = ", ".join(start.transplant.adapted)
                self.out.print(
                    f"summed or repeated for {spec.in_channels} input channels: {adapted}"
                )
        if start.resumed_at is not None:
            epoch, step = start.resumed_at
            self.out.print(f"resumed at epoch {epoch + 1}, step {step}")

    def step(self, state: State, steps: int, rate: float) -> None:
        """Moves the bar: losses by head, pictures a second, time left of the run."""
        losses = "  ".join(
            f"{name.removeprefix('inception_')} {total / max(state.pictures, 1):.3f}"
            for name, total in state.sums.items()
        )
        done = state.epoch * self.steps_per_epoch + state.step
        pace = state.seconds / max(state.step, 1)
        speed = state.pictures / max(state.seconds, 1e-9)
        note = f"{losses}  {speed:.0f} images/s  {_clock(pace * (self.steps - done))} left"
        name = f"epoch {state.epoch + 1}/{self.epochs}"
        self.progress.update(
            self.task, description=name, total=steps, completed=state.step, note=note
        )

    def validation(self, done: int, total: int) -> None:
        """Moves the bar of the validation."""
        self.progress.update(
            self.task, description="validation", total=total, completed=done, note=""
        )

    def epoch(self, row: dict[str, Any], best: bool) -> None:
        """Prints the epoch's row of the table, a header above the first."""
        if not self.printing:
            return
        columns = {"epoch": f"{row['epoch']:d}", "lr": f"{row['lr']:.2g}"}
        for name in [n for n in row if n.startswith("loss_")]:
            columns[name.removeprefix("loss_").removeprefix("inception_")] = f"{row[name]:.3f}"
        if "knn_accuracy" in row:
            columns["nearest"] = f"{100 * row['knn_accuracy']:.2f} %"
        columns |= {
            "val loss": f"{row['val_loss']:.3f}",
            "top-1": f"{100 * row['top1_accuracy']:.2f} %",
            "images/s": f"{row['images_per_second']:.0f}",
            "time": _clock(row["seconds"]),
        }
        widths = [max(len(name), 8) for name in columns]
        if not self._header_printed:
            header = "  ".join(f"{n:>{w}}" for n, w in zip(columns, widths, strict=True))
            self.out.print(header, style="bold")
            self._header_printed = True
        cells = "  ".join(f"{v:>{w}}" for v, w in zip(columns.values(), widths, strict=True))
        self.out.print(cells + ("  best" if best else ""))


def _print_summary(summary: RunSummary) -> None:
    from inception.cli.output import percent

    typer.echo(
        f"validation top-1 {percent(summary.top1_accuracy)} (epoch {summary.best_epoch} of "
        f"{summary.epochs}{', averaged weights' * summary.averaged}), loss {summary.loss:.4f}, "
        f"after {_clock(summary.seconds)}"
    )
    typer.echo(f"the model: {summary.model}")
    typer.echo("next:")
    typer.echo(f"  inception evaluate {summary.folder} {summary.data}")
    typer.echo(f"  inception predict {summary.folder} PICTURES")


def _changes(spec: Spec) -> list[str]:
    """What settings changed about a network that has a name."""
    from inception.models import MODELS

    own = MODELS[spec.name].departures if spec.name in MODELS else spec.departures
    return [line for line in spec.departures if line not in own]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
