"""Metrics of probabilities against labels, in numpy."""

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


def confusion_matrix(predicted: Labels, labels: Labels, *, classes: int) -> Labels:
    """``[classes, classes]`` counts: rows are the true classes, columns the predicted ones."""
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)
