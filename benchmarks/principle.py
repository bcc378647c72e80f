"""The nine rows of Table 1 beside widths proposed from correlations, in a trained GoogLeNet.

python benchmarks/principle.py DATA --pictures 64
"""

import argparse

import numpy as np
import torch

from inception.data.crops import views
from inception.data.datasets import open_data
from inception.models.googlenet import MODULES, Widths
from inception.models.network import Normalise
from inception.prediction import load
from inception.search.beliefs import rank_correlation
from inception.search.principle import proposed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--model", default="cats-and-dogs")
    parser.add_argument("--pictures", type=int, default=64)
    asked = parser.parse_args()
    model = load(asked.model)
    train, _ = open_data(asked.data).for_training(0)
    shown = train.limited(asked.pictures)
    pictures = np.concatenate(
        [views(shown.read(i), model.preprocessing) for i in range(len(shown))]
    )
    with torch.no_grad():
        features = model.network.features(
            Normalise(model.preprocessing)(torch.from_numpy(pictures))
        )
    stages = list(features)
    print("module      " + "  ".join(f"{name:>10}" for name in Widths._fields) + "   wide share")
    by_hand: list[tuple[float, Widths]] = []
    found: list[tuple[float, Widths]] = []
    for name, widths in MODULES.items():
        before = stages[stages.index(f"inception_{name}") - 1]
        outputs = widths.conv1x1 + widths.conv3x3 + widths.conv5x5 + widths.pool_proj
        ours = proposed(features[before].numpy(), outputs, widths.pool_proj)
        for who, row in (("by hand", widths), ("proposed", ours)):
            share = (row.conv3x3 + row.conv5x5) / sum((*row[:1], row.conv3x3, *row[4:]))
            (by_hand if who == "by hand" else found).append((share, row))
            cells = "  ".join(f"{width:>10}" for width in row)
            print(f"{name} {who:<8} {cells}   {100 * share:>8.1f} %", flush=True)
    for column, place in (("conv3x3", 2), ("conv5x5", 4), ("reduce3x3", 1), ("reduce5x5", 3)):
        pairs = [[row[place] for _, row in rows] for rows in (by_hand, found)]
        print(f"rank correlation of {column} with the hand-made: {rank_correlation(*pairs):+.2f}")
    for who, rows in (("by hand", by_hand), ("proposed", found)):
        rise = rank_correlation(range(len(rows)), [share for share, _ in rows])
        print(f"share of 3x3 and 5x5 with depth, {who}: {rise:+.2f}")


if __name__ == "__main__":
    main()
