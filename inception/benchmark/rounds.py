"""Timing in turns: whatever else the machine does falls on all that is compared alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Key = TypeVar("Key")
Run = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """How long one thing took, each time, in seconds."""

    seconds: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """Seconds under which ``share`` percent of the times stayed."""
        return float(np.percentile(self.seconds, share))

    @property
    def median(self) -> float:
        """Half of the times were shorter, in seconds."""
        return self.percentile(50)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        return (self.percentile(75) - self.percentile(25)) / 2 / self.median


def interleave(
    ways: Mapping[Key, Run], *, rounds: int, clock: Clock = time.perf_counter
) -> dict[Key, Timing]:
    """Runs each way once a round, in turn; each runs once before that without being timed.

    Every other round goes backwards: what a way leaves behind, threads that spin or cold caches,
    is then not always felt by the same neighbour.
    """
    for run in ways.values():
        run()
    took: dict[Key, list[float]] = {key: [] for key in ways}
    for number in range(rounds):
        turn = list(ways.items())
        for key, run in reversed(turn) if number % 2 else turn:
            took[key] += repeat(run, 0, clock=clock)
    return {key: Timing(tuple(seconds)) for key, seconds in took.items()}


def repeat(run: Run, seconds: float, *, clock: Clock = time.perf_counter) -> list[float]:
    """Seconds of each run, as many as fit in so many seconds, at least one."""
    took: list[float] = []
    while not took or sum(took) < seconds:
        began = clock()
        run()
        took.append(clock() - began)
    return took


def ratios(one: Timing, other: Timing) -> Timing:
    """How many times as long the one took as the other, round by round."""
    return Timing(tuple(a / b for a, b in zip(one.seconds, other.seconds, strict=True)))


def median(numbers: Sequence[float]) -> float:
    """The middle one."""
    return float(np.median(numbers))
