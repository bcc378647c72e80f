"""A first filter: many draws scored without training, the best of them the first candidates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from inception.data.loading import Batch, epoch_plan, training_batches
from inception.machine import available_cores, torch_threads
from inception.models.network import Normalise
from inception.models.spec import Spec
from inception.search.budget import Pricing, fitted
from inception.search.sampling import Dice, draw, parameters_of
from inception.search.space import Genome, decode
from inception.search.study import FilterName, Plan, ScoreName
from inception.search.supernet import train_supernet
from inception.search.trainer import Task
from inception.search.zero_cost import score
from inception.training.config import TrainConfig
from inception.training.group import Interrupted

if TYPE_CHECKING:
    import optuna

SHOWN: Final = 32  # pictures that a score looks at
KEPT: Final = 8  # one of so many draws is trained
DRAWS: Final = 1 << 20  # of the filter's dice, apart from those of the trials
DONE: Final = "filtered"  # what the study says of itself afterwards


def filter_draws(
    study: optuna.Study,
    plan: Plan,
    task: Task,
    pricing: Pricing,
    *,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    preparing: Callable[[int, int], None] = lambda step, steps: None,
) -> int:
    """Scores a plan's draws, and has the best eighth trained first; how many those are.

    None are where the plan has no filter or its study was filtered before. What is within the
    budget only when narrowed is scored narrowed. ``preparing`` is told of a supernet's training.

    Raises:
        Interrupted: ``stopping`` said so; the next worker begins anew.
    """
    if plan.filter is None or DONE in study.user_attrs:
        return 0
    classes, found = len(task.train.classes), []
    with torch_threads(task.config.threads):
        score_of = _scorer(plan.filter, plan, task, stopping, preparing)
        for number in range(plan.filter_of):
            if stopping():
                raise Interrupted
            progress(number, plan.filter_of)
            genome = draw(plan.space, Dice(_seed(plan, number)))
            within = fitted(genome, plan.budget, pricing, classes)
            if within is not None:
                found.append((score_of(decode(within, classes)), number, genome))
    found.sort(key=lambda each: (-each[0], each[1]))
    return _ask(study, [genome for *_, genome in found[: max(1, plan.filter_of // KEPT)]])


def _scorer(
    name: FilterName,
    plan: Plan,
    task: Task,
    stopping: Callable[[], bool],
    preparing: Callable[[int, int], None],
) -> Callable[[Spec], float]:
    if name == "supernet":
        made = train_supernet(plan.space, task, stopping=stopping, progress=preparing)
        return made.accuracy
    shown = cache(partial(first_pictures, task, plan.seed))
    return lambda spec: scored(name, spec, shown(spec.image_size), plan.seed)


def _ask(study: optuna.Study, genomes: list[Genome]) -> int:
    for place, genome in enumerate(genomes):
        told = {"filtered_as": place}
        study.enqueue_trial(parameters_of(genome), user_attrs=told, skip_if_exists=True)
    study.set_user_attr(DONE, len(genomes))
    return len(genomes)


def first_pictures(task: Task, seed: int, size: int) -> Batch:
    """The first ones that are learned from, at a size."""
    plan, how = epoch_plan(len(task.train), SHOWN, seed, 0)[:1], TrainConfig().augmentation()
    threads = task.config.threads or available_cores()
    return next(
        training_batches(task.train, plan, how, size=size, seed=seed, epoch=0, threads=threads)
    )


def scored(name: ScoreName, spec: Spec, batch: Batch, seed: int) -> float:
    """A network's score on a batch; one that is no number is the least."""
    pictures = Normalise(spec.preprocessing)(torch.from_numpy(batch.pictures))
    found = score(name, spec, pictures, torch.from_numpy(batch.labels), seed=seed)
    return found if np.isfinite(found) else -np.inf


def _seed(plan: Plan, number: int) -> int:
    return int(np.random.SeedSequence([plan.seed, DRAWS + number]).generate_state(1)[0])
