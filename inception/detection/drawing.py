"""Plots of detection. Imports matplotlib when it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inception.detection.metrics import Curve, every_point
from inception.drawing import short
from inception.plotting import new_figure, plain, save_figure

MOST_LINES = 10  # of classes


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


@plain()
def draw_precision_recall(curves: Mapping[str, Curve], path: Path) -> None:
    """Precision against recall, a line for each class, at most ``MOST_LINES``, as a PNG."""
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    shown = {name: curve for name, curve in curves.items() if curve.positives}
    for name in sorted(shown, key=lambda name: -shown[name].positives)[:MOST_LINES]:
        curve = shown[name]
        label = f"{short(name)}, AP {100 * every_point(curve):.1f} %"
        axes.step(100 * curve.recall, 100 * curve.precision, where="post", label=label)
    axes.set(xlabel="found (recall), %", ylabel="right among them (precision), %")
    axes.set(xlim=(-1, 102), ylim=(-1, 102))
    axes.grid(alpha=0.3)
    if shown:
        axes.legend(frameon=False, loc="lower left")
    save_figure(figure, path)
