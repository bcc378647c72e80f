"""Accuracy under corruptions, drawn."""

from __future__ import annotations

from pathlib import Path

from inception.drawing import plain
from inception.files import replacing
from inception.robustness.corrupted import Corrupted
from inception.robustness.corruptions import STRENGTHS
from inception.text import shown


@plain()
def draw_corruptions(told: Corrupted, path: Path) -> None:
    """Top-1 against strength, a line a corruption, the pictures as they are at 0, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
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
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
