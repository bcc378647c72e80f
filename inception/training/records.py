"""What a run leaves in its folder: tables, pictures, the model with its history."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from inception import __version__
from inception.data.datasets import Dataset
from inception.drawing import draw_confusion, draw_curves
from inception.errors import InputError, command
from inception.evaluation.evaluate import Evaluation
from inception.files import write_text
from inception.models.spec import Spec
from inception.prediction import RUN_MODEL
from inception.remote import place_of
from inception.text import csv_text
from inception.training.checkpoint import State
from inception.training.config import MACHINE, TrainConfig
from inception.training.folder import CONFIG
from inception.training.readable import Looked
from inception.weights.description import DETECTOR
from inception.weights.model_file import ModelInfo, Transplant, save_model

DRAW_EVERY_S = 20.0  # a drawing takes half a second


@dataclass(frozen=True)
class RunStart:
    """What a run is about to do, for whoever watches.

    Attributes:
        identity: digests of what must be the same when it goes on: ``spec``, ``train``, ``val``.
        transplant: what did not carry over from another model; ``kept_classes``: those whose rows
            of its classifiers did, where their names differ from this run's.
        looked: what was looked at of the pictures, and cannot be read.
        resumed_at: epoch and step; ``checkpoint``, where they are kept.
        moved: settings of the machine that are others than before.
        processes: how many train together; ``processes_before``, likewise.
    """

    folder: Path
    data: str
    spec: Spec
    train: Dataset
    val: Dataset
    config: TrainConfig
    identity: Mapping[str, str]
    transplant: Transplant | None = None
    kept_classes: tuple[str, ...] | None = None
    looked: tuple[Looked, ...] = ()
    resumed_at: tuple[int, int] | None = None
    checkpoint: Path | None = None
    moved: tuple[str, ...] = ()
    processes: int = 1
    processes_before: int | None = None

    def alike(self) -> list[object]:
        """What is the same in all processes of a run."""
        settings = {n: v for n, v in self.config.to_json().items() if n not in MACHINE}
        return [self.spec.digest(), self.train.fingerprint(), self.val.fingerprint(), settings]


def record_start(start: RunStart) -> None:
    """Writes ``config.json``: settings, machine, data, classes, network, versions."""
    settings = start.config.to_json()
    values = {
        "config": {n: v for n, v in settings.items() if n not in MACHINE},
        "machine": {n: settings[n] for n in MACHINE},
        "data": {"place": str(place_of(start.data).resolve()), **_data_json(start)},
        "identity": dict(start.identity),
        "processes": start.processes,
        "classes": list(start.train.classes),
        "model": start.spec.to_json(),
        "versions": versions(),
        "commit": commit(),
    }
    write_text(start.folder / CONFIG, json.dumps(values, indent=1, allow_nan=False))


@dataclass(frozen=True)
class Saved:
    """What ``config.json`` says of a run.

    Attributes:
        place: where its data lay.
        fingerprint: of the training set's names and labels.
        identity: as in ``RunStart``; empty in runs older than it.
        processes: how many trained together.
    """

    config: TrainConfig
    spec: Spec
    place: str
    fingerprint: str
    identity: Mapping[str, str]
    processes: int


def read_start(folder: Path) -> Saved:
    """What ``record_start`` wrote.

    Raises:
        InputError: it is not there, or not a run's.
    """
    path = folder / CONFIG
    if not path.exists():
        raise InputError(f"{folder} is no run folder: it has no {CONFIG}")
    try:
        values = json.loads(path.read_text("utf-8"))
        if DETECTOR in values:
            go_on = command("detect", "train", "--resume", folder)
            raise InputError(f"{folder} is a detector's run: `{go_on}` goes on with it")
        config = TrainConfig.from_json({**values["config"], **values.get("machine", {})})
        place, fingerprint = values["data"]["place"], values["data"]["train"]
        spec = Spec.from_json(values["model"])
        identity, processes = values.get("identity", {}), int(values.get("processes", 1))
        return Saved(config, spec, place, fingerprint, identity, processes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not what a run wrote ({error!r})") from error


def record_tables(folder: Path, state: State) -> None:
    """Writes the rows of all epochs so far, and what could not be read."""
    write_text(folder / "metrics.csv", csv_text(state.rows))
    unreadable = [{"path": p, "reason": r} for p, r in sorted(state.unreadable.items())]
    write_text(folder / "unreadable.csv", csv_text(unreadable))


def record_epoch(folder: Path, state: State) -> None:
    """Writes what every epoch changes, pictures aside: tables and log."""
    record_tables(folder, state)
    path, now = folder / "log.txt", datetime.now().isoformat(timespec="seconds")
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{now} {json.dumps(state.rows[-1], allow_nan=False)}\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def record_best(
    start: RunStart, weights: Mapping[str, torch.Tensor], evaluation: Evaluation, epoch: int
) -> None:
    """Writes the model and its confusion as a table."""
    save_model(start.folder / RUN_MODEL, weights, _model_info(start, evaluation, epoch))
    write_text(start.folder / "confusion.csv", _confusion_csv(evaluation))


class Pictures:
    """A run's curves and confusion, drawn now and then: an epoch may be shorter than a drawing.

    What the last epochs brought is drawn when the block ends, however it ends. A picture that
    fails is a warning.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder, self._warn = folder, warn
        self._rows: list[dict[str, Any]] = []
        self._best: Evaluation | None = None
        self._drawn_at = time.monotonic()

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()

    def add(self, state: State, best: Evaluation | None) -> None:
        """Takes in an epoch, and its evaluation where it is the best."""
        self._rows, self._best = state.rows, best or self._best
        if time.monotonic() - self._drawn_at > DRAW_EVERY_S:
            self._draw()

    def _draw(self) -> None:
        try:
            if self._rows:
                draw_curves(self._rows, self._folder / "curves.png")
            if best := self._best:
                draw_confusion(best.confusion, best.classes, self._folder / "confusion.png")
        except (ImportError, OSError, InputError, MemoryError, RuntimeError, ValueError) as error:
            self._warn(f"the run's pictures were not drawn: {error}")
        self._rows, self._best, self._drawn_at = [], None, time.monotonic()


def _confusion_csv(evaluation: Evaluation) -> str:
    rows = zip(evaluation.classes, evaluation.confusion.tolist(), strict=True)
    return csv_text(
        [{"true": c, **dict(zip(evaluation.classes, row, strict=True))} for c, row in rows]
    )


def _model_info(start: RunStart, evaluation: Evaluation, epoch: int) -> ModelInfo:
    metrics = {
        "top1_accuracy": evaluation.top1_accuracy,
        "top5_accuracy": evaluation.top5_accuracy,
        "loss": evaluation.loss,
        "images": evaluation.images,
        "epoch": epoch,
    }
    training = {
        "config": start.config.to_json(),
        "data": {**_data_json(start), "train_digest": start.identity["train"]},
        "versions": versions(),
        "commit": commit(),
    }
    parents = (start.config.init,) if start.config.init else ()
    return ModelInfo(start.spec, start.train.classes, metrics, training, parents=parents)


def _data_json(start: RunStart) -> dict[str, Any]:
    return {
        "train": start.train.fingerprint(),
        "val": start.val.fingerprint(),
        "train_pictures": len(start.train),
        "val_pictures": len(start.val),
    }


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "inception": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def commit() -> str | None:
    """The commit of this package's own repository, where it runs from one."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
