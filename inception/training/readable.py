"""Whether the pictures of a run can be read, looked at before the first epoch needs them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from inception.data.blocks import shuffled
from inception.data.datasets import Dataset
from inception.data.images import UnreadableImageError
from inception.data.ordered import ordered_map
from inception.evaluation.counting import check_unreadable

LONGEST_S = 20.0  # that looking may take for a set; a larger one is looked at in part


@dataclass(frozen=True)
class Looked:
    """What was looked at of a set, in an order drawn once and for all.

    Attributes:
        pictures: how many, of ``total``.
        unreadable: path and reason of those that cannot be read.
    """

    name: str
    pictures: int
    total: int
    unreadable: tuple[tuple[str, str], ...]


def look(dataset: Dataset, *, threads: int, most: float, longest_s: float = LONGEST_S) -> Looked:
    """Decodes every picture, or as many as there is time for.

    Raises:
        InputError: a larger share than ``most`` of them cannot be read.
    """

    def error_of(index: int) -> tuple[str, str] | None:
        try:
            dataset.read(index)
        except UnreadableImageError as error:
            return error.name, error.reason
        return None

    began, done = time.monotonic(), 0
    unreadable: list[tuple[str, str]] = []
    order = shuffled(np.arange(len(dataset)), np.random.default_rng(0), dataset.blocks)
    coming = dataset.in_turn(order.tolist())
    for error in ordered_map(error_of, coming, threads=threads, ahead=4 * threads):
        done += 1
        if error is not None:
            unreadable.append(error)
        if time.monotonic() - began > longest_s:
            break
    check_unreadable(len(unreadable), done, sorted(unreadable), most)
    return Looked(dataset.name, done, len(dataset), tuple(sorted(unreadable)))
