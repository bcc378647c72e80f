"""Which pictures are held out to validate on, where a set has none of its own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SHARE = 0.1  # of each class


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
    copies: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        copies[digest].append(row)
    classes: dict[int, list[bytes]] = defaultdict(list)
    for digest, rows in copies.items():
        if len(found := {int(labels[row]) for row in rows}) == 1:
            classes[found.pop()].append(digest)
    held = np.zeros(len(labels), dtype=np.bool_)
    for label, own in classes.items():
        total = int((labels == label).sum())
        for digest in _drawn(own, copies, total, seed):
            held[copies[digest]] = True
    return held


def _drawn(
    own: Sequence[bytes], copies: dict[bytes, list[int]], total: int, seed: int
) -> list[bytes]:
    """Groups of equal pictures, a tenth of a class together or the smallest there is."""
    wanted = round(SHARE * total)
    start = f"{seed}:".encode()
    order = sorted(own, key=lambda digest: hashlib.sha256(start + digest).digest())
    drawn, count = [], 0
    for digest in order:
        if count + len(copies[digest]) <= wanted:
            drawn.append(digest)
            count += len(copies[digest])
    smallest = min(order, key=lambda digest: len(copies[digest]))
    left = total - (count or len(copies[smallest]))
    return (drawn or [smallest]) if left else []
