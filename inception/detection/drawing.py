"""Pictures of detection: recall by proposals. Imports matplotlib when it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inception.drawing import new_figure, plain, save_figure, short


@plain()
def draw_recall(curves: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Recall against proposals a picture, one line a way of proposing, as a PNG.

    Args:
        curves: by name, rows with ``proposals`` and ``recall``, from 0 to 1.
        path: of the picture.
    """
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    for name, rows in curves.items():
        counts = [row["proposals"] for row in rows]
        axes.plot(counts, [100 * row["recall"] for row in rows], marker=".", label=short(name))
    axes.set_xscale("log")
    ticks = [tick for power in range(6) for tick in (10**power, 3 * 10**power)]
    low, high = axes.get_xlim()
    axes.set_xticks([t for t in ticks if low <= t <= high], minor=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xticks([], minor=True)
    axes.set(xlabel="proposals a picture", ylabel="objects hit (IoU ≥ 0.5), %", ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    save_figure(figure, path)
