"""What a run would be: its network, length, memory and seconds, from a few of its steps."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from inception.data.loading import steps_per_epoch
from inception.errors import InputError
from inception.training.checkpoint import State
from inception.training.config import TrainConfig
from inception.training.loop import Reports, peak_memory_mb
from inception.training.run import RunStart, train

STEPS = 5  # measured; the first one, which also makes ready, is not counted


class _Enough(Exception):
    """What was wanted of a run is known."""


@dataclass(frozen=True)
class Rehearsal:
    """A run that was begun and given up.

    Attributes:
        start: what it would do.
        steps: of all its epochs.
        seconds_per_step: the median of those measured.
        memory_mb: the most that was held: the GPU's, or this process's.
    """

    start: RunStart
    steps: int
    seconds_per_step: float
    memory_mb: float

    @property
    def seconds(self) -> float:
        """About how long the training steps take together; validations come on top.

        Smaller pictures before the last ones (``progressive``), at which it was measured, count
        for their share of the pixels.
        """
        config = self.start.config
        sizes = [*config.progressive, config.image_size or 1]
        larger = sum(size**2 for size in sizes) / len(sizes) / sizes[0] ** 2
        return self.steps * self.seconds_per_step * larger

    def to_json(self) -> dict[str, Any]:
        """The figures, and the settings as they would be resolved."""
        return {
            "steps": self.steps,
            "seconds_per_step": self.seconds_per_step,
            "seconds": self.seconds,
            "memory_mb": self.memory_mb,
            "config": self.start.config.to_json(),
        }


def check_begins(data: str | Path, config: TrainConfig) -> None:
    """Refuses what ``train`` would, before work whose end such a run is.

    Raises:
        InputError: as ``train``.
    """

    def started(start: RunStart) -> None:
        raise _Enough

    with TemporaryDirectory() as folder, suppress(_Enough):
        train(data, config, out=Path(folder, "run"), started=started)


def rehearse(data: str | Path, config: TrainConfig) -> Rehearsal:
    """Begins a run in a folder that goes away again, and stops after ``STEPS`` steps.

    Raises:
        InputError: as ``train``; or a run without steps, on cached features.
    """
    if config.cached_views:
        raise InputError("a run on cached features is seconds long: leave out --dry-run")
    config = replace(config, logger="none")
    begun: list[RunStart] = []
    ends: list[float] = []

    def step(state: State, steps: int, rate: float) -> None:
        ends.append(time.perf_counter())
        if len(ends) > STEPS:
            raise _Enough

    longer = config if config.steps is None else replace(config, steps=max(config.steps, STEPS + 1))
    with TemporaryDirectory() as folder, suppress(_Enough):
        train(data, longer, out=Path(folder, "run"), reports=Reports(step), started=begun.append)
    (start,) = begun
    took = [later - before for before, later in pairwise(ends)]
    per_epoch = steps_per_epoch(len(start.train), start.config.batch_size)
    return Rehearsal(
        start,
        steps=config.steps or config.epochs * per_epoch,
        seconds_per_step=statistics.median(took) if took else 0.0,
        memory_mb=peak_memory_mb(torch.device(start.config.device)),
    )
