"""The ledger's rows: a claim, our figure beside it, a verdict that is computed. No torch here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Verdict = Literal["holds", "holds in part", "does not hold"]

UNITS = {
    "": 1.0,
    "%": 0.01,
    "×": 1.0,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "MB": 1e6,
    "MiB": 2.0**20,
    "px": 1.0,
}
FIGURE = re.compile(r"([-+−]?)([\d,]+(?:\.(\d+))?)(\s*)([^\d\s]*)")
ABOUT = 0.1  # a source that says "about" may be off by a tenth
EPSILON = 1e-9  # of a figure: half of 0.1 is no exact binary number


@dataclass(frozen=True)
class Check:
    """One figure of a claim, or one reading of it, beside ours.

    Attributes:
        said: as the source prints it.
        ours: in the same unit.
        holds: whether the two agree.
        reading: which part of the claim this is, or how it is understood.
    """

    said: str
    ours: str
    holds: bool
    reading: str = ""


@dataclass(frozen=True)
class Claim:
    """What a source says, and what computes the answer.

    Attributes:
        where: the source and the place in it.
        says: the claim in a few words.
        how: what ours is computed from.
        checks: computes the figures.
    """

    where: str
    says: str
    how: str
    checks: Callable[[], Iterable[Check]]


@dataclass(frozen=True)
class Row:
    """A claim that was checked."""

    claim: Claim
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """Holds where every check does, does not hold where none does."""
        held = [check.holds for check in self.checks]
        if all(held):
            return "holds"
        return "holds in part" if any(held) else "does not hold"

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        claim = self.claim
        return {
            "where": claim.where,
            "says": claim.says,
            "how": claim.how,
            "checks": [dict(vars(check)) for check in self.checks],
            "verdict": self.verdict,
        }


def checked(claims: Iterable[Claim]) -> list[Row]:
    """Every claim with our figures, computed now."""
    return [Row(claim, tuple(claim.checks())) for claim in claims]


def summary(rows: Iterable[Row]) -> str:
    """How many claims there are, and how many of each verdict."""
    counts = Counter(row.verdict for row in rows)
    return (
        f"{counts.total()} claims: {counts['holds']} hold, {counts['holds in part']} hold in part, "
        f"{counts['does not hold']} do not hold"
    )


def figure(said: str, ours: float, reading: str = "", *, unit: float | None = None) -> Check:
    """Agrees where ours rounds to the printed figure.

    Args:
        said: a number with its unit: ``112.9 M``, ``2.7K``, ``56.5 %``, ``138,357,544``.
        ours: the same as a plain number, a share for a percentage.
        reading: see ``Check``.
        unit: what the unit stands for, where not the usual: 1024 for a K.
    """
    return figure_between(said, ours, ours, reading, unit=unit)


def figure_between(
    said: str, low: float, high: float, reading: str = "", *, unit: float | None = None
) -> Check:
    """As ``figure``, where ours is a span: weights alone and with biases, for example."""
    printed = parse(said, unit)
    slack = printed.unit * (0.5 * 10.0**-printed.digits + EPSILON)
    ours = " to ".join(dict.fromkeys(_like(printed, low, high)))
    return Check(said, ours, low - slack <= printed.value <= high + slack, reading)


def about(said: str, ours: float, reading: str = "") -> Check:
    """Agrees within a tenth of the figure: for sources that say "about"."""
    printed = parse(said)
    holds = abs(ours - printed.value) <= ABOUT * abs(printed.value)
    return Check(f"about {said}", _like(printed, ours)[0], holds, reading)


def above(said: str, ours: float, reading: str = "") -> Check:
    """Agrees where ours is larger."""
    printed = parse(said)
    return Check(f"over {said}", _like(printed, ours)[0], ours > printed.value, reading)


def below(said: str, ours: float, reading: str = "") -> Check:
    """Agrees where ours is smaller."""
    printed = parse(said)
    return Check(f"under {said}", _like(printed, ours)[0], ours < printed.value, reading)


def same(said: object, ours: object, reading: str = "") -> Check:
    """Agrees where both are written alike: names, shapes, lists."""
    return Check(_written(said), _written(ours), _written(said) == _written(ours), reading)


class Printed(NamedTuple):
    """A figure as a source prints it.

    Attributes:
        digits: after the point.
        unit: what its unit stands for.
        suffix: the unit's name, with the space before it.
    """

    value: float
    digits: int
    unit: float
    suffix: str


def parse(said: str, unit: float | None = None) -> Printed:
    """A printed figure as a number; ``unit`` where its unit does not mean the usual."""
    match = FIGURE.fullmatch(said)
    if match is None or match[5] not in UNITS:
        raise ValueError(f"not a figure: {said!r}")
    sign, number, decimals, space, name = match.groups()
    size = UNITS[name] if unit is None else unit
    value = float(number.replace(",", "")) * size * (-1 if sign in ("-", "−") else 1)
    return Printed(value, len(decimals or ""), size, space + name)


def _like(printed: Printed, *values: float) -> list[str]:
    """Ours as the source prints its figure, with a digit more unless all are whole."""
    scaled = [value / printed.unit for value in values]
    whole = printed.digits == 0 and all(abs(n - round(n)) < EPSILON for n in scaled)
    digits = 0 if whole else printed.digits + 1
    return [f"{n:,.{digits}f}{printed.suffix}".replace("-", "−") for n in scaled]


def _written(value: object) -> str:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return str(value)
    return ", ".join(map(str, value))
