"""``inception train --members``: several runs of one design, for the ensemble."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.grouped import ENSEMBLES
from inception.cli.output import say
from inception.errors import InputError, command

if TYPE_CHECKING:
    from inception.training.config import TrainConfig
    from inception.training.ensemble import EnsembleSummary, Members
    from inception.training.group import Group

FoldsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Cut the training pictures into N parts and train N times, each part validating "
        "once: mean and deviation.",
        rich_help_panel=ENSEMBLES,
    ),
]
MembersOption = Annotated[
    int,
    typer.Option(
        min=1,
        help="Runs of one design for an ensemble, into OUT/member-1 and on.",
        rich_help_panel=ENSEMBLES,
    ),
]
WiderOption = Annotated[
    float | None,
    typer.Option(
        help="Factor on the widths of the last member; the paper had one.",
        rich_help_panel=ENSEMBLES,
    ),
]
MemberCropOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="--crop of each member; given again for the next.",
        rich_help_panel=ENSEMBLES,
    ),
]


def planned(
    count: int, wider: float | None, crops: list[str] | None, folds: int | None = None
) -> Members | None:
    """What ``--members`` and its companions ask for; None where that is an ordinary run."""
    if folds is not None:
        if count != 1 or wider is not None or crops:
            raise InputError("--folds is of one network; leave out --members and its companions")
        from inception.training.ensemble import Members

        return Members(folds)
    if count == 1:
        if wider is not None or crops:
            raise InputError("--wider and --member-crop are of an ensemble; add --members N")
        return None
    from inception.training.config import TrainConfig
    from inception.training.ensemble import Members

    configs = [TrainConfig().with_settings([f"area={crop}"]) for crop in crops or ()]
    areas = tuple(config.area for config in configs if config.area is not None)
    return Members(count, 1.0 if wider is None else wider, areas)


def is_ensemble(folder: str | None) -> bool:
    """Whether ``--resume`` names an ensemble."""
    from inception.training.ensemble import is_ensemble

    return folder is not None and is_ensemble(folder)


@dataclass(frozen=True)
class Asked:
    """What ``inception train`` was asked for: a new run, or one to go on with.

    Attributes:
        machine: settings that a resumed run is to have from now on.
    """

    data: str | None
    config: TrainConfig | None = None
    out: str | None = None
    resume: str | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)


def train_members(
    asked: Asked, members: Members | None, json: str | None, group: Group, *, printing: bool
) -> int:
    """Trains them, or goes on with them, and prints what each gave."""
    from inception.cli.output import INTERRUPTED, write_json
    from inception.cli.run_printer import RunPrinter
    from inception.training.ensemble import resume_ensemble, train_ensemble
    from inception.training.folder import new_folder_name
    from inception.training.group import Interrupted

    printing = printing and group.leads
    printer = RunPrinter(printing)

    folded = asked.config is not None and asked.config.folds is not None
    name = "fold" if folded else "member"

    def begins(number: int, of: int) -> None:
        printer.restart()
        if printing:
            say("", f"{name} {number} of {of}")

    told: dict[str, Any] = {
        "begins": begins, "reports": printer.reports(), "started": printer.started,
    }  # fmt: skip
    data, config = asked.data, asked.config
    folder = group.first(lambda: asked.resume or asked.out or new_folder_name("ensemble", data))
    try:
        with printer:
            if config is None or members is None:
                summary = resume_ensemble(folder, data=data, machine=asked.machine, **told)
            elif data is None:
                raise InputError("training needs a data set: inception train DATA")
            else:
                summary = train_ensemble(data, config, members, out=folder, **told)
    except Interrupted:
        if group.leads:
            go_on = command("train", "--resume", folder)
            say(f"interrupted and saved; go on with: {go_on}", err=True)
        return INTERRUPTED
    if group.leads:
        write_json(summary.to_json(), json)
        if json != "-":
            _print(summary)
    return 0


def _print(summary: EnsembleSummary) -> None:
    from inception.cli.output import percent
    from inception.cli.run_printer import only_guessed

    say("")
    if summary.folds:
        for number, run in enumerate(summary.members, start=1):
            say(f"fold {number}: validation top-1 {percent(run.top1_accuracy)}  {run.folder}")
        say(
            f"top-1 {percent(summary.mean)} ± {100 * summary.deviation:.2f} points, mean and "
            f"deviation of {len(summary.members)} folds",
            *only_guessed(*summary.members),
        )
        return
    for run in summary.members:
        say(f"{run.folder}: validation top-1 {percent(run.top1_accuracy)}")
    say("next, all together:")
    members = f"{command('evaluate', summary.folder)}/member-*"  # the shell reads the star
    say(f"  {members} {shlex.quote(summary.data)} --grid")
