"""Which pictures are held out to validate on, where a set has none of its own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SHARE = 0.1  # of each class


class Fold(NamedTuple):
    """One of several parts of a set, each of which validates once; numbered from 1."""

    number: int
    of: int


def held_out(
    labels: npt.NDArray[np.int64], digests: Sequence[bytes], seed: int
) -> npt.NDArray[np.bool_]:
    """``[N]``, true for those held out: a tenth of each class, at least one where it has two.

    Equal pictures stay together, and those that are in several classes are learnt from. Which it
    is depends on ``seed`` and the pictures alone, not on their names or order.

    Args:
        labels: ``[N]`` class indices.
        digests: of each picture, equal where pictures are.
        seed: draws.
    """
    copies, classes = _grouped(labels, digests)
    held = np.zeros(len(labels), dtype=np.bool_)
    for label, own in classes.items():
        total = int((labels == label).sum())
        for digest in _drawn(own, copies, total, seed):
            held[copies[digest]] = True
    return held


def in_fold(
    labels: npt.NDArray[np.int64], digests: Sequence[bytes], seed: int, fold: Fold
) -> npt.NDArray[np.bool_]:
    """``[N]``, true for those of the fold: of each class as many as of any other fold, or one more.

    Over all folds every picture is held out once, but for those that are in several classes, which
    are learnt from. Equal pictures stay together. The other arguments are those of ``held_out``.
    """
    copies, classes = _grouped(labels, digests)
    held = np.zeros(len(labels), dtype=np.bool_)
    in_all = [0] * fold.of
    for own in classes.values():
        filled = [0] * fold.of
        for digest in sorted(_by_chance(own, seed), key=lambda d: -len(copies[d])):
            at = min(range(fold.of), key=lambda n: (filled[n], in_all[n]))
            filled[at] += len(copies[digest])
            in_all[at] += len(copies[digest])
            if at == fold.number - 1:
                held[copies[digest]] = True
    return held


def _grouped(
    labels: npt.NDArray[np.int64], digests: Sequence[bytes]
) -> tuple[dict[bytes, list[int]], dict[int, list[bytes]]]:
    """Rows of equal pictures, and the pictures of each class that are in no other."""
    copies: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        copies[digest].append(row)
    classes: dict[int, list[bytes]] = defaultdict(list)
    for digest, rows in copies.items():
        if len(found := {int(labels[row]) for row in rows}) == 1:
            classes[found.pop()].append(digest)
    return copies, classes


def _by_chance(own: Sequence[bytes], seed: int) -> list[bytes]:
    start = f"{seed}:".encode()
    return sorted(own, key=lambda digest: hashlib.sha256(start + digest).digest())


def _drawn(
    own: Sequence[bytes], copies: dict[bytes, list[int]], total: int, seed: int
) -> list[bytes]:
    """Groups of equal pictures, a tenth of a class together or the smallest there is."""
    wanted = round(SHARE * total)
    order = _by_chance(own, seed)
    drawn, count = [], 0
    for digest in order:
        if count + len(copies[digest]) <= wanted:
            drawn.append(digest)
            count += len(copies[digest])
    smallest = min(order, key=lambda digest: len(copies[digest]))
    left = total - (count or len(copies[smallest]))
    return (drawn or [smallest]) if left else []
