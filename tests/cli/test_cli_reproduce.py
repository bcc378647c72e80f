"""``inception reproduce`` as its users meet it."""

import json
from pathlib import Path

import pytest
from test_cli import fails, run

from inception.reproduce.cards import CARDS
from inception.reproduce.claims import LEDGER

CLAIMS = sum(map(len, LEDGER.values()))


def test_without_a_name_it_lists_the_cards_and_names_the_ledger() -> None:
    told = run("reproduce").stdout
    assert all(f" {name} " in told for name in CARDS)
    assert "inception reproduce claims" in told


def test_claims_are_told_in_a_table_in_json_and_as_a_page(tmp_path: Path) -> None:
    page, values = tmp_path / "claims.md", tmp_path / "claims.json"
    done = run("reproduce", "claims", "--markdown", str(page), "--json", str(values))
    assert done.returncode == 0, done.stderr
    rows = json.loads(values.read_text("utf-8"))
    assert len(rows) == CLAIMS
    sources = len(LEDGER) + 1  # rows and head of the table of sources; each has a table's head too
    assert page.read_text("utf-8").count("\n| ") == CLAIMS + sources + len(LEDGER)
    assert done.stdout.splitlines()[-1].startswith(f"{CLAIMS} claims: ")
    for row in rows[:3]:
        assert row["checks"][0]["said"] in done.stdout


def test_a_narrow_terminal_gets_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from inception.cli import output
    from inception.cli.reproduce import reproduce

    narrow = Console(width=60, record=True, highlight=False)
    monkeypatch.setattr(output, "console", lambda: narrow)
    assert reproduce("claims") == 0
    told = narrow.export_text()
    assert "  ✗ said 2.7K, ours 9.19K to 9.25K (params, as printed)" in told
    assert max(len(line) for line in told.splitlines()) <= 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digit"], "no card named 'digit'; did you mean 'digits'?"),
        (["digits", "--epochs", "3"], "--epochs and --seed are of the ablations"),
        (["ablations", "--data", "missing"], "no such file or folder: missing"),
        (["digits", "--markdown", "a.md"], "--markdown is of the claims"),
        (["cats-and-dogs", "--out", "a", "--data", "b"], "trains nothing; leave out --out"),
        (["ants-bees", "--data", "missing"], "there is no missing/ants-bees"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str) -> None:
    assert message in fails("reproduce", *arguments)
