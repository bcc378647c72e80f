"""Help that fits: the common options first, the others under headings of their own.

And options that may stand alone, which Typer does not know.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperOption

LEARNING, ENSEMBLES, MACHINE, OUTPUT = "Learning", "Ensembles", "Machine", "Output"
MAY_STAND_ALONE = "--init"  # the shipped backbone where no value follows
ROBUSTNESS = "Robustness"
# the last two of many commands
ORDER = ("Options", LEARNING, ENSEMBLES, ROBUSTNESS, OUTPUT, MACHINE)


class GroupedCommand(TyperCommand):
    """A command whose options stand under their headings, Typer's ``rich_help_panel``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments, once a value that was left out is put in."""
        full: list[str] = []
        for word, after in zip(args, [*args[1:], "-"], strict=False):
            full.append(word)
            if word == MAY_STAND_ALONE and after.startswith("-") and self._has(word, ctx):
                from inception.prediction import BACKBONE

                full.append(BACKBONE)
        return super().parse_args(ctx, full)

    def _has(self, option: str, ctx: Any) -> bool:
        return any(option in parameter.opts for parameter in self.get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments, then the options by heading, in the order of ``ORDER``."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{name: [] for name in ORDER}}
        for parameter in self.get_params(ctx):
            heading = "Arguments"
            if parameter.param_type_name == "option":
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
            if record := _record(parameter, ctx):
                groups.setdefault(heading, []).append(record)
        for heading, records in groups.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _record(parameter: Any, ctx: Any) -> tuple[str, str] | None:
    """An option as it is typed, and what it does: its own help, or that of the setting it is.

    The latter is made when it is asked for, since reading the settings takes its time.
    """
    if isinstance(parameter, TyperOption) and not parameter.help:
        from inception.training.config import setting_help

        parameter.help = setting_help(str(parameter.name))
    record: tuple[str, str] | None = parameter.get_help_record(ctx)
    return record
