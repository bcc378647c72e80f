"""Models × crops: the paper's table of what more evaluations of a picture buy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inception.evaluation.counting import Cell, engine_names, tally_cells
from inception.evaluation.ensemble import Models, find_ensemble
from inception.evaluation.metrics import Tally
from inception.evaluation.request import Request
from inception.models.cost import cost

GRID_CROPS = (1, 10, 144)


@dataclass(frozen=True)
class GridRow:
    """A row of the table; errors and differences from 0 to 1.

    Attributes:
        models: the first so many.
        cost: network evaluations for a picture.
        multiply_adds: for a picture.
        top1_difference: error less that of the first row.
        seconds_per_picture: of the engines; decoding goes on beside them.
    """

    models: int
    crops: int
    cost: int
    multiply_adds: int
    top1_error: float
    top1_difference: float
    top5_error: float
    top5_difference: float
    seconds_per_picture: float


@dataclass(frozen=True)
class Grid:
    """One model and all of them, by 1, 10 and 144 crops, on the same pictures.

    Attributes:
        rows: the first is one model with one crop.
        unreadable: path and reason of pictures left out.
    """

    rows: tuple[GridRow, ...]
    images: int
    unreadable: tuple[tuple[str, str], ...]
    models: tuple[str, ...]
    split: str
    engine: str

    def to_json(self) -> list[dict[str, Any]]:
        """The rows, each with its columns by name."""
        return [dict(vars(row)) for row in self.rows]


def evaluate_grid(models: Models, data: str | Path, how: Request | None = None) -> Grid:
    """The first model alone and all together, by 1, 10 and 144 crops.

    Every network sees each crop once, and every row takes its answers from that.

    Raises:
        InputError: as ``evaluate``.
    """
    how = how or Request()
    ensemble = find_ensemble(models)
    dataset = how.open(data, ensemble.classes)
    members = ensemble.open(how, expected=sum(GRID_CROPS) * len(dataset))
    for member in members:  # the first run is slow, and would be counted against the first row
        side = member.preprocessing.size
        member.engine.run(np.zeros((1, side, side, 3), np.uint8))
    numbers = dict.fromkeys((1, len(members)))
    cells = [Cell(number, crops) for number in numbers for crops in GRID_CROPS]
    tallies, unreadable = tally_cells(members, dataset, ensemble.names, cells, how)
    macs = [cost(info.spec).multiply_adds for info in ensemble.infos]
    base = tallies[cells[0]]
    return Grid(
        rows=tuple(_row(cell, tallies[cell], base, macs) for cell in cells),
        images=base.images,
        unreadable=unreadable,
        models=ensemble.names,
        split=dataset.name,
        engine=engine_names(members),
    )


def _row(cell: Cell, tally: Tally, base: Tally, multiply_adds: list[int]) -> GridRow:
    return GridRow(
        models=cell.models,
        crops=cell.crops,
        cost=cell.models * cell.crops,
        multiply_adds=cell.crops * sum(multiply_adds[: cell.models]),
        top1_error=1 - tally.accuracy(1),
        top1_difference=base.accuracy(1) - tally.accuracy(1),
        top5_error=1 - tally.accuracy(5),
        top5_difference=base.accuracy(5) - tally.accuracy(5),
        seconds_per_picture=tally.seconds / tally.images,
    )
