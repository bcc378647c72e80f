"""Where objects usually are: k-means of boxes, and features pooled around each. No torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inception.detection.boxes import Boxes, Doubles
from inception.runtime.program import Floats

ROUNDS = 100  # of k-means; it ends before
GRID = 5  # cells a side that a prior's surroundings are pooled to
AROUND = 1.6  # by which the sides of a prior grow to its surroundings


def cluster(boxes: Boxes, count: int, *, seed: int = 0) -> Floats:
    """``[K, 4]``: the centres of boxes by k-means, ``count`` or as many as there are boxes.

    The first centres are drawn as k-means++ does, far from each other.

    Args:
        boxes: ``[N, 4]``, edges as shares of their picture.
        count: of priors.
        seed: of the draws.
    """
    points = np.unique(boxes.astype(np.float64), axis=0)
    if len(points) <= count:
        return points.astype(np.float32)
    centres = _first_centres(points, count, np.random.default_rng(seed))
    for _ in range(ROUNDS):
        nearest = _distances(points, centres).argmin(axis=1)
        moved = centres.copy()
        for place in np.unique(nearest):
            moved[place] = points[nearest == place].mean(axis=0)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres.astype(np.float32)


def _first_centres(points: Doubles, count: int, rng: np.random.Generator) -> Doubles:
    chosen = [int(rng.integers(len(points)))]
    nearest = _distances(points, points[chosen])[:, 0]
    while len(chosen) < count:
        chosen.append(int(rng.choice(len(points), p=nearest / nearest.sum())))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1:]])[:, 0])
    return points[chosen]


def _distances(points: Doubles, centres: Doubles) -> Doubles:
    """``[N, K]`` squared distances."""
    return np.asarray(((points[:, None] - centres[None]) ** 2).sum(axis=2))


class Pooling(NamedTuple):
    """How much each row and column of a map counts in each cell of a prior's surroundings.

    Attributes:
        rows: ``[K, GRID, H]``.
        columns: ``[K, GRID, W]``; what lies outside the map counts as 0.
    """

    rows: Floats
    columns: Floats


def pooling(priors: Floats, height: int, width: int) -> Pooling:
    """The mean of a map in each cell, as two factors: cells are rectangles."""
    boxes = priors.astype(np.float64)
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * AROUND
    starts = centres - sides / 2
    rows = _shares(starts[:, 1] * height, sides[:, 1] * height, height)
    return Pooling(rows, _shares(starts[:, 0] * width, sides[:, 0] * width, width))


def _shares(starts: Doubles, lengths: Doubles, count: int) -> Floats:
    """``[K, GRID, count]``: which share of a cell lies over each of ``count`` steps."""
    step = np.maximum(lengths, 1e-6)[:, None] / GRID
    begins = (starts[:, None] + step * np.arange(GRID))[..., None]
    places = np.arange(count)
    over = np.minimum(begins + step[..., None], places + 1) - np.maximum(begins, places)
    return np.asarray(np.maximum(over, 0) / step[..., None], np.float32)
