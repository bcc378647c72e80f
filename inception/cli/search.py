"""``inception search``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.completion import networks
from inception.cli.grouped import LEARNING, MACHINE
from inception.cli.output import (
    INTERRUPTED,
    JsonOption,
    MoreSettingsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.errors import InputError

if TYPE_CHECKING:
    from inception.search.budget import Budget, Pricing
    from inception.search.study import Plan
    from inception.search.trainer import Task
    from inception.training.config import TrainConfig

DataArgument = Annotated[str, typer.Argument(help="Labelled pictures, as train takes them.")]
TrialsOption = Annotated[int, typer.Option(min=1, help="Candidates in all, earlier ones counted.")]
LatencyOption = Annotated[
    float | None, typer.Option(help="Most milliseconds a picture, predicted for this machine.")
]
MacsOption = Annotated[
    str | None, typer.Option(metavar="N", help="Most multiply-adds, such as 1.58G or 250k.")
]
ParametersOption = Annotated[str | None, typer.Option(metavar="N", help="Most, such as 7M.")]
ActivationsOption = Annotated[
    float | None, typer.Option(help="Most megabytes of activations at once, a picture.")
]
SamplerOption = Annotated[str, typer.Option(help="tpe, random, or nsga2 (accuracy against cost).")]
SizeOption = Annotated[int, typer.Option(min=16, help="Side in px of candidates' pictures.")]
HouseOption = Annotated[
    str,
    typer.Option(
        help="Network whose norm, classifier and pixels all have.", autocompletion=networks
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(metavar="FILE|URL", help="Of the study; a database for several machines."),
]
OutOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Below searches/ by default.")
]
EpochsOption = Annotated[
    int, typer.Option(min=1, help="Of each candidate.", rich_help_panel=LEARNING)
]
PicturesOption = Annotated[
    int, typer.Option(min=2, help="Most to learn from.", rich_help_panel=LEARNING)
]
HalvingOption = Annotated[
    bool,
    typer.Option(
        "--halving/--no-halving",
        help="Give up candidates early that are behind.",
        rich_help_panel=LEARNING,
    ),
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="SCORE",
        help="Train first what promises most untrained: activation-overlap, synflow, "
        "gradient-norm, multiply-adds, parameters; or with the shared weights of a supernet.",
        rich_help_panel=LEARNING,
    ),
]
FilterOfOption = Annotated[
    int,
    typer.Option(
        min=8,
        metavar="N",
        help="With --filter: draws to score, the best eighth trained first.",
        rich_help_panel=LEARNING,
    ),
]
WidthsOption = Annotated[
    bool, typer.Option("--only-widths", help="Of the house's own modules, without other kernels.")
]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Of everything random.", rich_help_panel=LEARNING)
]
PrecisionOption = Annotated[
    str,
    typer.Option(help="fp32 or int8, in which the latency is meant.", rich_help_panel=MACHINE),
]


def search(
    data: DataArgument,
    trials: TrialsOption = 20,
    budget_latency_ms: LatencyOption = None,
    budget_macs: MacsOption = None,
    budget_parameters: ParametersOption = None,
    budget_activations_mb: ActivationsOption = None,
    sampler: SamplerOption = "tpe",
    image_size: SizeOption = 64,
    house: HouseOption = "googlenet_bn",
    only_widths: WidthsOption = False,
    storage: StorageOption = None,
    out: OutOption = None,
    epochs: EpochsOption = 3,
    pictures: PicturesOption = 2000,
    halving: HalvingOption = True,
    filter_: FilterOption = None,
    filter_of: FilterOfOption = 64,
    set_: MoreSettingsOption = None,
    seed: SeedOption = 0,
    precision: PrecisionOption = "fp32",
    json: JsonOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Looks for the modules that are most accurate within a budget.

    Each candidate is priced first and made narrower until it fits, then trained for a short while.
    The same command again goes on, and others beside it, here or on other machines with --storage,
    share the trials. Ctrl-C saves and says what was found so far.
    """
    from inception.search.study import Plan, open_study
    from inception.search.trainer import open_task

    if precision not in ("fp32", "int8"):
        raise InputError(f"--precision is fp32 or int8; got {precision}")
    printing = json != "-" and not quiet
    budget = _budget(budget_macs, budget_parameters, budget_activations_mb, budget_latency_ms)
    config = _config(epochs, set_, image_size=image_size, seed=seed, threads=threads)
    task = open_task(data, config, pictures)
    folder = out or Path("searches") / Path(data).resolve().stem
    plan = Plan(
        data=_told(task, pictures, precision),
        space=_space(house, image_size, only_widths=only_widths),
        budget=budget,
        sampler=sampler,  # type: ignore[arg-type]
        halving=halving,
        cost="multiply_adds" if budget_latency_ms is None else "latency_ms",
        seed=seed,
        filter=filter_,  # type: ignore[arg-type]
        filter_of=filter_of,
    )
    study = open_study(storage or str(folder / "study.journal"), plan)
    pricing = _pricing(budget_latency_ms, precision, task.config.threads, printing=printing)
    return _work(study, plan, data, task, folder, pricing, trials, json, printing=printing)


def _work(
    study: Any,
    plan: Plan,
    data: str,
    task: Task,
    folder: Path,
    pricing: Pricing,
    trials: int,
    json: str | None,
    *,
    printing: bool,
) -> int:
    """Takes trials, prints them, and writes what came out however it ends."""
    from inception.cli.search_printer import SearchPrinter, finish
    from inception.search.filtering import filter_draws
    from inception.search.outcome import write_outcome
    from inception.search.study import candidates
    from inception.search.worker import Worker
    from inception.training.group import Interrupted
    from inception.training.run import stop_signals

    with SearchPrinter(printing, trials, plan, study) as printer, stop_signals() as stopping:
        printer.stopping = stopping
        printer.began(task)
        worker = Worker(
            study, plan, task, folder, pricing=pricing, stopping=stopping, told=printer.told()
        )
        status = 0
        try:
            kept = filter_draws(
                study, plan, task, pricing,
                stopping=stopping, progress=printer.scoring, preparing=printer.preparing,
            )  # fmt: skip
            printer.filtered(kept)
            worker.run(trials)
        except Interrupted:
            status = INTERRUPTED
    found = candidates(study)
    written = write_outcome(folder, found, plan.cost, task.train.classes)
    finish(found, plan, data, folder, written, json, printing=printing)
    if status:
        say("interrupted and saved; the same command goes on", err=True)
    return status


def _budget(
    macs: str | None, parameters: str | None, activations: float | None, latency: float | None
) -> Budget:
    from inception.search.budget import Budget, parse_count

    for name, value in (("latency-ms", latency), ("activations-mb", activations)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--budget-{name} must be a number above 0; got {value:g}")
    return Budget(
        None if macs is None else parse_count(macs, "--budget-macs"),
        None if parameters is None else parse_count(parameters, "--budget-parameters"),
        activations,
        latency,
    )


def _config(
    epochs: int,
    set_: list[str] | None,
    *,
    image_size: int,
    seed: int,
    threads: int | None,
) -> TrainConfig:
    from inception.search.trainer import SHORT
    from inception.training.config import parse_settings

    given = parse_settings(set_ or [])
    own = {"model", "init", "image_size", "epochs", "steps", "seed", "freeze", "width", "aux_heads"}
    if refused := sorted(own & set(given)):
        raise InputError(f"--set {refused[0]} is the search's own to say; leave it out")
    config = replace(SHORT, epochs=epochs, image_size=image_size, seed=seed, threads=threads)
    return replace(config, **given)


def _space(house: str, image_size: int, *, only_widths: bool) -> Any:
    from inception.errors import unknown
    from inception.search.sampling import Space
    from inception.search.space import HOUSES

    if house not in HOUSES:
        raise unknown("house", house, HOUSES)
    return Space(house=house, image_sizes=(image_size,), only_widths=only_widths)


def _told(task: Task, pictures: int, precision: str) -> dict[str, Any]:
    """What a study must have had in common with this one to go on as it."""
    from inception.training.config import MACHINE

    settings = {n: v for n, v in task.config.to_json().items() if n not in MACHINE}
    settings = {n: list(v) if isinstance(v, tuple) else v for n, v in settings.items()}
    digests = {"train": task.train.fingerprint(), "val": task.choosing.fingerprint()}
    return {**digests, "pictures": pictures, "precision": precision, "settings": settings}


def _pricing(
    budget_ms: float | None, precision: str, threads: int | None, *, printing: bool
) -> Pricing:
    """Prices with a latency where one is asked for; the table is measured once a machine."""
    from inception.search.budget import Pricing

    if budget_ms is None:
        return Pricing()
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    from inception.cli.output import progress
    from inception.search.timing import layer_table

    bar = progress(
        TextColumn("timing layers on this machine, once"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %, left"),
        TimeRemainingColumn(),
        quiet=not printing,
    )
    task = bar.add_task("", total=None)
    with bar:
        table = layer_table(
            "int8" if precision == "int8" else "fp32",
            threads=threads,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return Pricing(table.latency_ms)
