"""The ledger as the page docs/claims.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from inception.reproduce.ledger import Check, Row, summary

HEAD = """# What others say, checked

Made by `inception reproduce claims --markdown docs/claims.md`; a test keeps it equal to what the
code computes. A figure agrees where ours rounds to it, "about" where it is within a tenth. A claim
holds where all its figures or readings agree, in part where some do. Verdicts are computed, never
written by hand. That a claim holds means the arithmetic is right, not that accuracy was measured.
"""
SURPRISING = (  # place and beginning of the claims that a reader of the papers would not expect
    ("arXiv:1409.4842, §1", "12× fewer parameters"),
    ("arXiv:1409.4842, §1", "a budget of 1.5 billion"),
    ("arXiv:1409.4842, §5", "a receptive field of 224"),
    ("arXiv:1409.4842, Table 1", "inception (5a)"),
    ("arXiv:1409.4842, Table 3", "top-5 error compared"),
    ("arXiv:1409.4842, §8", "an ensemble improves detection"),
    ("document 002, §5", "27 times faster than VGG"),
    ("arXiv:1502.03167", "25 % more parameters"),
    ("arXiv:1512.00567", "5 billion multiply-adds"),
    ("arXiv:1610.02357", "Inception V3 has 23,626,728"),
)
COLUMNS = "| claim | where | said → ours | how | verdict |\n|---|---|---|---|---|"


def page(ledger: Mapping[str, Sequence[Row]]) -> str:
    """The whole page: ten that surprise, counts, and a table for each source."""
    rows = [row for rows in ledger.values() for row in rows]
    parts = [HEAD, f"{summary(rows)}.\n", _surprises(rows), _sources(ledger)]
    for source, of_source in ledger.items():
        lines = "\n".join(map(_line, of_source))
        parts.append(f"## {source}\n\n{COLUMNS}\n{lines}\n")
    return "\n".join(parts)


def _surprises(rows: Sequence[Row]) -> str:
    """The claims of ``SURPRISING``, each in a few lines."""
    told = []
    for where, says in SURPRISING:
        (row,) = (r for r in rows if r.claim.where == where and r.claim.says.startswith(says))
        figures = "; ".join(map(_figure, row.checks))
        told.append(
            f"1. **{_cell(row.claim.says)}** ({_cell(where)}): {figures}. "
            f"*{_cell(row.claim.how)}*; {row.verdict}."
        )
    return "## Ten that surprise\n\nSaid → ours.\n\n" + "\n".join(told) + "\n"


def _sources(ledger: Mapping[str, Sequence[Row]]) -> str:
    """How many claims of each source hold."""
    lines = []
    for source, rows in ledger.items():
        verdicts = Counter(row.verdict for row in rows)
        counts = [verdicts["holds"], verdicts["holds in part"], verdicts["does not hold"]]
        lines.append(f"| {source} | {' | '.join(map(str, counts))} |")
    head = "| source | holds | in part | does not |\n|---|---:|---:|---:|"
    return f"## Source by source\n\n{head}\n" + "\n".join(lines) + "\n"


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
