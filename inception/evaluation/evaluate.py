"""A model on a labelled set."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inception.data.datasets import Dataset, open_data
from inception.errors import InputError
from inception.evaluation.metrics import Floats, Labels, confusion_matrix, log_loss, top_k_accuracy
from inception.prediction import find_model
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, create_engine
from inception.runtime.pipeline import classify
from inception.weights.model_file import read_info

MAX_UNREADABLE = 0.01  # share of pictures that may be unreadable


@dataclass(frozen=True)
class Evaluation:
    """What a model reached on a set; accuracies from 0 to 1.

    Attributes:
        confusion: ``[classes, classes]``, rows true, columns predicted.
        unreadable: path and reason of pictures left out.
    """

    classes: tuple[str, ...]
    images: int
    top1_accuracy: float
    top5_accuracy: float
    loss: float
    confusion: Labels
    unreadable: tuple[tuple[str, str], ...]
    crops: int
    models: tuple[str, ...]
    split: str
    engine: str
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Pictures evaluated per second, decoding included."""
        return self.images / self.seconds

    def per_class(self) -> list[dict[str, Any]]:
        """``class``, ``images`` and ``accuracy`` (None where it has no pictures)."""
        counts = self.confusion.sum(axis=1)
        right = self.confusion.diagonal()
        return [
            {"class": c, "images": int(n), "accuracy": float(r / n) if n else None}
            for c, n, r in zip(self.classes, counts, right, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """The contract of ``inception evaluate --json``."""
        return {
            "images": self.images,
            "unreadable": [path for path, _ in self.unreadable],
            "crops": self.crops,
            "models": list(self.models),
            "top1_accuracy": self.top1_accuracy,
            "top5_accuracy": self.top5_accuracy,
            "loss": self.loss,
            "per_class": self.per_class(),
            "confusion": self.confusion.tolist(),
            "images_per_second": self.images_per_second,
            "engine": self.engine,
        }


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    crops: int = 1,
    split: str | None = None,
    limit: int | None = None,
    engine: str = "auto",
    device: str = "auto",
    batch_size: int = 64,
    threads: int | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """A MODEL on a data set, in the order of the model's own classes.

    Args:
        model: a MODEL (``prediction.find_model``).
        data: a data set (``data.datasets.open_data``).
        crops: squares shown of each picture, 1 or 10.
        split: by default val, else test, else all.
        limit: evaluate only so many pictures, drawn once and for all.
        engine: ``auto`` picks.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: squares in one run of the network.
        threads: by default as many as there are cores.
        max_unreadable: a larger share of unreadable pictures is an error.
        progress: told pictures done and in all.

    Raises:
        InputError: no such model or data, classes the model does not know, too many unreadable.
    """
    path = find_model(model)
    info = read_info(path)
    dataset = open_data(data).for_evaluation(split).limited(limit).with_classes(info.classes)
    return evaluate_engine(
        create_engine(path, engine, device=device, threads=threads),
        dataset,
        info.preprocessing,
        models=(str(model),),
        crops=crops,
        batch_size=batch_size,
        threads=threads,
        max_unreadable=max_unreadable,
        progress=progress,
    )


def evaluate_engine(
    engine: Engine,
    dataset: Dataset,
    preprocessing: Preprocessing,
    *,
    models: Sequence[str],
    crops: int = 1,
    batch_size: int = 64,
    threads: int | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """As ``evaluate``, with what it opens already open."""
    began = time.perf_counter()
    answers = classify(
        engine,
        range(len(dataset)),
        dataset.read,
        preprocessing,
        crops=crops,
        batch_size=batch_size,
        threads=threads,
    )
    probabilities: list[Floats] = []
    rows: list[int] = []
    unreadable: list[tuple[str, str]] = []
    for done, answer in enumerate(answers, start=1):
        if answer.probabilities is None:
            unreadable.append(
                (dataset.path(answer.item), answer.error.reason if answer.error else "")
            )
        else:
            rows.append(answer.item)
            probabilities.append(answer.probabilities)
        progress(done, len(dataset))
    check_unreadable(len(unreadable), len(dataset), unreadable, max_unreadable)
    scores, labels = np.stack(probabilities), dataset.labels[rows]
    return Evaluation(
        classes=dataset.classes,
        images=len(rows),
        top1_accuracy=top_k_accuracy(scores, labels, k=1),
        top5_accuracy=top_k_accuracy(scores, labels, k=5),
        loss=log_loss(scores, labels),
        confusion=confusion_matrix(scores.argmax(axis=1), labels, classes=len(dataset.classes)),
        unreadable=tuple(unreadable),
        crops=crops,
        models=tuple(models),
        split=dataset.name,
        engine=engine.name,
        seconds=time.perf_counter() - began,
    )


def check_unreadable(count: int, total: int, paths: Sequence[tuple[str, str]], most: float) -> None:
    """Raises ``InputError`` where more than the share ``most`` of the pictures is unreadable."""
    if count and (count > most * total or count == total):
        name, reason = paths[0]
        raise InputError(
            f"{count} of {total} pictures cannot be read, more than --max-unreadable {most:g}; "
            f"the first: {name}: {reason}"
        )
