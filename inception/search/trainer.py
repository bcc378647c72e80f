"""A candidate trained for a short while, in a folder of its own, so that it can go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from inception.data.datasets import Dataset, open_data
from inception.models import create_model
from inception.models.spec import Spec
from inception.training.checkpoint import State, read_checkpoint
from inception.training.config import TrainConfig
from inception.training.design import resolve
from inception.training.folder import LAST
from inception.training.loop import Reports, Training
from inception.training.recipes import RECIPES

# Of 2,000 pictures three times: what ranks candidates, not what trains them out
SHORT = replace(RECIPES["small-data"], epochs=3, image_size=64, aux_heads=0)


class Halved(Exception):
    """Another candidate is further at this point: not worth more time."""


@dataclass(frozen=True)
class Task:
    """What candidates are trained and judged on.

    Attributes:
        train: pictures to learn from, the same for all.
        choosing: the half of the validation pictures that candidates are chosen by.
        final: the other half, which no choice has seen.
    """

    train: Dataset
    choosing: Dataset
    final: Dataset
    config: TrainConfig


def open_task(data: str | Path, config: TrainConfig, pictures: int) -> Task:
    """The pictures of a search: at most so many to learn from, the validation set in two halves.

    Raises:
        InputError: as ``open_data`` and ``Data.for_training``.
    """
    train, val = open_data(data).for_training(config.seed)
    order = np.random.default_rng(config.seed).permutation(len(val))
    halves = [np.sort(order[start::2]) for start in (0, 1)]
    choosing, final = (val.subset(half, "val") for half in halves)
    return Task(train.limited(pictures, config.seed), choosing, final, resolve(config))


def short_training(
    spec: Spec,
    task: Task,
    folder: Path,
    *,
    reached: Callable[[list[float]], bool] = lambda accuracies: False,
    stopping: Callable[[], bool] = lambda: False,
    beat: Callable[[int, int], None] = lambda step, steps: None,
) -> float:
    """Validation top-1 after the last epoch, of the averaged weights.

    Goes on where the folder's checkpoint is, exactly as if it had not stopped.

    Args:
        spec: the candidate, with the set's classes.
        task: what it is trained on.
        folder: of its own.
        reached: told the accuracies of all epochs so far after each; whether that is enough.
        stopping: whether to save and stop.
        beat: told steps done and in all.

    Raises:
        Halved: ``reached`` said so.
        Interrupted: ``stopping`` said so; the checkpoint is written.
        NotFiniteError: it has nothing more to learn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(task.config.seed)
    training: Training

    def step(state: State, steps: int, rate: float) -> None:
        beat(state.epoch * steps + state.step, training.total_steps)

    training = Training(
        create_model(replace(spec, aux={})),
        replace(task.config, image_size=spec.image_size),
        task.train,
        task.choosing,
        folder=folder,
        stopping=stopping,
        reports=Reports(step=step),
    )
    last = folder / LAST
    if last.exists():
        training.resume(read_checkpoint(last)[0], last)
        _tell(training, reached)
    for _ in training.run():
        training.save()
        _tell(training, reached)
    return _accuracies(training)[-1]


def _tell(training: Training, reached: Callable[[list[float]], bool]) -> None:
    accuracies = _accuracies(training)
    if accuracies and reached(accuracies) and training.state.epoch < training.epochs:
        raise Halved


def _accuracies(training: Training) -> list[float]:
    return [float(row["top1_accuracy"]) for row in training.state.rows]
