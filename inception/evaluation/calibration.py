"""Temperature scaling: one number that makes a model as sure as it is right (arXiv:1706.04599)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inception.data.images import Picture, UnreadableImageError
from inception.errors import InputError
from inception.evaluation.counting import check_unreadable
from inception.evaluation.metrics import Floats, Labels, calibration_bins
from inception.evaluation.request import Request
from inception.models.exits import CLASSIFIER, exit_names
from inception.prediction import find_model
from inception.runtime import Engine, create_engine
from inception.runtime.pipeline import check_finite, classify
from inception.runtime.program import AUX_LOGITS, LOGITS, PROBABILITIES
from inception.weights.model_file import (
    ModelInfo,
    is_exported,
    read_info,
    read_weights,
    replace_info,
)

Doubles = npt.NDArray[np.float64]

COLDEST, HOTTEST = 0.05, 400.0
CLOSE = 1e-5  # of the temperature's logarithm, to which it is found
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class ExitCalibration:
    """What a temperature changes on pictures it was not fitted to.

    Attributes:
        exit: the stage of a head, or ``classifier``.
        loss_before: mean -log of the label's probability.
        error_before: expected calibration error, from 0 to 1.
        guessing: the loss of whoever gives all classes the same probability.
    """

    exit: str
    temperature: float
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float
    guessing: float


@dataclass(frozen=True)
class Calibration:
    """The temperatures of a model's exits, the classifier's last; and on how many pictures."""

    exits: tuple[ExitCalibration, ...]
    fitted: int
    held_out: int


def calibrate(model: str | Path, data: str | Path, how: Request | None = None) -> Calibration:
    """Fits the temperature of a MODEL's classifier and of its heads, and stores them in its file.

    They are fitted to one half of the pictures and judged on the other. Which half a picture is in
    depends on its pixels alone, so that equal ones are never in both. One crop of each is shown.

    Args:
        model: a MODEL (``prediction.find_model``) that was not exported.
        data: a labelled data set.
        how: which pictures, which engine.

    Raises:
        InputError: no such model or data, a file that cannot be written, too few pictures, or a
            model no better than guessing.
    """
    path, how = find_model(model), how or Request()
    if is_exported(path):
        raise InputError(f"{path} was exported and stays as it is; calibrate what it came from")
    info, weights = read_info(path), read_weights(path)
    exits = [e for e in exit_names(info.spec) if any(n.startswith(_part(e)) for n in weights)]
    said = _said(str(model), path, info, data, how, exits)
    told = [_fitted(exit, said.of(exit), said, info) for exit in exits]
    found = {one.exit: one.temperature for one in told}
    temperature = found.pop(CLASSIFIER)
    replace_info(path, replace(info, temperature=temperature, aux_temperatures=found))
    return Calibration(tuple(told), int((~said.held_out).sum()), int(said.held_out.sum()))


def _part(exit: str) -> str:
    return "classifier." if exit == CLASSIFIER else f"aux.{exit}."


class _Said(NamedTuple):
    """What every exit says of every picture.

    Attributes:
        logits: ``[N, exits, classes]``.
        labels: ``[N]``.
        held_out: ``[N]``, the half that nothing is fitted to.
    """

    exits: Sequence[str]
    logits: Floats
    labels: Labels
    held_out: npt.NDArray[np.bool_]

    def of(self, exit: str) -> Floats:
        """``[N, classes]``."""
        return self.logits[:, self.exits.index(exit)]


class _Speaker:
    """An engine whose answers are the logits of all exits, side by side."""

    def __init__(self, engine: Engine, outputs: Sequence[str]) -> None:
        self.name, self._engine, self._outputs = engine.name, engine, outputs

    def run(self, pictures: Picture) -> dict[str, Floats]:
        said = self._engine.run(pictures)
        return {PROBABILITIES: np.concatenate([said[o] for o in self._outputs], axis=1)}


def _said(
    model: str, path: Path, info: ModelInfo, data: str | Path, how: Request, exits: Sequence[str]
) -> _Said:
    dataset = how.open(data, info.classes)
    outputs = [LOGITS if e == CLASSIFIER else f"{AUX_LOGITS}{e}" for e in exits]
    engine = create_engine(
        path, how.engine, device=how.device, threads=how.threads, outputs=outputs,
        expected=len(dataset),
    )  # fmt: skip
    held_out: dict[int, bool] = {}

    def read(index: int) -> Picture:
        picture = dataset.read(index)
        held_out[index] = hashlib.blake2b(picture.tobytes()).digest()[0] % 2 == 1
        return picture

    speaker, numbers = _Speaker(engine, outputs), range(len(dataset))
    logits, shown = [], []
    unreadable: list[tuple[str, str]] = []
    for answer in classify(
        speaker, numbers, read, info.preprocessing, batch_size=how.batch_size, threads=how.threads
    ):
        how.progress(answer.item + 1, len(dataset))
        if answer.probabilities is None:
            error = answer.error or UnreadableImageError("", "")
            unreadable.append((dataset.path(answer.item), error.reason))
            continue
        check_finite(answer.probabilities, model, dataset.path(answer.item))
        logits.append(answer.probabilities)
        shown.append(answer.item)
    check_unreadable(len(unreadable), len(dataset), unreadable, how.max_unreadable)
    halves = np.array([held_out[index] for index in shown])
    if len(set(halves.tolist())) < 2:
        raise InputError(
            "calibration needs pictures to fit to and others to check on; "
            f"{len(shown)} are too few: give more"
        )
    said = np.stack(logits).reshape(len(shown), len(exits), -1)
    return _Said(exits, said, dataset.labels[shown], halves)


def _fitted(exit: str, logits: Floats, said: _Said, info: ModelInfo) -> ExitCalibration:
    held = said.held_out
    found = fit_temperature(logits[~held], said.labels[~held])
    if found > HOTTEST * (1 - 1e-3):
        raise InputError(
            f"{'the model' if exit == CLASSIFIER else f'the head after {exit}'} is no better than "
            "guessing on these pictures: the less sure it is made, the less it is wrong. Nothing "
            "was stored; train it further, or give pictures of the kind it was made for"
        )
    before = info.temperature if exit == CLASSIFIER else info.aux_temperatures.get(exit, 1.0)
    told = [(logits[held], said.labels[held], t) for t in (before, found)]
    loss_before, loss_after = (tempered_loss(*one) for one in told)
    error_before, error_after = (_error(*one) for one in told)
    return ExitCalibration(
        exit,
        found,
        loss_before=loss_before,
        loss_after=loss_after,
        error_before=error_before,
        error_after=error_after,
        guessing=math.log(logits.shape[1]),
    )


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """The temperature with the least loss, by golden section over its logarithm.

    Args:
        logits: ``[N, classes]``, divided by nothing yet.
        labels: ``[N]`` class indices.

    Raises:
        InputError: no pictures.
    """
    if not len(labels):
        raise InputError("calibration needs pictures")

    def loss(at: float) -> float:
        return tempered_loss(logits, labels, float(np.exp(at)))

    low, high = float(np.log(COLDEST)), float(np.log(HOTTEST))
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_a, at_b = loss(a), loss(b)
    while high - low > CLOSE:  # the loss has one minimum: it is convex in 1 / temperature
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - GOLDEN * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + GOLDEN * (high - low)
            at_b = loss(b)
    return float(np.exp((low + high) / 2))


def tempered_loss(logits: Floats, labels: Labels, temperature: float) -> float:
    """Mean -log of the label's probability, from logits ``[N, classes]``, nothing cut off."""
    logs = _log_softmax(logits, temperature)
    return float(-logs[np.arange(len(labels)), labels].mean())


def _error(logits: Floats, labels: Labels, temperature: float) -> float:
    logs = _log_softmax(logits, temperature)
    right = logs.argmax(axis=1) == labels
    return calibration_bins(np.exp(logs.max(axis=1)), right).error


def _log_softmax(logits: Floats, temperature: float) -> Doubles:
    x: Doubles = logits.astype(np.float64) / temperature
    x -= x.max(axis=1, keepdims=True)
    shifted: Doubles = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return shifted
