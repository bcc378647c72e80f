"""``inception reproduce``: measurements rerun and compared, and the ledger of claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.output import DeviceOption, JsonOption, QuietOption, ThreadsOption, say
from inception.errors import InputError

if TYPE_CHECKING:
    from inception.reproduce.cards import Card, Outcome
    from inception.reproduce.ledger import Check, Row

CLAIMS = "claims"
ABLATIONS = "ablations"
NARROW = 110  # columns of a terminal below which tables would break every other word


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A card, claims or ablations; without, lists cards."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the data sets lie; else $INCEPTION_DATA. Of ablations: the set itself, "
            "else digits.",
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Run folder of a card that trains; or of all ablations.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each ablation.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of each ablation.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the claims as a page.")
    ] = None,
    json: JsonOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Reruns a measurement, checks claims, or runs ablations.

    Exit status 1 where a card's figure is missed.
    """
    if markdown is not None and name != CLAIMS:
        raise InputError("--markdown is of the claims: inception reproduce claims --markdown FILE")
    if (epochs, seed) != (None, None) and name != ABLATIONS:
        raise InputError("--epochs and --seed are of the ablations: inception reproduce ablations")
    if name == ABLATIONS:
        from inception.cli.ablations import ablations

        place = None if out is None else Path(out)
        machine: dict[str, Any] = {"device": device, "threads": threads}
        options = {"epochs": epochs, "seed": seed or 0, **machine}
        return ablations(place, data, json, quiet=quiet, **options)
    if name == CLAIMS:
        return _claims(markdown, json, quiet=quiet)
    if name is None:
        return _cards(json)
    return _card(name, data, out, json, device=device, threads=threads, quiet=quiet)


def _cards(json: str | None) -> int:
    """Lists the cards, and says what else there is."""
    from inception.cli.output import console, table, write_json
    from inception.reproduce.cards import CARDS

    write_json([vars(card) | {"command": card.command} for card in CARDS.values()], json)
    if json == "-":
        return 0
    out = console()
    if out.width < NARROW:
        for card in CARDS.values():
            out.print(f"{card.name}: {_figure(card)}, {_minutes(card)}, on {card.data}")
            out.print(_indented(card.about))
    else:
        rows = [[c.name, _figure(c), _minutes(c), c.data, c.about] for c in CARDS.values()]
        out.print(table(["card", "top-1", "takes", "data", "what it shows"], rows, left=5))
    out.print(
        "inception reproduce NAME runs one again and compares; times are of two cores without a "
        "GPU.\ninception reproduce claims checks what the papers and others say of these networks, "
        "ablations trains GoogLeNet with one part changed at a time."
    )
    return 0


def _figure(card: Card) -> str:
    return f"{100 * card.expected:.2f} ± {100 * card.tolerance:.2g} %"


def _minutes(card: Card) -> str:
    return f"{card.minutes:g} min" if card.minutes >= 1 else f"{60 * card.minutes:.0f} s"


def _card(
    name: str,
    root: Path | None,
    out: str | None,
    json: str | None,
    *,
    device: str,
    threads: int | None,
    quiet: bool,
) -> int:
    from inception.cli.output import INTERRUPTED, write_json
    from inception.reproduce.cards import find_data, get_card

    card = get_card(name)
    if out is not None and card.model is not None:
        raise InputError(f"{name} trains nothing; leave out --out")
    place = find_data(card, root)
    printing = json != "-" and not quiet
    if printing:
        say(f"{card.name}: {card.about}", card.command, f"in about {_minutes(card)}", "")
    outcome = _run(card, place, {"out": out, "device": device, "threads": threads}, printing)
    if outcome is None:
        return INTERRUPTED
    write_json(outcome.to_json(), json)
    if json != "-":
        say(_told(outcome))
    return 0 if outcome.holds else 1


def _run(card: Card, place: Path, options: dict[str, Any], printing: bool) -> Outcome | None:
    """The outcome, or None where a training was interrupted."""
    from inception.cli.run_printer import RunPrinter
    from inception.reproduce.cards import run_card
    from inception.training.group import Interrupted

    printer = RunPrinter(printing)
    try:
        with printer:
            return run_card(
                card,
                place,
                **options,
                reports=printer.reports(),
                started=printer.started,
                progress=printer.validation,
            )
    except Interrupted:
        say(
            f"interrupted and saved; go on with: inception train --resume {printer.folder}",
            err=True,
        )
        return None


def _told(outcome: Outcome) -> str:
    card = outcome.card
    verdict = "reproduced" if outcome.holds else "missed"
    return (
        f"{verdict}: top-1 {100 * outcome.top1_accuracy:.2f} % on {card.split}, expected "
        f"{_figure(card)} (measured at {card.commit}); {outcome.seconds:.0f} s"
    )


def _claims(markdown: Path | None, json: str | None, *, quiet: bool) -> int:
    """Checks every claim. Exit status 0: that a source is wrong is no failure of ours."""
    from inception.cli.output import console, write_json
    from inception.files import write_text
    from inception.reproduce.claims import LEDGER
    from inception.reproduce.ledger import checked, summary
    from inception.reproduce.page import page

    ledger = {source: checked(claims) for source, claims in LEDGER.items()}
    write_json([{"source": s} | row.to_json() for s, rows in ledger.items() for row in rows], json)
    if markdown is not None:
        write_text(markdown, page(ledger))
    if json == "-":
        return 0
    out = console()
    if not quiet:
        for source, rows in ledger.items():
            out.print(f"\n{source}", style="bold")
            for part in _listing(rows) if out.width < NARROW else [_table(rows)]:
                out.print(part, markup=False)
    out.print(summary(row for rows in ledger.values() for row in rows))
    return 0


def _table(rows: list[Row]) -> Any:
    from rich import box
    from rich.table import Table

    made = Table(box=box.HORIZONTALS, pad_edge=False, show_lines=True, expand=True)
    for column, ratio in {"claim": 9, "figures, said and ours": 14, "how": 8, "verdict": 0}.items():
        made.add_column(column, ratio=ratio or None, no_wrap=not ratio)
    for row in rows:
        claim = row.claim
        made.add_row(f"{claim.says}\n({claim.where})", _figures(row), claim.how, row.verdict)
    return made


def _figures(row: Row) -> Any:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(no_wrap=True)
    for ratio in (3, 4, 5):
        grid.add_column(ratio=ratio)
    for check in row.checks:
        grid.add_row(_mark(check), check.said, check.ours, check.reading)
    return grid


def _mark(check: Check) -> str:
    return "✓" if check.holds else "✗"


def _listing(rows: list[Row]) -> Iterator[Any]:
    """For narrow terminals: a paragraph a claim."""
    for row in rows:
        yield f"\n{row.verdict}: {row.claim.says}"
        lines = [row.claim.where]
        for check in row.checks:
            reading = f" ({check.reading})" if check.reading else ""
            lines.append(f"{_mark(check)} said {check.said}, ours {check.ours}{reading}")
        yield _indented("\n".join([*lines, row.claim.how]))


def _indented(text: str) -> Any:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(text), (0, 0, 0, 2))
