"""What right and wrong answers say: of classes, of two classes, of two models, how surely."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inception.evaluation.metrics import Labels

Doubles = npt.NDArray[np.float64]

Z95 = 1.959963984540054  # of the normal distribution, 2.5 % above it


class Interval(NamedTuple):
    """Between which shares the true one lies, 95 times of 100."""

    low: float
    high: float


def wilson(right: int, total: int) -> Interval:
    """Wilson's interval of a share, 95 %; the whole range where nothing was counted."""
    if not total:
        return Interval(0.0, 1.0)
    share, square = right / total, Z95**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    spread = share * (1 - share) / total + square / (4 * total**2)
    half = Z95 * math.sqrt(spread) / (1 + square / total)
    return Interval(
        0.0 if right == 0 else max(0.0, centre - half),
        1.0 if right == total else min(1.0, centre + half),
    )


class ClassScores(NamedTuple):
    """Each ``[classes]``, NaN where it is not defined.

    Attributes:
        precision: of the pictures put into a class, the share that belongs there.
        recall: of a class's pictures, the share that was found.
        f1: their harmonic mean, 0 where none was found.
    """

    precision: Doubles
    recall: Doubles
    f1: Doubles


def class_scores(confusion: Labels) -> ClassScores:
    """Of ``[classes, classes]`` counts, rows true, columns predicted."""
    right = confusion.diagonal().astype(np.float64)
    true, put = confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return ClassScores(right / put, right / true, 2 * right / (true + put))


def row_shares(confusion: Labels) -> list[list[float] | None]:
    """Each row of counts as shares of its sum, from 0 to 1; None for a class without pictures."""
    return [[n / sum(row) for n in row] if any(row) else None for row in confusion.tolist()]


def averaged(confusion: Labels) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 over the classes, ``macro`` (alike) and ``weighted`` (by pictures).

    What is not defined counts as 0; classes that neither occur nor were answered do not count.
    """
    scores, true = class_scores(confusion), confusion.sum(axis=1)
    there = (true + confusion.sum(axis=0)) > 0
    means: dict[str, dict[str, float]] = {}
    for name, weights in (("macro", there.astype(np.float64)), ("weighted", true / true.sum())):
        shares = weights / weights.sum()
        parts = zip(ClassScores._fields, scores, strict=True)
        means[name] = {part: float((shares * np.nan_to_num(v)).sum()) for part, v in parts}
    return means


class Curve(NamedTuple):
    """A line from one threshold to the next, and what it comes to."""

    x: Doubles
    y: Doubles
    area: float


def roc(probabilities: Doubles, positive: npt.NDArray[np.bool_]) -> Curve:
    """Found positives against false alarms, from 0,0 to 1,1, and the area below.

    Args:
        probabilities: ``[N]``, of the positive class.
        positive: ``[N]``, both kinds among them.
    """
    found, alarms = _thresholds(probabilities, positive)
    y, x = found / found[-1], alarms / alarms[-1]
    return Curve(x, y, float(np.diff(x) @ (y[1:] + y[:-1])) / 2)  # np.trapezoid is NumPy 2's


def precision_recall(probabilities: Doubles, positive: npt.NDArray[np.bool_]) -> Curve:
    """Precision against recall, by falling thresholds, and the average precision."""
    found, alarms = _thresholds(probabilities, positive)
    found, alarms = found[1:], alarms[1:]
    precision, recall = found / (found + alarms), found / found[-1]
    return Curve(recall, precision, float((np.diff(recall, prepend=0.0) * precision).sum()))


def _thresholds(probabilities: Doubles, positive: npt.NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Positives and negatives above each threshold, from none on; equal ones come together."""
    order = np.argsort(-probabilities, kind="stable")
    sorted_, right = probabilities[order], positive[order]
    last = np.r_[np.flatnonzero(np.diff(sorted_)), len(sorted_) - 1]
    found = np.cumsum(right)[last].astype(np.float64)
    return np.r_[0.0, found], np.r_[0.0, last + 1 - found]


def mcnemar(only_first: int, only_second: int) -> float:
    """Probability of a difference at least as large if two models were equally good, exact.

    Args:
        only_first: pictures that the first alone got right; ``only_second`` likewise.
        only_second: likewise.
    """
    n, less = only_first + only_second, min(only_first, only_second)
    if not n:
        return 1.0
    k = np.arange(less + 1)
    whole = math.lgamma(n + 1)
    terms = [whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in k]
    return min(1.0, 2.0 * float(np.exp(terms).sum()))
