"""``inception reproduce ablations``: its progress and its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inception.cli.output import say

if TYPE_CHECKING:
    from inception.reproduce.ablations import Ablation, Row

OUT = Path("runs/ablations")


def ablations(
    out: Path | None, data: Path | None, json: str | None, *, quiet: bool, **options: Any
) -> int:
    """Runs them, prints the table and writes it beside the runs."""
    from inception.cli.output import INTERRUPTED, write_json
    from inception.cli.run_printer import RunPrinter
    from inception.files import write_text
    from inception.reproduce.ablations import markdown, run_ablations
    from inception.text import csv_text
    from inception.training.group import Interrupted

    out = out or OUT
    printing = json != "-" and not quiet
    printer = RunPrinter(printing)

    def begins(ablation: Ablation, number: int, of: int) -> None:
        printer.restart()
        if printing:
            say("", f"{number} of {of}: {ablation.group}, {ablation.name}")

    try:
        with printer:
            told: dict[str, Any] = {"reports": printer.reports(), "started": printer.started}
            rows = run_ablations(out, data, begins=begins, **told, **options)
    except Interrupted:
        say("interrupted and saved; the same command goes on", err=True)
        return INTERRUPTED
    values = [row.to_json() for row in rows]
    write_text(out / "ablations.csv", csv_text(values))
    write_text(out / "ablations.md", markdown(rows))
    write_json(values, json)
    if json != "-":
        _print(rows, out)
    return 0


def _print(rows: list[Row], out: Path) -> None:
    from inception.cli.output import console, percent, table

    columns = ["part", "changed to", "parameters", "multiply-adds", "top-1", "vs base", "loss", "s"]
    cells = [
        [
            *(row.group, row.name, f"{row.parameters:,}", f"{row.multiply_adds / 1e6:,.1f} M"),
            *(percent(row.top1_accuracy), f"{100 * row.difference:+.2f}", f"{row.loss:.4f}"),
            f"{row.seconds:.0f}",
        ]
        for row in rows
    ]
    console().print(table(columns, cells, left=2))
    say(f"one seed: small differences are chance; the table is also in {out}/ablations.md")
