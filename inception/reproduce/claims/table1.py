"""Table 1 of "Going Deeper with Convolutions" (arXiv:1409.4842), row by row.

The units that fit it: params in K of 1024, between the weights alone and the weights with biases;
ops in millions of multiply-adds, not twice that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from inception.models.googlenet import MODULES
from inception.models.spec import separable
from inception.reproduce.claims.counting import (
    NAMES,
    Amount,
    amount,
    costs,
    grid_of,
    stage,
    total,
)
from inception.reproduce.ledger import Check, Claim, figure, figure_between, parse, same

WHERE = "arXiv:1409.4842, Table 1"
KI = 1024.0


class Printed(NamedTuple):
    """A row's last two columns, as printed."""

    params: str
    ops: str


PRINTED = {
    "conv1": Printed("2.7K", "34M"),
    "conv2": Printed("112K", "360M"),
    "3a": Printed("159K", "128M"),
    "3b": Printed("380K", "304M"),
    "4a": Printed("364K", "73M"),
    "4b": Printed("437K", "88M"),
    "4c": Printed("463K", "100M"),
    "4d": Printed("580K", "119M"),
    "4e": Printed("840K", "170M"),
    "5a": Printed("1072K", "54M"),
    "5b": Printed("1388K", "71M"),
    "linear": Printed("1000K", "1M"),
}
STAGES = {"conv1": "conv1", "conv2": "conv2", "linear": "classifier"} | {
    name: f"inception_{name}" for name in NAMES
}
OUTPUTS = (256, 480, 512, 512, 512, 528, 832, 832, 1024)  # the modules' "output size", depth
GRIDS = (112, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7)  # "output size", conv1 to 5b


def _amount(row: str) -> Amount:
    return total(stage(STAGES[row]).layers)


def _row(row: str, got: Callable[[], Amount], reading: str = "") -> list[Check]:
    """Both printed figures of a row against an amount."""
    said, ours = PRINTED[row], got()
    weights, with_biases = float(ours.weights), float(ours.parameters)
    name = f", {reading}" if reading else ""
    return [
        figure_between(said.params, weights, with_biases, f"params{name}", unit=KI),
        figure(said.ops, ours.multiply_adds, f"ops{name}"),
    ]


def _separable_conv1() -> Amount:
    return amount(separable(64, kernel=7, stride=2, multiplier=8), 3, 224)


def _released(name: str) -> Amount:
    """A module of the network Google released in 2014, whose widths differ in two places."""
    return total(stage(f"inception_{name}", "googlenet_5h").layers)


OTHERWISE: dict[str, tuple[str, Callable[[], Amount]]] = {
    "conv1": ("as a separable convolution", _separable_conv1),
    "4a": ("with #3×3 = 204", partial(_released, "4a")),
    "4b": ("fed 508 channels", partial(_released, "4b")),
    "5a": ("with #5×5 reduce = 48", partial(_released, "5a")),
}


def _checks(row: str) -> list[Check]:
    printed = "as printed" if row in OTHERWISE else ""
    checks = _row(row, partial(_amount, row), printed)
    if row in OTHERWISE:
        reading, got = OTHERWISE[row]
        checks += _row(row, got, reading)
    return checks


def _how(row: str) -> str:
    how = "weights to weights with biases, in K of 1024; multiply-adds"
    if row == "conv1":
        return f"{how}; the other reading: 7×7 depthwise ×8, then 1×1"
    if row in OTHERWISE:
        return f"{how}; the other reading: googlenet_5h, the network Google released"
    return how


def _says(row: str) -> str:
    name = f"inception ({row})" if row in NAMES else row
    return f"{name}: params {PRINTED[row].params}, ops {PRINTED[row].ops}"


def _sums() -> list[Check]:
    params = sum(parse(said.params, 1.0).value for said in PRINTED.values())
    ops = sum(parse(said.ops, 1.0).value for said in PRINTED.values())
    ours = [_amount(row) for row in PRINTED]
    weights, with_biases = sum(a.weights for a in ours), sum(a.parameters for a in ours)
    return [
        figure_between(f"{params:,.1f}K", weights, with_biases, "params", unit=KI),
        figure(f"{ops:,.0f}M", sum(a.multiply_adds for a in ours), "ops"),
    ]


def _areas() -> list[Check]:
    return [_area(name) for name in NAMES]


def _area(name: str) -> Check:
    """Ops over params of a row, within what rounding and counted biases allow; its grid's area."""
    params, ops = (parse(said, 1.0).value for said in PRINTED[name])
    own = _amount(name)
    low = 1e6 * (ops - 0.5) / (KI * (params + 0.5))
    high = 1e6 * (ops + 0.5) / (KI * (params - 0.5) - (own.parameters - own.weights))
    area = grid_of(name) ** 2
    return Check(f"{low:.1f} to {high:.1f}", str(area), low <= area <= high, name)


def _outputs() -> list[Check]:
    """The printed depth against the sum of the printed widths of the four branches."""
    return [
        figure(str(said), w.conv1x1 + w.conv3x3 + w.conv5x5 + w.pool_proj, name)
        for said, (name, w) in zip(OUTPUTS, MODULES.items(), strict=True)
    ]


def _grids() -> list[Check]:
    sides = [s.end.shape.height for s in costs().stages if s.name != "classifier"]
    return [same(GRIDS, sides)]


TABLE1: tuple[Claim, ...] = (
    *(Claim(WHERE, _says(row), _how(row), partial(_checks, row)) for row in PRINTED),
    Claim(
        WHERE,
        "the params and ops columns, summed",
        "sums of the printed rows; of ours, weights to weights with biases",
        _sums,
    ),
    Claim(
        WHERE,
        "a module's ops and params belong together",
        "printed ops ÷ params, as far as rounding and biases allow, must be the grid's area",
        _areas,
    ),
    Claim(WHERE, "depths of the modules' outputs", "#1×1 + #3×3 + #5×5 + pool proj", _outputs),
    Claim(
        WHERE, "grids after each stage, conv1 to 5b", "shapes at 224 px, pools rounded up", _grids
    ),
)
