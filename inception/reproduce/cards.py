"""Cards: how a figure of ours was measured, what it was, and how far a rerun may be from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inception.errors import InputError, unknown
from inception.files import cache_folder
from inception.prediction import BACKBONE, SHIPPED
from inception.reproduce.digits import SETTINGS, write_digits
from inception.training.recipes import recipe

if TYPE_CHECKING:
    from inception.training.config import TrainConfig
    from inception.training.loop import Reports
    from inception.training.run import RunStart

DATA_VARIABLE = "INCEPTION_DATA"  # the folder in which the data sets lie
DIGITS = "digits"  # made here, from scikit-learn


@dataclass(frozen=True)
class Card:
    """One measurement: either a model evaluated, or a network trained.

    Attributes:
        about: what it shows.
        data: the data set's folder in ``$INCEPTION_DATA``; ``digits`` are made.
        expected: top-1 accuracy, from 0 to 1.
        tolerance: how far a rerun may be from it, from 0 to 1.
        minutes: on two cores without a GPU.
        model: the MODEL to evaluate; none where the card trains.
        recipe: to train by, with ``settings`` over it.
        split: ``val``, on which training picks its best epoch, or ``test``.
        commit: at which ``expected`` was measured.
    """

    name: str
    about: str
    data: str
    expected: float
    tolerance: float
    minutes: float
    commit: str
    model: str | None = None
    recipe: str = "default"
    settings: tuple[str, ...] = ()
    seed: int = 0
    split: str = "val"

    @property
    def command(self) -> str:
        """What a user would type for the same."""
        if self.model is not None:
            return f"inception evaluate {self.model} {self.data}"
        by = "" if self.recipe == "default" else f" --recipe {self.recipe}"
        settings = "".join(f" --set {setting}" for setting in self.settings)
        return f"inception train {self.data}{by}{settings} --seed {self.seed}"

    def config(self) -> TrainConfig:
        """The settings of its training, not yet resolved for a machine."""
        return replace(recipe(self.recipe), seed=self.seed).with_settings(self.settings)


@dataclass(frozen=True)
class Outcome:
    """What a rerun gave."""

    card: Card
    top1_accuracy: float
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether it is as near to the card's figure as it should be."""
        slack = self.card.tolerance + 1e-9  # 95.45 % is no exact binary number
        return abs(self.top1_accuracy - self.card.expected) <= slack

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        card = self.card
        return {
            "card": card.name,
            "command": card.command,
            "expected": card.expected,
            "tolerance": card.tolerance,
            "top1_accuracy": self.top1_accuracy,
            "holds": self.holds,
            "seconds": self.seconds,
        }


_TINY_INSECTS = "153 pictures to validate on"
_MOVED = ("init=cats-and-dogs", "image_size=112")

CARDS: dict[str, Card] = {
    card.name: card
    for card in (
        Card(
            "digits",
            "the demo's training: GoogLeNet's small form on handwritten digits",
            DIGITS, 0.9889, 0.015, 2, "451c695",
            settings=SETTINGS, split="test",
        ),
        Card(
            "digits-paper",
            "the paper's network without batch norm learns from scratch",
            DIGITS, 0.9638, 0.02, 3, "451c695",
            settings=(
                "model=googlenet", "image_size=64", "lr=0.01", "epochs=25", "mirror=false",
                "area=0.6,1", "eval_crop=1",
            ),
        ),
        Card(
            "cats-and-dogs",
            "the model that comes with the package, on pictures it has not seen",
            "dogs-vs-cats", 0.9710, 0.001, 0.5, "158ad90",
            model=SHIPPED,
        ),
        Card(
            "imagenette",
            "the other one, from which `--init` starts where no model follows",
            "imagenette", 0.8999, 0.001, 1, "f46ef59",
            model=BACKBONE,
        ),
        Card(
            "imagenette-training",
            "training that model again; XResNet-50 on the whole of val: 91.57 % (its leaderboard)",
            "imagenette", 0.8999, 0.015, 139, "f46ef59",
            recipe="imagenette-20",
        ),
        Card(
            "imagenette-quick",
            "five epochs of the same; XResNet-50 on the whole of val: 85.77 % (its leaderboard)",
            "imagenette", 0.8545, 0.02, 45, "aa02d00",
            recipe="imagenette-5",
        ),
        Card(
            "cats-and-dogs-training",
            "what that model was first, from nothing; published: 93.41 % (source document 002)",
            "dogs-vs-cats", 0.9560, 0.01, 51, "c717c32",
            recipe="small-data",
            settings=("image_size=112", "progressive=64,96"),
        ),
        Card(
            "cats-and-dogs-quick",
            "the default recipe, three epochs",
            "dogs-vs-cats", 0.7395, 0.05, 8, "d3e645c",
            settings=("model=googlenet_bn", "image_size=96", "epochs=3"),
        ),
        Card(
            "cifar10",
            "the small form, 300 steps at half the pictures' size",
            "cifar10", 0.4059, 0.04, 4, "451c695",
            settings=("model=googlenet_small", "image_size=16", "steps=300"),
        ),
        Card(
            "ants-bees",
            f"from scratch on 243 pictures, {_TINY_INSECTS}",
            "ants-bees", 0.7320, 0.06, 0.5, "451c695",
            settings=("image_size=96", "epochs=10"),
        ),
        Card(
            "ants-bees-frozen",
            f"a classifier on the shipped model's features, computed once; {_TINY_INSECTS}",
            "ants-bees", 0.5882, 0.06, 0.1, "57630dd",
            settings=(*_MOVED, "freeze=backbone", "cached_views=1", "epochs=20", "lr=0.05"),
        ),
        Card(
            "ants-bees-early",
            f"a classifier on what an early stage of `imagenette` sees; {_TINY_INSECTS}",
            "ants-bees", 0.8366, 0.06, 1, "caa0f14",
            recipe="few-pictures",
        ),
        Card(
            "ants-bees-transfer",
            f"the shipped model trained on, nothing frozen; {_TINY_INSECTS}",
            "ants-bees", 0.7582, 0.06, 2.5, "57630dd",
            recipe="small-data",
            settings=(*_MOVED, "lr=3e-4", "epochs=20"),
        ),
    )
}  # fmt: skip


def get_card(name: str) -> Card:
    """The card of that name. Raises ``InputError`` where there is none."""
    if name not in CARDS:
        raise unknown("card", name, [*CARDS, "claims"])
    return CARDS[name]


def find_data(card: Card, root: Path | None) -> Path:
    """Where the card's data set lies; digits are written to the cache.

    Args:
        card: names the data set.
        root: the folder that holds data sets, or that set itself; ``$INCEPTION_DATA`` by default.

    Raises:
        InputError: it is not there.
    """
    if card.data == DIGITS:
        write_digits(cache_folder() / DIGITS)
        return cache_folder() / DIGITS
    given = root or (Path(v) if (v := os.environ.get(DATA_VARIABLE)) else None)
    if given is None:
        raise InputError(
            f"{card.name} needs the data set {card.data}: give --data FOLDER, the folder it lies "
            f"in, or set {DATA_VARIABLE}"
        )
    place = given if given.resolve().name == card.data else given / card.data
    if not place.exists():
        raise InputError(f"{card.name} needs the data set {card.data}; there is no {place}")
    return place


def run_card(
    card: Card,
    data: Path,
    *,
    out: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    reports: Reports | None = None,
    started: Callable[[RunStart], None] = lambda start: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Measures the card's figure again.

    Args:
        card: what to do.
        data: of ``find_data``.
        out: run folder of a card that trains; below ``runs/`` by default.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: by default as many as there are cores.
        reports: told of steps and epochs of a training.
        started: told what is about to be trained.
        progress: told of an evaluation's pictures.

    Raises:
        InputError: something is missing.
        Interrupted: a signal; the run is saved and can be resumed.
    """
    from inception.evaluation.evaluate import evaluate
    from inception.training.run import train

    model: str | Path | None = card.model
    seconds = 0.0
    if model is None:
        config = replace(card.config(), device=device, threads=threads)
        summary = train(data, config, out=out, reports=reports, started=started)
        if card.split == "val":
            return Outcome(card, summary.top1_accuracy, summary.seconds)
        model, seconds = summary.folder, summary.seconds
    result = evaluate(
        model, data, split=card.split, device=device, threads=threads, progress=progress
    )
    return Outcome(card, result.top1_accuracy, seconds + result.seconds)
