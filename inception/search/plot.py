"""Candidates as points, accuracy against cost, with the front among them; imports matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inception.plotting import new_figure, plain, save_figure

Point = tuple[float, float]  # cost, accuracy from 0 to 1
UNITS = {"multiply adds": (1e6, "million multiply-adds"), "parameters": (1e6, "million parameters")}
UNITS |= {"latency ms": (1.0, "predicted latency, ms"), "activation mb": (1.0, "activations, MB")}


def plot_front(
    found: Sequence[tuple[float, float, bool]], front: Sequence[Point], path: Path, *, cost: str
) -> None:
    """All candidates, those made by hand marked, and the front as a line, as a PNG.

    Args:
        found: cost, accuracy and whether it was made by hand.
        front: cheapest first.
        path: the file.
        cost: what the costs are, a part of the price in words.
    """
    unit, label = UNITS[cost]
    with plain():
        figure = new_figure(7, 4.4)
        axes = figure.subplots()
        for hand_made, marker, name in ((False, "o", "drawn"), (True, "D", "made by hand")):
            points = [(c / unit, 100 * a) for c, a, by_hand in found if by_hand == hand_made]
            if points:
                xs, ys = zip(*points, strict=True)
                colour = "#e4572e" if hand_made else "#7d93b2"
                axes.scatter(xs, ys, marker=marker, color=colour, label=name, zorder=3)
        ends = [*front, (max(c for c, _, _ in found), front[-1][1])]  # one point too is a line
        xs, ys = zip(*((c / unit, 100 * a) for c, a in ends), strict=True)
        axes.step(xs, ys, where="post", color="#1d2433", label="front")
        axes.set(xlabel=label, ylabel="validation top-1, %")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        save_figure(figure, path)
