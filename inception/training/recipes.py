"""Recipes by name: settings that go together."""

from inception.errors import unknown
from inception.training.config import TrainConfig

# inception train dogs-vs-cats --image-size 96 --epochs 3
# paper: none   machine: 2 EPYC cores   result: see docs/results.md
RECIPES: dict[str, TrainConfig] = {"default": TrainConfig()}


def recipe(name: str) -> TrainConfig:
    """The recipe of that name. Raises ``InputError`` where there is none."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]
