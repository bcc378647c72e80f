"""Temperature scaling: one number that makes a model as sure as it is right (arXiv:1706.04599)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.datasets import Dataset
from inception.errors import InputError
from inception.evaluation.metrics import SMALLEST, Floats, Labels, calibration_bins, log_loss
from inception.prediction import find_model
from inception.weights.model_file import read_info, replace_info

COLDEST, HOTTEST = 0.05, 20.0
STEPS = 60  # of the golden section: the temperature to nine digits
GOLDEN = (5**0.5 - 1) / 2


class Listener:
    """Keeps what a model says of every picture, for ``calibrate``."""

    def __init__(self) -> None:
        self._probabilities: list[Floats] = []
        self._labels: list[int] = []

    def hear(self, dataset: Dataset, index: int, probabilities: Floats) -> None:
        """Takes in one picture, probabilities ``[classes]``."""
        self._probabilities.append(probabilities)
        self._labels.append(int(dataset.labels[index]))

    def all(self) -> tuple[Floats, Labels]:
        """``[N, classes]`` and ``[N]``."""
        return np.stack(self._probabilities), np.array(self._labels, dtype=np.int64)


@dataclass(frozen=True)
class Calibration:
    """What a temperature changes; errors are expected calibration errors, from 0 to 1."""

    temperature: float
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float


def calibrate(model: str | Path, probabilities: Floats, labels: Labels) -> Calibration:
    """Fits the temperature of a MODEL to what it said, and stores it in the model's file.

    Args:
        model: a MODEL (``prediction.find_model``).
        probabilities: ``[N, classes]`` with the temperature that the file has so far.
        labels: ``[N]`` class indices.

    Raises:
        InputError: no such model, or a file that cannot be written.
    """
    path = find_model(model)
    factor = fit_temperature(probabilities, labels)
    info = read_info(path)
    info = replace(info, temperature=info.temperature * factor)
    replace_info(path, info)
    after = tempered(probabilities, factor)
    return Calibration(
        temperature=info.temperature,
        loss_before=log_loss(probabilities, labels),
        loss_after=log_loss(after, labels),
        error_before=_error(probabilities, labels),
        error_after=_error(after, labels),
    )


def fit_temperature(probabilities: Floats, labels: Labels) -> float:
    """The temperature with the least loss, by golden section over its logarithm.

    Raises:
        InputError: no pictures.
    """
    if not len(labels):
        raise InputError("calibration needs pictures")
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(STEPS):  # the loss has one minimum: it is convex in 1 / temperature
        a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        losses = [log_loss(tempered(probabilities, float(np.exp(t))), labels) for t in (a, b)]
        low, high = (low, b) if losses[0] < losses[1] else (a, high)
    return float(np.exp((low + high) / 2))


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities ``[N, classes]`` as if the logits had been divided by ``temperature``."""
    logits = np.log(np.maximum(probabilities, SMALLEST).astype(np.float64)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scaled: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return scaled.astype(np.float32)


def _error(probabilities: Floats, labels: Labels) -> float:
    right = probabilities.argmax(axis=1) == labels
    return calibration_bins(probabilities.max(axis=1).astype(np.float64), right).error
