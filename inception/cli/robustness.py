"""What ``evaluate --attack`` and ``--corruptions`` measure and print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.completion import attacks
from inception.cli.exits import watched
from inception.cli.grouped import ROBUSTNESS
from inception.cli.output import per_second, say
from inception.errors import InputError

if TYPE_CHECKING:
    from inception.evaluation.evaluate import Evaluation
    from inception.evaluation.request import Request
    from inception.robustness.attacked import Attacked
    from inception.robustness.corrupted import Corrupted

AttackOption = Annotated[
    str | None,
    typer.Option(
        help="Also measure where an adversary changes the pictures: fgsm or pgd.",
        autocompletion=attacks,
        rich_help_panel=ROBUSTNESS,
    ),
]
EpsOption = Annotated[
    str | None,
    typer.Option(
        help="Of --attack: how far it may change a value, of the range from black to white; "
        "2/255 by default.",
        rich_help_panel=ROBUSTNESS,
    ),
]
StepsOption = Annotated[
    int | None,
    typer.Option(help="Of --attack pgd; 10 by default.", rich_help_panel=ROBUSTNESS),
]
CorruptionsOption = Annotated[
    bool,
    typer.Option(
        "--corruptions",
        help="Also measure under noise, blur, JPEG and brightness at five strengths.",
        rich_help_panel=ROBUSTNESS,
    ),
]


def asks(
    attack: str | None, eps: str | None, steps: int | None, corruptions: bool, others: bool
) -> bool:
    """Whether robustness is asked for.

    Raises:
        InputError: options that do not go together; ``others`` are those of other ways to evaluate.
    """
    if attack is None and (eps is not None or steps is not None):
        raise InputError("--eps and --attack-steps are of an attack; add --attack pgd")
    if steps is not None and attack == "fgsm":
        raise InputError("--attack fgsm is one step; leave out --attack-steps, or take pgd")
    if attack is not None and corruptions:
        raise InputError("give either --attack or --corruptions")
    asked = attack is not None or corruptions
    if asked and others:
        raise InputError(
            "--attack and --corruptions are of one model and one crop: leave out --grid, "
            "--compare, --crops, --exit-confidence, --report, --calibrate and further models"
        )
    return asked


def measure(
    model: str,
    data: str,
    how: Request,
    *,
    attack: str | None,
    eps: str | None,
    steps: int | None,
    json: str | None,
    csv: Path | None,
    plot: Path | None,
    quiet: bool,
) -> None:
    """Measures and prints; the corruptions where there is no attack."""
    if attack is None:
        return _measure_corruptions(model, data, how, json, csv, plot, quiet=quiet)
    if csv or plot:
        raise InputError("--csv and --plot are of --corruptions, not of --attack; --json has it")
    _measure_attack(model, data, how, attack, eps or "2/255", steps or 10, json, quiet=quiet)


def _measure_attack(
    model: str, data: str, how: Request, kind: str, eps: str, steps: int, json: str | None,
    *, quiet: bool,
) -> None:  # fmt: skip
    from inception.cli.output import write_json
    from inception.robustness.attacked import evaluate_attacked
    from inception.robustness.attacks import Attack, parse_eps

    attack = Attack(kind, parse_eps(eps), steps)  # type: ignore[arg-type]  # checked by it
    with watched(how, quiet=quiet, what="attacking") as asked:
        told = evaluate_attacked(model, data, attack, asked)
    _tell_unreadable(told.clean)
    write_json(told.to_json(), json)
    if json != "-":
        _print_attacked(told, eps, quiet=quiet)


def _print_attacked(told: Attacked, eps: str, *, quiet: bool) -> None:
    from inception.cli.output import console, percent, table

    pairs = list(zip(told.clean.per_class(), told.robust.per_class(), strict=True))
    rows = [
        [a["class"], str(a["images"]), percent(a["accuracy"]), percent(b["accuracy"])]
        for a, b in pairs
        if a["images"]
    ]
    rows.append(["all", str(told.clean.images), _sure(told.clean), _sure(told.robust)])
    out = console()
    if not quiet:
        out.print(table(["class", "images", "clean", "attacked"], rows))
    steps = f", {told.attack.steps} steps" if told.attack.kind == "pgd" else ""
    out.print(
        f"{told.attack.kind} of {eps}{steps}: top-1 {percent(told.clean.top1_accuracy)} to "
        f"{percent(told.robust.top1_accuracy)} on {told.clean.images:,} pictures "
        f"({told.clean.split}); {percent(told.fooled)} of the right answers were turned; "
        f"{per_second(told.clean.images_per_second)} pictures/s"
    )


def _measure_corruptions(
    model: str, data: str, how: Request, json: str | None, csv: Path | None, plot: Path | None,
    *, quiet: bool,
) -> None:  # fmt: skip
    from inception.cli.output import write_json
    from inception.files import write_text
    from inception.robustness.corrupted import evaluate_corrupted
    from inception.robustness.plot import draw_corruptions
    from inception.text import csv_text

    with watched(how, quiet=quiet) as asked:
        told = evaluate_corrupted(model, data, asked)
    _tell_unreadable(told.clean)
    write_json(told.to_json(), json)
    if json != "-":
        _print_corrupted(told, quiet=quiet)
    if csv:
        write_text(csv, csv_text(told.rows()))
    if plot:
        draw_corruptions(told, plot)


def _print_corrupted(told: Corrupted, *, quiet: bool) -> None:
    from inception.cli.output import console, percent, table

    rows = [
        [kind, *(percent(each.top1_accuracy) for each in strengths), percent(told.mean(kind))]
        for kind, strengths in told.changed.items()
    ]
    out = console()
    if not quiet:
        out.print(table(["top-1 under", *"12345", "mean"], rows))
    out.print(
        f"top-1 {_sure(told.clean)} as they are, {percent(told.mean_accuracy)} over all "
        f"corruptions and strengths, on {told.clean.images:,} pictures ({told.clean.split}, "
        f"{told.clean.engine})"
    )


def _sure(result: Evaluation) -> str:
    from inception.cli.output import percent

    low, high = (100 * end for end in result.interval)
    return f"{percent(result.top1_accuracy)} ({low:.1f} to {high:.1f})"


def _tell_unreadable(result: Any) -> None:
    for path, reason in result.unreadable:
        say(f"unreadable: {path}: {reason}", err=True)
