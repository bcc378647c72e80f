"""What ``--exit-confidence`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inception.cli.output import per_second, say

if TYPE_CHECKING:
    from inception.evaluation.exits import ExitEvaluation
    from inception.evaluation.request import Request
    from inception.runtime import Engine


@contextmanager
def watched(how: Request, *, quiet: bool, what: str = "evaluating") -> Iterator[Request]:
    """The request with a progress bar to tell, which stands while the block runs."""
    from inception.cli.output import progress

    with progress(quiet=quiet) as bar:
        task = bar.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield replace(how, progress=told)


def measure_exits(
    model: str,
    data: str,
    confidence: float,
    how: Request,
    *,
    json: str | None,
    csv: Path | None,
    plot: Path | None,
    quiet: bool,
) -> None:
    """``inception evaluate --exit-confidence``: measures, prints, writes the curve."""
    from inception.cli.output import write_json
    from inception.drawing import draw_exits
    from inception.evaluation.exits import evaluate_exits
    from inception.files import write_text
    from inception.text import csv_text

    with watched(how, quiet=quiet) as asked:
        result = evaluate_exits(model, data, confidence, asked)
    for path, reason in result.unreadable:
        say(f"unreadable: {path}: {reason}", err=True)
    write_json(result.to_json(), json)
    if json != "-":
        print_exits(result, quiet=quiet)
    if csv:
        write_text(csv, csv_text(result.rows()))
    if plot:
        draw_exits(result.rows(), result.full_top1_accuracy, plot)


def print_exits(result: ExitEvaluation, *, quiet: bool) -> None:
    """Prints who answered, and the curve, unless ``quiet``; and one line with the result."""
    from inception.cli.output import console, percent

    out = console()
    if not quiet:
        out.print(_exit_table(result))
        out.print(_curve_table(result))
    share = result.multiply_adds / result.full_multiply_adds
    out.print(
        f"top-1 {percent(result.top1_accuracy)} at confidence {result.confidence:g}, full network "
        f"{percent(result.full_top1_accuracy)}, on {result.images:,} pictures ({result.split}); "
        f"{result.multiply_adds / 1e6:,.2f} M multiply-adds a picture, {100 * share:.1f} % of the "
        f"full network's; engine {_speed(result.images, result.seconds)}, to the end "
        f"{_speed(result.images, result.full_seconds)} ({result.engine})"
    )


def print_answered(engine: Engine) -> None:
    """One line on standard error: which exits of an engine that stops early answered, at what cost.

    Nothing where it answered nothing.
    """
    from inception.models.exits import exit_costs
    from inception.runtime.early_exit import EarlyExitEngine

    if not isinstance(engine, EarlyExitEngine) or not any(engine.answered.values()):
        return
    spec, total = engine.spec, sum(engine.answered.values())
    costs = exit_costs(spec, heads=engine.confidence < 1)
    spent = sum(engine.answered[name] * costs[name] for name in engine.exits) / total
    share = spent / exit_costs(spec, heads=False)[engine.exits[-1]]
    shares = ", ".join(f"{name} {100 * n / total:.1f} %" for name, n in engine.answered.items())
    say(f"answered by {shares}; {100 * share:.1f} % of the full network's multiply-adds", err=True)


def _exit_table(result: ExitEvaluation) -> Any:
    from inception.cli.output import percent, table

    columns = ["answers", "pictures", "share", "top-1", "if it answered all", "multiply-adds", ""]
    rows = [
        [
            e.name,
            str(e.images),
            percent(e.share),
            percent(e.top1_accuracy),
            percent(e.alone_top1_accuracy),
            f"{e.multiply_adds / 1e6:,.2f} M",
            f"{100 * e.multiply_adds / result.full_multiply_adds:.1f} %",
        ]
        for e in result.exits
    ]
    return table(columns, rows)


def _curve_table(result: ExitEvaluation) -> Any:
    from inception.cli.output import percent, table

    names = [f"at {e.name}" for e in result.exits]
    rows = [
        [
            f"{point.confidence:g}",
            *(percent(share) for share in point.shares),
            f"{point.multiply_adds / 1e6:,.2f} M",
            f"{100 * point.multiply_adds / result.full_multiply_adds:.1f} %",
            percent(point.top1_accuracy),
        ]
        for point in result.curve
    ]
    return table(["confidence", *names, "multiply-adds", "of full", "top-1"], rows, left=0)


def _speed(images: int, seconds: float) -> str:
    return f"{per_second(images / seconds)} images/s"
