"""What an evaluation is asked for, whatever it measures: pictures, engine, patience."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inception.data.datasets import Dataset, open_data

Progress = Callable[[int, int], None]  # pictures done, and in all

MAX_UNREADABLE = 0.01  # share of pictures that may be unreadable


def no_progress(done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Request:
    """Attributes that every evaluation has.

    Attributes:
        split: by default val, else test, else all.
        limit: evaluate only so many pictures, drawn once and for all.
        engine: ``auto`` picks.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: most squares in one run of a network.
        threads: by default as many as there are cores.
        max_unreadable: a larger share of unreadable pictures is an error.
        progress: told pictures done and in all.
    """

    split: str | None = None
    limit: int | None = None
    engine: str = "auto"
    device: str = "auto"
    batch_size: int = 64
    threads: int | None = None
    max_unreadable: float = MAX_UNREADABLE
    progress: Progress = no_progress

    def open(self, data: str | Path, classes: Sequence[str]) -> Dataset:
        """The pictures of a data set, labelled in the order of a model's classes.

        Raises:
            InputError: no such data set or split, or classes that are not the model's.
        """
        return self.whole(data, classes).limited(self.limit)

    def whole(self, data: str | Path, classes: Sequence[str]) -> Dataset:
        """As ``open``, without ``limit``."""
        return open_data(data).for_evaluation(self.split).with_classes(classes)
