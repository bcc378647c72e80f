"""What ``inception train`` prints while a run goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inception.models.spec import Spec
    from inception.training.checkpoint import State
    from inception.training.run import RunStart

FEW = 50  # pictures to validate on below which the figures jump


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
        note = f"{losses}  {speed:.0f} images/s  {clock(pace * (self.steps - done))} left"
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
            "time": clock(row["seconds"]),
        }
        widths = [max(len(name), 8) for name in columns]
        if not self._header_printed:
            header = "  ".join(f"{n:>{w}}" for n, w in zip(columns, widths, strict=True))
            self.out.print(header, style="bold")
            self._header_printed = True
        cells = "  ".join(f"{v:>{w}}" for v, w in zip(columns.values(), widths, strict=True))
        self.out.print(cells + ("  best" if best else ""))


def _changes(spec: Spec) -> list[str]:
    """What settings changed about a network that has a name."""
    from inception.models import MODELS

    own = MODELS[spec.name].departures if spec.name in MODELS else spec.departures
    return [line for line in spec.departures if line not in own]


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
