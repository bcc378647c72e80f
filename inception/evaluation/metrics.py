"""Metrics of probabilities against labels, in numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inception.errors import InputError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

SMALLEST = 1e-12  # a probability of 0 would make the loss infinite


def top_k_accuracy(scores: Floats, labels: Labels, *, k: int = 5) -> float:
    """Share of pictures whose label is among the ``k`` largest scores, from 0 to 1.

    Args:
        scores: ``[N, classes]``; only their order matters, the lower class wins a tie.
        labels: ``[N]`` class indices.
        k: all pictures count where there are no more classes than that.

    Raises:
        InputError: ``k`` is below 1.
    """
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # [N, k]
    return float((best == labels[:, None]).any(axis=1).mean())


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean of -log of the label's probability; probabilities are ``[N, classes]``."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(chosen, SMALLEST)).mean())


class CalibrationBins(NamedTuple):
    """Pictures grouped by how sure the model was, each ``[bins]``, empty bins left out.

    Attributes:
        images: how many.
        confidence: mean probability of the predicted class.
        accuracy: share that was right.
    """

    images: Labels
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap of confidence and accuracy, by pictures."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((self.images * gaps).sum() / self.images.sum())


def calibration_bins(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], *, bins: int = 15
) -> CalibrationBins:
    """Bins of equal width over ``confidence``, ``[N]`` from 0 to 1; ``right`` is ``[N]``."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    images = np.bincount(place, minlength=bins)
    filled = images > 0
    means = [
        np.bincount(place, weights=values, minlength=bins)[filled] / images[filled]
        for values in (confidence, right.astype(float))
    ]
    return CalibrationBins(images[filled], *means)


class Tally:
    """Running counts of answers; its memory depends on the number of classes alone.

    Attributes:
        images: pictures counted.
        confusion: ``[classes, classes]``, rows true, columns predicted.
        seconds: the engine's, for all pictures.
    """

    def __init__(self, classes: int) -> None:
        self.images = 0
        self.confusion = np.zeros((classes, classes), np.int64)
        self.seconds = 0.0
        self._right = {1: 0.0, 5: 0.0}
        self._loss = 0.0

    def add(self, probabilities: Floats, label: int, seconds: float = 0.0) -> None:
        """Counts one picture: probabilities ``[classes]``, its class, the engine's seconds."""
        scores, labels = probabilities[None], np.array([label])  # [1, classes], [1]
        for k in self._right:
            self._right[k] += top_k_accuracy(scores, labels, k=k)
        self._loss += log_loss(scores, labels)
        self.confusion[label, scores.argmax()] += 1
        self.images += 1
        self.seconds += seconds

    def merge(self, other: Tally) -> None:
        """Counts what another has counted, of the same classes."""
        self.images += other.images
        self.confusion += other.confusion
        self.seconds += other.seconds
        self._loss += other._loss
        for k in self._right:
            self._right[k] += other._right[k]

    def accuracy(self, k: int) -> float:
        """Share of the pictures whose label was among the ``k``, 1 or 5, likeliest."""
        return self._right[k] / self.images

    @property
    def loss(self) -> float:
        """Mean of -log of the label's probability."""
        return self._loss / self.images
