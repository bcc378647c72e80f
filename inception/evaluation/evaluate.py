"""A model, or several as an ensemble, on a labelled set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inception.data.datasets import Dataset
from inception.data.images import UnreadableImageError
from inception.errors import InputError
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
    wilson,
)
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats
from inception.runtime.pipeline import Member, Opinions, ask, check_finite
from inception.weights.model_file import ModelInfo

Observer = Callable[[Dataset, int, Floats], None]  # a picture and its ``[classes]`` probabilities


def no_observer(dataset: Dataset, index: int, probabilities: Floats) -> None:
    """Looks away."""


class Cell(NamedTuple):
    """One way of asking: the first so many models, and how many crops of each picture."""

    models: int
    crops: int


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
    cell = Cell(len(members), crops)
    pairs = _Pairs(observe) if len(dataset.classes) == 2 else None
    watching = pairs.see if pairs else observe
    tallies, unreadable = tally_cells(members, dataset, models, [cell], how, watching)
    tally = tallies[cell]
    return Evaluation(
        classes=dataset.classes,
        images=tally.images,
        top1_accuracy=tally.accuracy(1),
        top5_accuracy=tally.accuracy(5),
        loss=tally.loss,
        confusion=tally.confusion,
        unreadable=unreadable,
        crops=crops,
        models=tuple(models),
        split=dataset.name,
        engine=engine_names(members),
        seconds=time.perf_counter() - began,
        binary=pairs.told() if pairs else None,
    )


def tally_cells(
    members: Sequence[Member],
    dataset: Dataset,
    models: Sequence[str],
    cells: Sequence[Cell],
    how: Request,
    observe: Observer = no_observer,
) -> tuple[dict[Cell, Tally], tuple[tuple[str, str], ...]]:
    """Counts for each cell, from one pass over the pictures; and the unreadable ones.

    A picture's crops run through a network once, whatever the number of cells that use them.

    Raises:
        InputError: crops of that number are not defined, too many unreadable, or an answer of one
            of the ``models`` that is no number.
    """
    counts = list(dict.fromkeys(cell.crops for cell in cells))
    tallies = {cell: Tally(len(dataset.classes)) for cell in cells}
    unreadable: list[tuple[str, str]] = []
    told = ask(
        members,
        range(len(dataset)),
        dataset.read,
        counts=counts,
        batch_size=how.batch_size,
        threads=how.threads,
    )
    for done, (index, opinions) in enumerate(told, start=1):
        if isinstance(opinions, UnreadableImageError):
            unreadable.append((dataset.path(index), opinions.reason))
        else:
            for name, told_by in zip(models, opinions.probabilities, strict=True):
                check_finite(told_by, name, dataset.path(index))
            together = _add(tallies, counts, opinions, int(dataset.labels[index]))
            observe(dataset, index, together)
        how.progress(done, len(dataset))
    check_unreadable(len(unreadable), len(dataset), unreadable, how.max_unreadable)
    return tallies, tuple(unreadable)


def _add(
    tallies: Mapping[Cell, Tally], counts: Sequence[int], opinions: Opinions, label: int
) -> Floats:
    """Counts the picture in every cell; gives the probabilities of the last."""
    for cell, tally in tallies.items():
        column = counts.index(cell.crops)
        together: Floats = opinions.probabilities[: cell.models, column].mean(axis=0)
        seconds = float(opinions.seconds[: cell.models, column].sum())
        tally.add(together, label, seconds)
    return together


def engine_names(members: Sequence[Member]) -> str:
    """The members' engines, each once."""
    return ", ".join(dict.fromkeys(member.engine.name for member in members))


def check_unreadable(count: int, total: int, paths: Sequence[tuple[str, str]], most: float) -> None:
    """Raises ``InputError`` where more than the share ``most`` of the pictures is unreadable."""
    if count and (count > most * total or count == total):
        name, reason = paths[0]
        raise InputError(
            f"{count} of {total} pictures cannot be read, more than --max-unreadable {most:g}; "
            f"the first: {name}: {reason}"
        )
