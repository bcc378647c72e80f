"""What ``inception train`` prints while a run goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inception.cli.output import per_second, percent
from inception.cli.printing import Printing, clock, moved_note
from inception.errors import command

if TYPE_CHECKING:
    from inception.models.spec import Spec
    from inception.training.checkpoint import State
    from inception.training.run import RunStart, RunSummary

FEW = 50  # pictures to validate on below which the figures jump


class RunPrinter(Printing):
    """Prints a run while it goes: what it starts from, progress, a row an epoch."""

    def __init__(self, printing: bool) -> None:
        super().__init__(printing)
        self.folder = ""
        self.epochs = 0

    def reports(self) -> Any:
        """What the training loop tells."""
        from inception.training.loop import Reports

        return Reports(self.step, self.validation, self.epoch, self.warning)

    def started(self, start: RunStart) -> None:
        """Prints what is about to be trained, on what, and what did not carry over."""
        from inception.data.loading import steps_per_epoch

        self.folder = str(start.folder)
        c, spec = start.config, start.spec
        per_epoch = steps_per_epoch(len(start.train), c.batch_size)
        self.steps = c.steps or c.epochs * per_epoch
        self.steps_per_epoch = per_epoch
        self.epochs = -(-self.steps // per_epoch)
        if not self.printing:
            return
        self.line(
            f"{spec.name}, {spec.num_classes} classes ({_few(start.train.classes)}), "
            f"{spec.image_size} px; {len(start.train):,} pictures to learn from, "
            f"{len(start.val):,} to validate on"
        )
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        length = f"{c.steps} steps" if c.steps else f"{epochs} of {per_epoch} steps"
        how = f"{length}, batch {c.batch_size}, {c.optimiser} {c.schedule} {c.lr:g}"
        if c.head == "knn":
            how = f"nothing trained, features compared, {c.neighbours} nearest"
        where = f"{_processes(start.processes)}, " if start.processes > 1 else ""
        self.line(f"{how}, {where}{c.precision} on {c.device}; run folder {self.folder}")
        for line in _changes(spec):
            self.line(f"changed: {line}")
        for note in start.train.notes:
            self.line(note)
        if len(start.val) < FEW:
            self.line(f"only {len(start.val)} pictures to validate on: a rough measure")
        for line in [*_unread(start), *_moved(start), *_resumed(start, self.epochs)]:
            self.line(line)

    def step(self, state: State, steps: int, rate: float) -> None:
        """Moves the bar: losses by head, pictures a second, time left of the run."""
        losses = "  ".join(
            f"{name.removeprefix('inception_')} {total / max(state.pictures, 1):.3f}"
            for name, total in state.sums.items()
        )
        done = state.epoch * self.steps_per_epoch + state.step
        pace = state.seconds / max(state.step, 1)
        speed = state.pictures / max(state.seconds, 1e-9)
        note = f"{losses}  {per_second(speed)} images/s  {clock(pace * (self.steps - done))} left"
        name = f"epoch {state.epoch + 1}/{self.epochs}"
        self.move(name, state.step, steps, note)

    def validation(self, done: int, total: int) -> None:
        """Moves the bar of the validation."""
        self.move("validation", done, total)

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
            "images/s": per_second(row["images_per_second"]),
            "time": clock(row["seconds"]),
        }
        self.row(columns, "  best" if best else "")


def _unread(start: RunStart) -> list[str]:
    """What looking at the pictures found; nothing where all of them can be read."""
    lines = []
    for each in start.looked:
        if each.pictures < each.total:
            lines.append(
                f"{each.name}: looked at {each.pictures:,} of {each.total:,} pictures, drawn at "
                "random, before the first epoch"
            )
        if each.unreadable:
            (path, reason), count = each.unreadable[0], len(each.unreadable)
            lines.append(
                f"{each.name}: {count} of {each.pictures:,} pictures cannot be read and "
                f"{'is' if count == 1 else 'are'} left out; the first: {path}: {reason}"
            )
    return lines


def _moved(start: RunStart) -> list[str]:
    """What came from another model, and what did not."""
    moved, init = start.transplant, start.config.init
    if moved is None:
        return []
    dropped = _by_stage(moved.dropped, start.spec)
    lines = [f"dropped from {init}: {_names(dropped)}", f"fresh: {_names(moved.fresh)}"]
    if start.kept_classes is not None:
        rows = [name for name in start.train.classes if name not in start.kept_classes]
        lines.append(f"classes kept from {init}: {_names(start.kept_classes)}")
        lines.append(f"classes begun afresh: {_names(tuple(rows))}")
    if moved.adapted:
        channels, adapted = start.spec.in_channels, ", ".join(moved.adapted)
        lines.append(f"summed or repeated for {channels} input channels: {adapted}")
    return lines


def _by_stage(names: Sequence[str], spec: Spec) -> tuple[str, ...]:
    """Names of weights; of a stage that the network has no more, the stage's alone."""
    here = (*spec.stages, "aux", "classifier")
    firsts = [(name, name.split(".")[0]) for name in names]
    return tuple(dict.fromkeys(name if first in here else first for name, first in firsts))


def _resumed(start: RunStart, epochs: int) -> list[str]:
    lines = []
    if start.resumed_at is not None:
        epoch, step = start.resumed_at
        again = command("train", start.data, "--init", start.folder)
        ended = f"it had ended already; for more epochs: {again}"
        lines.append(ended if epoch >= epochs else f"resumed at epoch {epoch + 1}, step {step}")
    if start.processes_before not in (None, start.processes):
        lines.append(
            f"{_processes(start.processes)} (was {start.processes_before}): from here on batches "
            "are shared otherwise, which dropout, mixup and batch norm see"
        )
    if start.moved:
        lines.append(moved_note(start.moved))
    return lines


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _changes(spec: Spec) -> list[str]:
    """What settings changed about a network that has a name."""
    from inception.models import MODELS

    own = MODELS[spec.name].departures if spec.name in MODELS else spec.departures
    return [line for line in spec.departures if line not in own]


def only_guessed(*runs: RunSummary) -> list[str]:
    """Where most of the runs know no more than which class is the largest: so, and what to try."""
    guessed = [run for run in runs if run.to_try]
    if 2 * len(guessed) <= len(runs):
        return []
    worst = guessed[0]
    return [
        f"that is no better than always answering the largest class "
        f"({percent(worst.majority_accuracy)}), as far as {worst.val_pictures:,} pictures "
        "can tell; what may help:",
        *(f"  {line}" for line in worst.to_try),
    ]


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _names(names: tuple[str, ...], most: int = 8) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more or "nothing"
