"""Early exits measured: who answers, how well, for how much; and a curve over confidences."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inception.data.crops import views
from inception.data.datasets import Dataset
from inception.data.images import Picture, UnreadableImageError
from inception.data.ordered import ordered_map
from inception.evaluation.counting import check_unreadable
from inception.evaluation.request import Request
from inception.machine import available_cores
from inception.models.exits import exit_costs
from inception.models.spec import Spec
from inception.prediction import find_model
from inception.preprocessing import Preprocessing
from inception.runtime.early_exit import EarlyExitEngine, create_exit_engine
from inception.runtime.pipeline import check_finite
from inception.weights.model_file import read_info

CONFIDENCES = (
    *(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85),
    *(0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1),
)

Reals = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Exit:
    """What left at one head or at the classifier.

    Attributes:
        share: of the pictures, from 0 to 1.
        top1_accuracy: of those that left here; None where none did.
        alone_top1_accuracy: were all pictures answered here.
        multiply_adds: of a picture that leaves here.
    """

    name: str
    images: int
    share: float
    top1_accuracy: float | None
    alone_top1_accuracy: float
    multiply_adds: int


@dataclass(frozen=True)
class Point:
    """One confidence of the curve.

    Attributes:
        shares: of the pictures that leave at each exit.
        multiply_adds: mean, for a picture.
    """

    confidence: float
    shares: tuple[float, ...]
    top1_accuracy: float
    multiply_adds: float


@dataclass(frozen=True)
class ExitEvaluation:
    """What stopping early at one confidence gave, beside the full network on the same pictures.

    Attributes:
        multiply_adds: mean, for a picture; ``full_multiply_adds`` without heads.
        seconds: of the engine, stopping early; ``full_seconds`` running to the end.
        curve: from one run to the end, in which every exit's answer was kept.
        unreadable: path and reason of pictures left out.
    """

    model: str
    split: str
    engine: str
    images: int
    unreadable: tuple[tuple[str, str], ...]
    confidence: float
    exits: tuple[Exit, ...]
    top1_accuracy: float
    full_top1_accuracy: float
    multiply_adds: float
    full_multiply_adds: int
    seconds: float
    full_seconds: float
    curve: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """The evaluation as JSON values."""
        return {
            **vars(self),
            "unreadable": [path for path, _ in self.unreadable],
            "exits": [dict(vars(e)) for e in self.exits],
            "curve": self.rows(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """The curve, a row a confidence."""
        names = [f"share_{e.name}" for e in self.exits]
        return [
            {
                "confidence": p.confidence,
                **dict(zip(names, p.shares, strict=True)),
                "top1_accuracy": p.top1_accuracy,
                "multiply_adds": p.multiply_adds,
                "share_of_full": p.multiply_adds / self.full_multiply_adds,
            }
            for p in self.curve
        ]


def evaluate_exits(
    model: str | Path, data: str | Path, confidence: float, how: Request | None = None
) -> ExitEvaluation:
    """A MODEL that stops early, on a data set.

    A head answers where its largest probability is above ``confidence``, from 0 to 1. Each picture
    is read once and run twice: stopping early, and to the end.

    Raises:
        InputError: as ``evaluate``, or a model without heads.
    """
    how = how or Request()
    path = find_model(model)
    opened = create_exit_engine(
        path, confidence, how.engine, device=how.device, threads=how.threads
    )
    info = read_info(path)
    dataset = how.open(data, info.classes)
    threads, batch_size = how.threads or available_cores(), how.batch_size
    side, first = info.preprocessing.size, min(batch_size, len(dataset))
    opened.answer_all(np.zeros((first, side, side, 3), np.uint8))  # the first run is slow
    seen = _Seen(str(model), dataset, opened)
    for batch in _batches(dataset, info.preprocessing, batch_size, threads):
        seen.add(batch)
        how.progress(seen.done, len(dataset))
    check_unreadable(len(seen.unreadable), len(dataset), seen.unreadable, how.max_unreadable)
    return seen.evaluation(opened.spec)


class _Shown(NamedTuple):
    """A picture's number in the set, and how the network sees it or why it cannot."""

    number: int
    square: Picture | UnreadableImageError


def _batches(
    dataset: Dataset, preprocessing: Preprocessing, size: int, threads: int
) -> Iterator[list[_Shown]]:
    def prepare(index: int) -> _Shown:
        try:
            return _Shown(index, views(dataset.read(index), preprocessing)[0])
        except UnreadableImageError as error:
            return _Shown(index, error)

    shown = ordered_map(prepare, range(len(dataset)), threads=threads, ahead=size + 2 * threads)
    while batch := list(islice(shown, size)):
        yield batch


class _Seen:
    """Everything said of the pictures so far."""

    def __init__(self, model: str, dataset: Dataset, engine: EarlyExitEngine) -> None:
        self.model, self.dataset, self.engine = model, dataset, engine
        self.done = 0
        self.unreadable: list[tuple[str, str]] = []
        self.seconds, self.full_seconds = 0.0, 0.0
        self._exits: list[npt.NDArray[np.int64]] = []
        self._right: list[Bools] = []  # [N], stopping early
        self._sure: list[Reals] = []  # [N, exits], the largest probability
        self._all_right: list[Bools] = []  # [N, exits]

    def add(self, batch: Sequence[_Shown]) -> None:
        """Lets the network see a batch, once to the first sure head and once to the end."""
        self.done += len(batch)
        good = [(i, s) for i, s in batch if not isinstance(s, UnreadableImageError)]
        self.unreadable += [
            (self.dataset.path(i), s.reason)
            for i, s in batch
            if isinstance(s, UnreadableImageError)
        ]
        if not good:
            return
        pictures = np.stack([square for _, square in good])
        labels = self.dataset.labels[[index for index, _ in good]]
        began = time.perf_counter()
        answers = self.engine.answer(pictures)
        between = time.perf_counter()
        every = self.engine.answer_all(pictures)
        self.seconds += between - began
        self.full_seconds += time.perf_counter() - between
        for (index, _), told, all_told in zip(good, answers.probabilities, every, strict=True):
            for said in (told, all_told):
                check_finite(said, self.model, self.dataset.path(index))
        self._exits.append(answers.exits)
        self._right.append(answers.probabilities.argmax(axis=1) == labels)
        self._sure.append(every.max(axis=2).astype(np.float64))
        self._all_right.append(every.argmax(axis=2) == labels[:, None])

    def evaluation(self, spec: Spec) -> ExitEvaluation:
        """The result."""
        exits, right = np.concatenate(self._exits), np.concatenate(self._right)
        sure, all_right = np.concatenate(self._sure), np.concatenate(self._all_right)
        confidence, names = self.engine.confidence, self.engine.exits
        costs = list(exit_costs(spec, heads=confidence < 1).values())
        left = [exits == number for number in range(len(names))]
        rows = [
            Exit(
                name,
                int(here.sum()),
                float(here.mean()),
                float(right[here].mean()) if here.any() else None,
                float(all_right[:, number].mean()),
                costs[number],
            )
            for number, (name, here) in enumerate(zip(names, left, strict=True))
        ]
        least = 1 / len(self.dataset.classes)  # below it every head is sure, as at 0
        asked = sorted({c for c in CONFIDENCES if c == 0 or c >= least} | {confidence})
        return ExitEvaluation(
            model=self.model,
            split=self.dataset.name,
            engine=self.engine.name,
            images=len(right),
            unreadable=tuple(self.unreadable),
            confidence=confidence,
            exits=tuple(rows),
            top1_accuracy=float(right.mean()),
            full_top1_accuracy=float(all_right[:, -1].mean()),
            multiply_adds=sum(row.share * row.multiply_adds for row in rows),
            full_multiply_adds=exit_costs(spec, heads=False)[names[-1]],
            seconds=self.seconds,
            full_seconds=self.full_seconds,
            curve=tuple(curve_point(c, sure, all_right, spec) for c in asked),
        )


def curve_point(confidence: float, sure: Reals, right: Bools, spec: Spec) -> Point:
    """What stopping at a confidence would give, from what every exit said.

    Args:
        confidence: see ``evaluate_exits``.
        sure: ``[N, exits]``, the largest probability of each exit.
        right: ``[N, exits]``, whether its class was the picture's.
        spec: the network, for what each exit costs.
    """
    leaves = sure > confidence
    leaves[:, -1] = True  # the classifier answers whatever is left
    exits = leaves.argmax(axis=1)  # the first that leaves
    shares = np.bincount(exits, minlength=sure.shape[1]) / len(exits)
    costs = exit_costs(spec, heads=confidence < 1).values()
    return Point(
        confidence,
        tuple(shares.tolist()),
        float(right[np.arange(len(exits)), exits].mean()),
        float(shares @ np.array([*costs], np.float64)),
    )
