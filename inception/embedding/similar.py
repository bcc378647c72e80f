"""Vectors compared by the cosine of their angle, exactly."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inception.errors import InputError
from inception.runtime import Floats

ROWS = 2048  # vectors compared with all others, or with so many, at once


class Neighbours(NamedTuple):
    """The nearest of the known vectors to each asked one, nearest first.

    Attributes:
        rows: ``[n, count]`` of the known ones.
        cosines: ``[n, count]``, from -1 to 1.
    """

    rows: npt.NDArray[np.int64]
    cosines: Floats


def nearest(known: Floats, asked: Floats, count: int) -> Neighbours:
    """The ``count`` nearest, or all there are; by FAISS where it is installed, else by numpy.

    Args:
        known: ``[N, features]``.
        asked: ``[n, features]``.
        count: of neighbours.

    Raises:
        InputError: vectors of different lengths, or none.
    """
    if known.shape[1] != asked.shape[1] or not len(known):
        raise InputError(
            f"{known.shape[0]} vectors of {known.shape[1]} numbers cannot be compared with ones "
            f"of {asked.shape[1]}"
        )
    search = _by_faiss if find_spec("faiss") else _by_numpy
    rows, cosines = search(unit(known), unit(asked), min(count, len(known)))
    return Neighbours(rows, np.clip(cosines, -1, 1))


def recall_at_1(vectors: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Share of vectors whose nearest other one has their label, from 0 to 1."""
    rows = nearest(vectors, vectors, 2).rows
    own = np.arange(len(rows))
    other = np.where(rows[:, 0] == own, rows[:, -1], rows[:, 0])  # of equal ones any may be first
    return float((labels[other] == labels).mean())


def unit(vectors: Floats) -> Floats:
    """The same directions at length 1; vectors of zeros stay so."""
    values = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    scaled: Floats = values / np.maximum(lengths, 1e-12)
    return scaled


def _by_numpy(known: Floats, asked: Floats, count: int) -> Neighbours:
    rows, cosines = [], []
    for start in range(0, len(asked), ROWS):
        every = asked[start : start + ROWS] @ known.T
        some = np.argpartition(-every, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(every, some, axis=1)
        order = np.lexsort((some, -values), axis=1)  # of equal ones the earlier row
        rows.append(np.take_along_axis(some, order, axis=1))
        cosines.append(np.take_along_axis(values, order, axis=1))
    return Neighbours(np.concatenate(rows), np.concatenate(cosines))


def _by_faiss(known: Floats, asked: Floats, count: int) -> Neighbours:
    import faiss

    index: Any = faiss.IndexFlatIP(known.shape[1])  # exact
    index.add(np.ascontiguousarray(known))
    cosines, rows = index.search(np.ascontiguousarray(asked), count)
    return Neighbours(rows, cosines)
