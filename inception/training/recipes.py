"""Recipes by name: settings that go together, with what they were measured to give."""

from dataclasses import replace

from inception.errors import unknown
from inception.training.config import TrainConfig

RECIPES: dict[str, TrainConfig] = {}

# inception train dogs-vs-cats --image-size 96 --epochs 3
# paper: none   machine: 2 EPYC cores, 7 minutes   result: 73.95 %, one seed, at d3e645c
RECIPES["default"] = TrainConfig()

# inception train dogs-vs-cats --recipe small-data --image-size 112 --set progressive=64,96
# paper: none   machine: 2 EPYC cores, 51 minutes   result: 95.60 %, one seed, at c717c32
RECIPES["small-data"] = replace(
    RECIPES["default"],
    optimiser="adamw",
    lr=1e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    epochs=18,
)


def recipe(name: str) -> TrainConfig:
    """The recipe of that name. Raises ``InputError`` where there is none."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]
