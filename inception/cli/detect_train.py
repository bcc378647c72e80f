"""``inception detect train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.grouped import LEARNING, MACHINE
from inception.cli.output import (
    INTERRUPTED,
    JsonOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    per_second,
    say,
)
from inception.cli.printing import Printing, clock, moved_note, print_settings

if TYPE_CHECKING:
    from inception.detection.run import DetectReports, DetectSummary
    from inception.detection.starting import DetectStart
    from inception.training.checkpoint import State

DataArgument = Annotated[
    str | None, typer.Argument(help="Pictures with boxes: a Pascal VOC folder, or COCO JSON.")
]
InitOption = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Made of this classifier, or detector; imagenette."),
]
ModeOption = Annotated[
    str | None,
    typer.Option(
        help="fast: a picture passes once, its regions are pooled. rcnn: each region is warped and "
        "passes, as published in 2014. [default: fast]"
    ),
]
BoxesOption = Annotated[
    bool | None,
    typer.Option(help="Move regions to their objects; in fast by default."),
]
ScoringOption = Annotated[
    str | None, typer.Option(help="softmax, or svm: linear SVMs fitted at the end.")
]
StageOption = Annotated[
    str | None, typer.Option(metavar="STAGE", help="Whose features are pooled of a region.")
]
FreezeOption = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="The last stage that stays as it is, or none; the pooled one by default.",
    ),
]
SizeOption = Annotated[
    int | None, typer.Option(metavar="PX", help="To which fast brings a picture's long side.")
]
SuperpixelsOption = Annotated[
    int | None, typer.Option(metavar="N", help="150; 300 for half the regions.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; `--set help` lists them."),
]
OutOption = Annotated[str | None, typer.Option(help="Run folder; below runs/ by default.")]
ResumeOption = Annotated[
    str | None, typer.Option(help="Run folder to go on with, exactly as if never stopped.")
]
EpochsOption = Annotated[int | None, typer.Option(help="Passes over the pictures.")]
RateOption = Annotated[
    float | None, typer.Option(help="Peak learning rate.", rich_help_panel=LEARNING)
]
BatchOption = Annotated[
    int | None, typer.Option(help="Pictures of an update.", rich_help_panel=LEARNING)
]
SeedOption = Annotated[
    int | None, typer.Option(help="Of everything random.", rich_help_panel=LEARNING)
]
DeviceOption = Annotated[
    str | None, typer.Option(help="auto, cpu or cuda.", rich_help_panel=MACHINE)
]


def train(
    context: typer.Context,
    data: DataArgument = None,
    init: InitOption = None,
    mode: ModeOption = None,
    epochs: EpochsOption = None,
    boxes: BoxesOption = None,
    scoring: ScoringOption = None,
    stage: StageOption = None,
    freeze: FreezeOption = None,
    picture_size: SizeOption = None,
    superpixels: SuperpixelsOption = None,
    out: OutOption = None,
    resume: ResumeOption = None,
    set_: SetOption = None,
    lr: RateOption = None,
    batch_size: BatchOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> int:
    """Trains a detector on pictures with boxes; --resume goes on."""
    from inception.detection.settings import DetectConfig
    from inception.training.settings import settings_help

    if set_ == ["help"]:
        print_settings(settings_help(DetectConfig))
        return 0
    names = DetectConfig.__dataclass_fields__
    given = {n: v for n, v in context.params.items() if n in names and v is not None}
    with _Printer(json != "-" and not quiet) as printer:
        summary = _train(data, given, set_ or [], out, resume, printer)
    if summary is None:
        return INTERRUPTED
    _finish(summary, json, quiet=quiet)
    return 0


def _train(
    data: str | None,
    given: dict[str, Any],
    settings: list[str],
    out: str | None,
    resume: str | None,
    printer: _Printer,
) -> DetectSummary | None:
    from inception.detection.run import train as train_detector
    from inception.detection.settings import MACHINE as OF_MACHINE
    from inception.detection.settings import DetectConfig
    from inception.errors import InputError, command
    from inception.training.group import Interrupted

    config = DetectConfig(**given).with_settings(settings)
    on: dict[str, Any] = {}
    if resume is not None:
        asked = {*given, *(text.partition("=")[0] for text in settings)}
        if out is not None or not asked <= set(OF_MACHINE):
            raise InputError(
                f"a resumed run keeps its settings and its folder; what may change is the machine: "
                f"{', '.join(OF_MACHINE)}"
            )
        on = {name: getattr(config, name) for name in asked}
    how = printer.reports()
    try:
        return train_detector(data, config, out=out, resume=resume, on=on, reports=how)
    except Interrupted:
        go_on = command("detect", "train", "--resume", printer.folder)
        say(f"interrupted; the run is saved, `{go_on}` goes on with it", err=True)
        return None


def _finish(summary: DetectSummary, json: str | None, *, quiet: bool) -> None:
    from inception.cli.detect_evaluate import print_evaluation
    from inception.cli.output import write_json

    write_json(summary.to_json(), json)
    if json != "-":
        print_evaluation(summary.evaluation, quiet=quiet)
        say(f"{summary.epochs} epochs in {clock(summary.seconds)}; the detector: {summary.model}")


class _Printer(Printing):
    """Prints a run while it goes: what it starts from, progress, a row an epoch."""

    def __init__(self, printing: bool) -> None:
        super().__init__(printing)
        self.folder = Path()
        self.epochs = self.steps = 0

    def reports(self) -> DetectReports:
        """What a run tells."""
        from inception.detection.run import DetectReports
        from inception.training.loop import Reports

        training = Reports(self.step, lambda done, total: None, self.epoch, self.warning)
        return DetectReports(self.started, self.preparing, training)

    def started(self, start: DetectStart) -> None:
        """Prints what is about to be trained, and on what."""
        from inception.data.loading import steps_per_epoch

        self.folder, config = start.folder, start.config
        self.epochs = config.epochs
        per_epoch = steps_per_epoch(len(start.train), config.batch_size)
        self.steps = per_epoch * config.epochs
        for line in (*_begun(start, per_epoch), *start.train.notes, *start.val.notes):
            self.line(line)
        if start.resumed_at is not None:
            epoch, step = start.resumed_at
            ended = "it had ended already" if epoch >= config.epochs else ""
            self.line(ended or f"resumed at epoch {epoch + 1}, step {step}")
        if start.moved:
            self.line(moved_note(start.moved))

    def preparing(self, what: str, done: int, total: int) -> None:
        """Moves the bar of what is not training."""
        self.move(what, done, total)

    def step(self, state: State, steps: int, rate: float) -> None:
        """Moves the bar: losses, time left of the run."""
        losses = "  ".join(f"{n} {v / max(state.pictures, 1):.3f}" for n, v in state.sums.items())
        pace = state.seconds / max(state.step, 1)
        left = clock(pace * (self.steps - state.epoch * steps - state.step))
        name = f"epoch {state.epoch + 1}/{self.epochs}"
        note = f"{losses}  {left} left"
        self.move(name, state.step, steps, note)

    def epoch(self, row: dict[str, Any], best: bool) -> None:
        """Prints the epoch's row of the table, a header above the first."""
        if not self.printing:
            return
        cells = {
            "epoch": f"{row['epoch']:d}",
            "lr": f"{row['lr']:.2g}",
            "class": f"{row['loss_class']:.3f}",
            "boxes": f"{row['loss_boxes']:.3f}",
            "val loss": f"{row['val_loss']:.3f}",
            "regions": f"{100 * row['region_accuracy']:.2f} %",
            "images/s": per_second(row["images_per_second"]),
            "time": clock(row["seconds"]),
        }
        self.row(cells)


def _begun(start: DetectStart, per_epoch: int) -> list[str]:
    """What is trained, on what, and what a picture will cost."""
    from inception.data.listing import number, some
    from inception.detection.detector import FAST, detector_cost

    config, detector = start.config, start.detector
    seen = f"{detector.picture_size} px" if detector.mode == FAST else "warped regions"
    frozen = f"frozen up to {start.freeze}" if start.freeze else "nothing frozen"
    costs = detector_cost(detector, 1)
    once = f"{costs.backbone / 1e9:.2f} G multiply-adds a picture, " * (detector.mode == FAST)
    each = costs.head if detector.mode == FAST else costs.multiply_adds
    return [
        f"{detector.mode} on {detector.network.name} from {config.init}, {seen}, "
        f"{detector.grid}x{detector.grid} of {detector.stage} a region, {frozen}",
        f"{once}{each / 1e6:.0f} M a region; {costs.parameters:,} parameters",
        f"{number(len(detector.classes), 'class')} ({some(detector.classes, 4)}); "
        f"{len(start.train):,} pictures to learn from, {len(start.val):,} to validate on",
        f"{config.epochs} epochs of {per_epoch} steps, {config.batch_size} pictures of "
        f"{config.regions} regions each, on {config.device}; run folder {start.folder}",
    ]
