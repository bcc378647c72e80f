"""What a run leaves in its folder: tables, pictures, the model with its history."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from inception import __version__
from inception.data.datasets import Dataset
from inception.drawing import draw_confusion, draw_curves
from inception.evaluation.evaluate import Evaluation
from inception.files import write_text
from inception.models.spec import Spec
from inception.prediction import RUN_MODEL
from inception.text import csv_text
from inception.training.checkpoint import State
from inception.training.config import TrainConfig
from inception.weights.model_file import ModelInfo, Transplant, save_model

CONFIG = "config.json"


@dataclass(frozen=True)
class RunStart:
    """What a run is about to do, for whoever watches."""

    folder: Path
    data: str
    spec: Spec
    train: Dataset
    val: Dataset
    config: TrainConfig
    transplant: Transplant | None
    resumed_at: tuple[int, int] | None


def record_start(start: RunStart) -> None:
    """Writes ``config.json``: settings, data, classes, network, versions."""
    values = {
        "config": start.config.to_json(),
        "data": {"place": str(Path(start.data).resolve()), **_data_json(start)},
        "classes": list(start.train.classes),
        "model": start.spec.to_json(),
        "versions": versions(),
        "commit": commit(),
    }
    write_text(start.folder / CONFIG, json.dumps(values, indent=1))


def record_epoch(start: RunStart, state: State) -> None:
    """Writes what every epoch changes: tables, log and curves."""
    folder = start.folder
    write_text(folder / "metrics.csv", csv_text(state.rows))
    unreadable = [{"path": p, "reason": r} for p, r in sorted(state.unreadable.items())]
    write_text(folder / "unreadable.csv", csv_text(unreadable))
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        now = datetime.now().isoformat(timespec="seconds")
        log.write(f"{now} {json.dumps(state.rows[-1])}\n")
    draw_curves(state.rows, folder / "curves.png")


def record_best(
    start: RunStart, weights: Mapping[str, torch.Tensor], evaluation: Evaluation, epoch: int
) -> None:
    """Writes the model and its confusion."""
    folder = start.folder
    save_model(folder / RUN_MODEL, weights, _model_info(start, evaluation, epoch))
    write_text(folder / "confusion.csv", _confusion_csv(evaluation))
    draw_confusion(evaluation.confusion, evaluation.classes, folder / "confusion.png")


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
        "data": _data_json(start),
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
