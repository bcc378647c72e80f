"""Every command by what is typed, imported when it is chosen: all of them take half a second."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from inception.cli.grouped import GroupedCommand

COMMANDS = {  # in the order of the help: what is typed, and where it is
    "models": "models.models",
    "compare": "models.compare",
    "recipes": "recipes.recipes",
    "train": "train.train",
    "evaluate": "evaluate.evaluate",
    "predict": "predict.predict",
    "explain": "explain.explain",
    "embed": "embed.embed",
    "similar": "embed.similar",
    "fid": "fid.fid",
    "serve": "serve.serve",
    "export": "export.export",
    "prune": "prune.prune",
    "search": "search.search",
    "benchmark": "benchmark.benchmark",
    "reproduce": "reproduce.reproduce",
    "demo": "demo.demo",
    "data": "data.data_app",
    "detect": "detect.detect_app",
    "detect train": "detect_train.train",
    "detect evaluate": "detect_evaluate.evaluate",
    "detect predict": "detect_predict.predict",
    "detect export": "detect_export.export",
    "detect multibox": "detect_multibox.multibox",
    "weights": "weights.weights_app",
    "weights list": "catalogue.list_weights",
    "weights pull": "catalogue.pull",
    "weights verify": "verify.verify",
    "weights doctor": "doctor.doctor",
}


class OnDemand(TyperGroup):
    """The command line, whose commands are those of ``COMMANDS``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands({name: None for name in COMMANDS if " " not in name})

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, none of them imported."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; Ctrl-C, of which Typer would make a silent exit, is told of."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error


class _Commands(UserDict[str, Any]):
    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = _made(name)
        return self.data[name]


def _made(name: str) -> Any:
    """The command as Typer makes it, with those that stand under it."""
    found, alone = _imported(name), typer.Typer(rich_markup_mode=None)
    if not isinstance(found, typer.Typer):
        alone.command(name, cls=GroupedCommand)(found)
    else:
        alone.add_typer(found)
        known = {c.name for c in found.registered_commands}
        for under in (n.split()[1] for n in COMMANDS if n.startswith(f"{name} ")):
            if under not in known:
                found.command(under, cls=GroupedCommand)(_imported(f"{name} {under}"))
    return typer.main.get_group(alone).commands[name]


def _imported(name: str) -> Any:
    module, _, what = COMMANDS[name].rpartition(".")
    return getattr(import_module(f"inception.cli.{module}"), what)
