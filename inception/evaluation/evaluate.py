"""A model, or several as an ensemble, on a labelled set."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inception.data.datasets import Dataset
from inception.evaluation.counting import (
    Cell,
    Counted,
    Observer,
    count_cells,
    engine_names,
    no_observer,
    tally_cells,
    together,
)
from inception.evaluation.ensemble import Models, find_ensemble
from inception.evaluation.metrics import Labels, Tally
from inception.evaluation.request import MAX_UNREADABLE, Progress, Request, no_progress
from inception.evaluation.scores import (
    Curve,
    Interval,
    averaged,
    class_scores,
    precision_recall,
    roc,
    row_shares,
    wilson,
)
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats
from inception.runtime.pipeline import Member
from inception.weights.model_file import ModelInfo


@dataclass(frozen=True)
class Evaluation:
    """What a model, or several together, reached on a set; accuracies from 0 to 1.

    Attributes:
        confusion: ``[classes, classes]``, rows true, columns predicted.
        unreadable: path and reason of pictures left out.
        binary: of two classes, how well they are told apart at any threshold.
        digest: of the whole split (``Dataset.digest``); nothing where it was not asked for.
        seen: whether a model was trained on just this split.
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
    binary: Binary | None = None
    digest: str = ""
    seen: bool = False

    def __repr__(self) -> str:
        return (
            f"Evaluation(top1_accuracy={self.top1_accuracy:.4f}, images={self.images}, "
            f"split={self.split!r}, models={self.models})"
        )

    @property
    def images_per_second(self) -> float:
        """Pictures evaluated per second, decoding included."""
        return self.images / self.seconds

    def per_class(self) -> list[dict[str, Any]]:
        """Of each class ``images``, ``accuracy`` with its interval, ``precision`` and ``f1``.

        None where one is not defined. A class's accuracy is what others call its recall.
        """
        counts, right = self.confusion.sum(axis=1), self.confusion.diagonal()
        scores = class_scores(self.confusion)
        return [
            {
                "class": name,
                "images": int(counts[i]),
                "accuracy": _defined(scores.recall[i]),
                "accuracy_interval": list(wilson(int(right[i]), int(counts[i]))),
                "precision": _defined(scores.precision[i]),
                "f1": _defined(scores.f1[i]),
            }
            for i, name in enumerate(self.classes)
        ]

    @property
    def interval(self) -> Interval:
        """Between which accuracies the true one lies, 95 times of 100 (Wilson)."""
        return wilson(int(self.confusion.trace()), self.images)

    def to_json(self) -> dict[str, Any]:
        """The contract of ``inception evaluate --json``."""
        return {
            "images": self.images,
            "unreadable": [path for path, _ in self.unreadable],
            "crops": self.crops,
            "models": list(self.models),
            "split": self.split,
            "data": self.digest,
            "seen_in_training": self.seen,
            "top1_accuracy": self.top1_accuracy,
            "top1_interval": list(self.interval),
            "top5_accuracy": self.top5_accuracy,
            "loss": self.loss,
            "per_class": self.per_class(),
            **averaged(self.confusion),
            **({"binary": self.binary.to_json(self.classes)} if self.binary else {}),
            "confusion": self.confusion.tolist(),
            "confusion_shares": row_shares(self.confusion),
            "images_per_second": self.images_per_second,
            "engine": self.engine,
        }


@dataclass(frozen=True)
class Binary:
    """How well two classes are told apart at any threshold; the second is the positive one."""

    roc: Curve
    precision_recall: Curve

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """Areas, and which class is the positive one."""
        areas = {"roc_auc": self.roc.area, "average_precision": self.precision_recall.area}
        return {"positive": classes[1], **areas}


class _Pairs:
    """Of pictures of two classes, how probable the second was, and whether it was right."""

    def __init__(self, inner: Observer) -> None:
        self._inner = inner
        self._probabilities: list[float] = []
        self._positive: list[bool] = []

    def see(self, dataset: Dataset, index: int, probabilities: Floats) -> None:
        """Takes in one picture, and passes it on."""
        self._probabilities.append(float(probabilities[-1]))
        self._positive.append(int(dataset.labels[index]) == 1)
        self._inner(dataset, index, probabilities)

    def told(self) -> Binary | None:
        """Nothing where only one of the classes was there."""
        scores, positive = np.array(self._probabilities), np.array(self._positive)
        if positive.all() or not positive.any():
            return None
        return Binary(roc(scores, positive), precision_recall(scores, positive))


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def evaluate(
    model: Models,
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
    progress: Progress = no_progress,
    observe: Observer = no_observer,
) -> Evaluation:
    """A MODEL, or several as an ensemble, on a data set, in the order of the models' own classes.

    Probabilities are averaged over the crops of a picture, then over the models.

    Args:
        model: a MODEL (``prediction.find_model``) or a list of them, which have the same classes.
        data: a data set (``data.datasets.open_data``).
        crops: squares shown of each picture: 1, 10, 12 or 144.
        split: by default val, else test, else all.
        limit: evaluate only so many pictures, drawn once and for all.
        engine: ``auto`` picks.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: most squares in one run of a network.
        threads: by default as many as there are cores.
        max_unreadable: a larger share of unreadable pictures is an error.
        progress: told pictures done and in all.
        observe: told of each picture what the models say of it together.

    Raises:
        InputError: no such model or data, classes that differ, too many unreadable.

    Example:
        >>> result = evaluate("cats-and-dogs", "pets")
        >>> result.split, result.images, result.confusion.sum(axis=1).tolist()
        ('val', 4, [2, 2])
    """
    how = Request(split, limit, engine, device, batch_size, threads, max_unreadable, progress)
    return evaluate_request(model, data, how, crops=crops, observe=observe)


def evaluate_request(
    model: Models,
    data: str | Path,
    how: Request,
    *,
    crops: int = 1,
    observe: Observer = no_observer,
) -> Evaluation:
    """``evaluate``, with what it is asked for in one object."""
    ensemble = find_ensemble(model)
    whole = how.whole(data, ensemble.classes)
    dataset = whole.limited(how.limit)
    members = ensemble.open(how, expected=crops * len(dataset))
    result = evaluate_members(members, dataset, ensemble.names, how, crops=crops, observe=observe)
    return identified(result, whole, ensemble.infos)


def identified(result: Evaluation, whole: Dataset, infos: Sequence[ModelInfo]) -> Evaluation:
    """The same, with the digest of the whole split, and whether a model was trained on it."""
    digest = whole.digest()
    return replace(result, digest=digest, seen=any(info.trained_on(digest) for info in infos))


def evaluate_engine(
    engine: Engine,
    dataset: Dataset,
    preprocessing: Preprocessing,
    *,
    models: Sequence[str],
    crops: int = 1,
    threads: int | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    progress: Progress = no_progress,
) -> Evaluation:
    """As ``evaluate`` for one model, with what it opens already open."""
    how = Request(threads=threads, max_unreadable=max_unreadable, progress=progress)
    return evaluate_members([Member(engine, preprocessing)], dataset, models, how, crops=crops)


def evaluate_share(
    engine: Engine,
    dataset: Dataset,
    preprocessing: Preprocessing,
    rows: Sequence[int],
    *,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Counted:
    """What ``conclude`` is to put together; answers that are no numbers make the loss none."""
    how = Request(threads=threads, progress=progress)
    return count_cells([Member(engine, preprocessing)], dataset, rows, (), [Cell(1, 1)], how)


def conclude(
    shares: Sequence[Counted],
    dataset: Dataset,
    *,
    models: Sequence[str],
    engine: str,
    seconds: float,
    max_unreadable: float = MAX_UNREADABLE,
) -> Evaluation:
    """What shares of a set that hold each picture once come to.

    Raises:
        InputError: too many pictures are unreadable.
    """
    tallies, unreadable = together(shares, dataset, max_unreadable)
    return _evaluation(tallies, unreadable, dataset, models, engine, seconds)


def evaluate_members(
    members: Sequence[Member],
    dataset: Dataset,
    models: Sequence[str],
    how: Request,
    *,
    crops: int = 1,
    observe: Observer = no_observer,
) -> Evaluation:
    """As ``evaluate``, with models and data open; ``models`` are the members' names."""
    began = time.perf_counter()
    cells = [Cell(len(members), crops)]
    pairs = _Pairs(observe) if len(dataset.classes) == 2 else None
    watching = pairs.see if pairs else observe
    tallies, unreadable = tally_cells(members, dataset, models, cells, how, watching)
    seconds, engine = time.perf_counter() - began, engine_names(members)
    evaluation = _evaluation(tallies, unreadable, dataset, models, engine, seconds)
    return replace(evaluation, binary=pairs.told() if pairs else None)


def _evaluation(
    tallies: Mapping[Cell, Tally],
    unreadable: tuple[tuple[str, str], ...],
    dataset: Dataset,
    models: Sequence[str],
    engine: str,
    seconds: float,
) -> Evaluation:
    [(cell, tally)] = tallies.items()
    return Evaluation(
        classes=dataset.classes,
        images=tally.images,
        top1_accuracy=tally.accuracy(1),
        top5_accuracy=tally.accuracy(5),
        loss=tally.loss,
        confusion=tally.confusion,
        unreadable=unreadable,
        crops=cell.crops,
        models=tuple(models),
        split=dataset.name,
        engine=engine,
        seconds=seconds,
    )
