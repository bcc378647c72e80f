"""``inception recipes``: settings that go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from inception.cli.completion import recipes as names
from inception.cli.output import JsonOption, say
from inception.errors import command

if TYPE_CHECKING:
    from inception.training.config import TrainConfig


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A recipe, for its settings.", autocompletion=names)
    ] = None,
    json: JsonOption = None,
) -> None:
    """Lists the recipes for training, or shows one's settings."""
    from inception.cli.output import console, table, write_json
    from inception.training.recipes import RECIPES, recipe

    if name is not None:
        return _print_one(recipe(name), json)
    write_json({name: recipe(name).to_json() for name in RECIPES}, json)
    if json != "-":
        columns = ("recipe", "network", "epochs", "batch", "update", "schedule")
        rows = [[name, *_facts(each)] for name, each in RECIPES.items()]
        console().print(table(columns, rows, left=len(columns)))
        say(f"one's settings: {command('recipes', 'small-data')}")
    return None


def _facts(config: TrainConfig) -> list[str]:
    update = f"{config.optimiser} {config.lr:g}"
    network = config.model or config.init or "any"
    return [network, str(config.epochs), str(config.batch_size), update, config.schedule]


def _print_one(config: TrainConfig, json: str | None) -> None:
    """What it changes about the defaults, as it is typed."""
    from inception.cli.output import write_json
    from inception.training.config import TrainConfig, as_typed

    write_json(config.to_json(), json)
    if json == "-":
        return
    own = as_typed(config, unlike=TrainConfig())
    say(f"{config.recipe} changes of the defaults, which `inception train --set help` lists:")
    say(*(f"  {name}={value}" for name, value in own.items()) if own else ("  nothing",))
    say(f"train by it: {command('train', 'DATA', '--recipe', config.recipe)}")
