"""How well zero-cost scores rank networks by what training them comes to.

python benchmarks/zero_cost.py DATA --candidates 16 --budget-macs 4M --pictures 500

Draws of the search's space, all narrowed to one budget, are scored untrained, then trained alike
for a short while.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

from inception.models.spec import Spec
from inception.search.budget import Budget, Pricing, fitted, parse_count
from inception.search.filtering import first_pictures, scored
from inception.search.sampling import Dice, Space, draw
from inception.search.space import decode
from inception.search.study import ScoreName
from inception.search.trainer import SHORT, open_task, short_training

Numbers = npt.NDArray[np.float64]
AGAIN = 1000  # drawings of the bootstrap


def rank_table(accuracies: Sequence[float], told: Callable[[ScoreName], Sequence[float]]) -> None:
    """Prints, of each score, its rank correlation with the accuracies, equal values sharing ranks.

    With an interval of 95 % from drawing the candidates again.
    """
    known, count = np.array(accuracies), len(accuracies)
    print(f"{count} candidates, {100 * known.min():.1f} to {100 * known.max():.1f} %")
    print(f"{'score':<20} {'Spearman':>8}  {'95 % of it':>14}  {'Kendall':>7}")
    rng = np.random.default_rng(0)
    again = [rng.integers(count, size=count) for _ in range(AGAIN)]
    for name in get_args(ScoreName):
        values = np.array(told(name))
        drawn = [spearman(values[rows], known[rows]) for rows in again]
        low, high = np.percentile(drawn, (2.5, 97.5))
        found = (spearman(values, known), float(kendalltau(values, known)[0]))
        print(f"{name:<20} {found[0]:>+8.2f}  {low:>+6.2f} to {high:>+.2f}  {found[1]:>+7.2f}")


def spearman(first: Numbers, second: Numbers) -> float:
    """0 where one of both never changes."""
    return float(spearmanr(first, second)[0]) if np.ptp(first) and np.ptp(second) else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--budget-macs", default="4M")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--choosing", type=int, default=1000, help="most pictures to judge by")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    config = replace(SHORT, image_size=asked.image_size, epochs=asked.epochs,
                     batch_size=asked.batch_size, threads=asked.threads)  # fmt: skip
    task = open_task(asked.data, config, asked.pictures)
    task = replace(task, choosing=task.choosing.limited(asked.choosing))
    budget = Budget(parse_count(asked.budget_macs, "--budget-macs"))
    classes, space = len(task.train.classes), Space(image_sizes=(asked.image_size,))
    specs: list[Spec] = []
    seed = 0
    while len(specs) < asked.candidates:
        genome = fitted(draw(space, Dice(seed)), budget, Pricing(), classes)
        specs += [decode(genome, classes, f"draw_{seed}")] if genome else []
        seed += 1
    accuracies = []
    with TemporaryDirectory() as folder:
        for number, spec in enumerate(specs):
            accuracies.append(short_training(spec, task, Path(folder) / str(number)))
            price = Pricing().of(spec)
            print(f"{spec.name:<8} {100 * accuracies[-1]:.2f} %, {price.multiply_adds:,} "
                  f"multiply-adds, {price.parameters:,} parameters", flush=True)  # fmt: skip
    print(f"mean {100 * statistics.fmean(accuracies):.2f} %")
    batch = first_pictures(task, 0, asked.image_size)
    rank_table(accuracies, lambda name: [scored(name, spec, batch, 0) for spec in specs])


if __name__ == "__main__":
    main()
