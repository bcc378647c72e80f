"""The ledger: figures compared by hand-made examples, and the page that is made of it."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import inception.reproduce.claims
from inception.reproduce.claims import LEDGER
from inception.reproduce.ledger import (
    Check,
    Claim,
    Row,
    Verdict,
    about,
    above,
    below,
    checked,
    figure,
    figure_between,
    parse,
    same,
)
from inception.reproduce.page import page

ROOT = Path(__file__).parents[2]
ROWS = [row for claims in LEDGER.values() for row in checked(claims)]


@pytest.mark.parametrize(
    ("said", "value"),
    [("112.9 M", 112.9e6), ("2.7K", 2700), ("−3.45", -3.45), ("56.5 %", 0.565), ("9.73×", 9.73)],
)
def test_a_printed_figure_is_read_with_its_unit(said: str, value: float) -> None:
    assert parse(said).value == pytest.approx(value)


@pytest.mark.parametrize("said", ["", "many", "3 apples", "1.2.3"])
def test_what_is_no_figure_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="not a figure"):
        parse(said)


@pytest.mark.parametrize(
    ("check", "ours", "holds"),
    [
        (figure("112.9 M", 112_896_000), "112.90 M", True),
        (figure("112.9 M", 112_849_000), "112.85 M", False),  # rounds to 112.8
        (figure("13,385,816", 13_385_816), "13,385,816", True),
        (figure("13,385,816", 13_385_817), "13,385,817", False),
        (figure("0.1", 0.15), "0.15", True),  # may be rounded either way
        (figure("56.5 %", 0.5641), "56.41 %", False),
        (figure("159K", 163_328, unit=1024), "159.5K", True),  # 159.5 exactly
        (figure_between("380K", 388_096, 388_736, unit=1024), "379.0K to 379.6K", True),
        (figure_between("437K", 448_512, 449_160, unit=1024), "438.0K to 438.6K", False),
        (about("20×", 21.43), "21.4×", True),
        (about("20×", 22.1), "22.1×", False),
        (above("2×", 2.0), "2×", False),
        (below("50 %", 0.356), "35.6 %", True),
        (same("4a, 4d", ["4a", "4d"]), "4a, 4d", True),
        (same((112, 56), [112, 28]), "112, 28", False),
    ],
)
def test_a_figure_agrees_as_far_as_it_is_printed(check: Check, ours: str, holds: bool) -> None:
    assert (check.ours, check.holds) == (ours, holds)


@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ((True,), "holds"),
        ((True, True), "holds"),
        ((False, True), "holds in part"),
        ((False, False), "does not hold"),
    ],
)
def test_the_verdict_follows_from_the_checks(held: tuple[bool, ...], verdict: Verdict) -> None:
    claim = Claim("somewhere", "something", "somehow", tuple)
    assert Row(claim, tuple(Check("1", "1", h) for h in held)).verdict == verdict


def test_no_verdict_is_written_beside_a_claim() -> None:
    for path in Path(inception.reproduce.claims.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value not in get_args(Verdict)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Check":
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                assert not any(ast.unparse(value) in ("True", "False") for value in given)


def test_every_claim_says_where_what_and_how_and_has_a_figure() -> None:
    for row in ROWS:
        claim = row.claim
        assert claim.where and claim.says and claim.how and row.checks, claim
        assert all(check.said and check.ours for check in row.checks), claim
    said = [(row.claim.where, row.claim.says) for row in ROWS]
    assert len(set(said)) == len(said)


def test_the_page_in_docs_is_what_the_code_computes() -> None:
    ledger = {source: checked(claims) for source, claims in LEDGER.items()}
    written = (ROOT / "docs" / "claims.md").read_text("utf-8")
    assert written == page(ledger), "run: inception reproduce claims --markdown docs/claims.md"
