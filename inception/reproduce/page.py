"""The ledger as the page docs/claims.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inception.reproduce.ledger import Check, Row, summary

HEAD = """# What others say, checked

Made by `inception reproduce claims --markdown docs/claims.md`; a test keeps it equal to what the
code computes. A figure agrees where ours rounds to it, "about" where it is within a tenth. A claim
holds where all its figures or readings agree, in part where some do. Verdicts are computed, never
written by hand. That a claim holds means the arithmetic is right, not that accuracy was measured.
"""
COLUMNS = "| claim | where | said → ours | how | verdict |\n|---|---|---|---|---|"


def page(ledger: Mapping[str, Sequence[Row]]) -> str:
    """The whole page: a table for each source."""
    parts = [HEAD, f"{summary(row for rows in ledger.values() for row in rows)}.\n"]
    for source, rows in ledger.items():
        lines = "\n".join(_line(row) for row in rows)
        parts.append(f"## {source}\n\n{COLUMNS}\n{lines}\n")
    return "\n".join(parts)


def _line(row: Row) -> str:
    claim = row.claim
    figures = "<br>".join(map(_figure, row.checks))
    cells = (_cell(claim.says), _cell(claim.where), figures, _cell(claim.how))
    return f"| {' | '.join(cells)} | **{row.verdict}** |"


def _figure(check: Check) -> str:
    reading = f" ({_cell(check.reading)})" if check.reading else ""
    mark = "✓" if check.holds else "✗"
    return f"{mark} {_cell(check.said)} → {_cell(check.ours)}{reading}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
