"""Accuracy under corruptions, drawn."""

from __future__ import annotations

from pathlib import Path

from inception.plotting import new_figure, plain, save_figure
from inception.robustness.corrupted import Corrupted
from inception.robustness.corruptions import STRENGTHS
from inception.text import shown


@plain()
def draw_corruptions(told: Corrupted, path: Path) -> None:
    """Top-1 against strength, a line a corruption, the pictures as they are at 0, as a PNG."""
    figure = new_figure(6, 4.2)
    axes = figure.subplots()
    clean = 100 * told.clean.top1_accuracy
    for number, (kind, strengths) in enumerate(told.changed.items()):
        right = [clean, *(100 * each.top1_accuracy for each in strengths)]
        axes.plot(range(len(right)), right, marker="osD^"[number], label=kind)
    axes.set_xticks(range(STRENGTHS + 1), ["none", *map(str, range(1, STRENGTHS + 1))])
    axes.set(
        xlabel="strength of the corruption",
        ylabel="top-1 accuracy, %",
        ylim=(0, 102),
        title=f"{shown(told.clean.models[0])} on {told.clean.images:,} pictures",
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, path)
