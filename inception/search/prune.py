"""A trained network made cheaper: what matters least taken out, the rest trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from inception.data.datasets import Dataset, open_data
from inception.data.loading import Batch, epoch_plan, training_batches
from inception.machine import available_cores, torch_threads
from inception.models.check import check
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.prediction import find_model
from inception.search.choosing import check_share, choose
from inception.search.narrowing import narrowed, prunable
from inception.search.taylor import taylor_scores
from inception.training.config import TrainConfig
from inception.training.folder import check_free
from inception.training.recipes import RECIPES
from inception.weights.model_file import ModelInfo, build_model, load_model, save_model

START = "pruned.safetensors"  # in the run folder: the network before it is trained on
BATCH = 32
SCORED = 256  # pictures, in each round
ROUNDS = 4  # what is worth little at first may be all that is left of a module later

# inception prune cats-and-dogs dogs-vs-cats --keep 0.399
# paper: none   machine: 1 EPYC core, AVX2, 68 min   result: 96.10 of 96.15 %, one seed, at 1811d45
TUNING = replace(
    RECIPES["small-data"],
    optimiser="muon",
    epochs=5,
    lr=2e-3,
    warmup=0.15,
    area=(0.35, 1.0),
    mixup=0.2,
    dropout=0.0,
)


@dataclass(frozen=True)
class Pruned:
    """A network with less in it, before it is trained on.

    Attributes:
        before: the network it was made of.
        model: its file.
    """

    before: Spec
    after: Spec
    model: Path

    @property
    def share(self) -> float:
        """Of the multiply-adds, what is left."""
        return cost(self.after).multiply_adds / cost(self.before).multiply_adds


def prune(
    model: str | Path,
    data: str | Path,
    keep: float,
    out: str | Path,
    *,
    pictures: int = SCORED,
    threads: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pruned:
    """Takes channels and whole branches out of a trained network, those that matter least.

    Args:
        model: a MODEL of ours, not exported.
        data: a data set with the model's classes; training pictures are looked at.
        keep: share of the multiply-adds that may be left.
        out: the folder it is written to, in which it is then trained on.
        pictures: how many to score channels on.
        threads: by default as many as there are cores.
        seed: of which pictures.
        progress: told pictures done and in all.

    Raises:
        InputError: no such model or data, other classes, a network that cannot be pruned so far.
    """
    check_share(keep)
    folder, path = Path(out), find_model(model)
    check_free(folder)
    given = load_model(path, aux=False)
    spec, weights = given.network.spec, given.network.state_dict()
    prunable(spec)  # refuses before any work
    train_set, _ = open_data(data).for_training(seed)
    train_set = train_set.with_classes(given.classes).limited(pictures, seed)
    total = ROUNDS * len(train_set)
    with torch_threads(threads):
        for number in range(ROUNDS):
            network = build_model(replace(given.info, spec=spec), weights)
            scores = taylor_scores(
                network,
                _batches(train_set, spec.image_size, seed, threads or available_cores()),
                prunable(spec),
                progress=partial(_tell, progress, number, total),
            )
            share = keep * cost(given.network.spec).multiply_adds / cost(spec).multiply_adds
            left = narrowed(spec, weights, choose(spec, scores, share ** (1 / (ROUNDS - number))))
            spec, weights = left.spec, left.weights
    before = given.network.spec
    made = Pruned(before, _named(spec, before), folder / START)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(made.model, weights, _info(given.info, made, str(model)))
    return made


def tuning(pruned: Pruned, config: TrainConfig) -> TrainConfig:
    """The settings with which a pruned network is trained on, in its own folder."""
    size = pruned.after.image_size
    return replace(config, model=None, init=str(pruned.model), image_size=size)


def _batches(dataset: Dataset, size: int, seed: int, threads: int) -> Iterator[Batch]:
    plan, how = epoch_plan(len(dataset), BATCH, seed, 0), TrainConfig().augmentation()
    return training_batches(dataset, plan, how, size=size, seed=seed, epoch=0, threads=threads)


def _tell(progress: Callable[[int, int], None], number: int, total: int, done: int) -> None:
    progress(number * total // ROUNDS + done, total)


def _named(spec: Spec, before: Spec) -> Spec:
    """The network with what was done to it among its departures."""
    share = cost(spec).multiply_adds / cost(before).multiply_adds
    gone = [name for name in prunable(before) if name not in prunable(spec)]
    line = f"pruned by Taylor scores to {100 * share:.1f} % of the multiply-adds"
    line += f", without {', '.join(gone)}" if gone else ""
    spec = replace(spec, name=f"{before.name[:48]}_pruned", departures=(*spec.departures, line))
    check(spec)
    return spec


def _info(before: ModelInfo, made: Pruned, model: str) -> ModelInfo:
    """No figures: those of the network before are not this one's."""
    how: dict[str, Any] = {"pruned_to": made.share}
    return replace(before, spec=made.after, metrics={}, training=how, parents=(model,))
