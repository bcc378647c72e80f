"""Another domain, the same algorithm: modules with kernels 1 px high on signals, searched.

python benchmarks/signals.py OSULeaf --every 2 --budget-macs 1M --out runs/signals

Beside plain stacks of 1xk convolutions of the same depth and at most the same multiply-adds, and
beside random search with the same trials. What is left of the training signals chooses; the test
signals are seen once, by networks trained anew on all training signals. Zero-cost scores of the
same candidates are held against what training them came to.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from zero_cost import rank_table

from inception.files import cache_folder
from inception.models.build import build
from inception.models.cost import cost
from inception.models.spec import Conv, Layers, Spec, leaves
from inception.models.variants import wider
from inception.search.beliefs import beliefs
from inception.search.budget import Budget, Pricing, parse_count
from inception.search.outcome import best
from inception.search.sampling import Told, draw, hand_made, signal_space
from inception.search.space import decode
from inception.search.study import Candidate, Plan, candidates, open_study
from inception.search.worker import Worker
from inception.search.zero_cost import score

WHEEL = "aeon-1.6.0-py3-none-any.whl"  # ships small sets of the UCR archive; its data alone is used
BATCH, RATE, DECAY, SMOOTHING = 32, 3e-3, 1e-3, 0.1
PRICING = Pricing(height=1)


@dataclass(frozen=True)
class Signals:
    """Labelled signals: ``x [N, channels, 1, length]`` float32, ``y [N]``."""

    x: torch.Tensor
    y: torch.Tensor

    def of(self, rows: Any) -> "Signals":
        """Those of some rows."""
        return Signals(self.x[rows], self.y[rows])


def wheel() -> Path:
    """The package's file in the cache, through pip; nothing of it is installed."""
    path = cache_folder() / WHEEL
    if not path.exists():
        asked = "aeon==" + WHEEL.split("-")[1]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(path.parent)]
        subprocess.run([*command, asked], check=True)
    return path


def read(name: str, every: int) -> tuple[Signals, Signals, list[str]]:
    """Training and test signals, standardised by the training ones, and the classes."""
    parts, folder = [], name.removesuffix("_eq")  # series brought to one length lie beside them
    with zipfile.ZipFile(wheel()) as file:
        for split in ("TRAIN", "TEST"):
            text = file.read(f"aeon/datasets/data/{folder}/{name}_{split}.ts").decode()
            parts.append(list(rows(text)))
    classes = sorted({label for _, label in parts[0]})
    x = [torch.tensor(np.stack([values for values, _ in part])) for part in parts]
    x = [F.avg_pool1d(each, every) for each in x]
    mean = x[0].mean(dim=(0, 2), keepdim=True)
    std = x[0].std(dim=(0, 2), keepdim=True)
    y = [torch.tensor([classes.index(label) for _, label in part]) for part in parts]
    made = [Signals(((a - mean) / std)[:, :, None], b) for a, b in zip(x, y, strict=True)]
    print(f"{folder}: {list(made[0].x.shape)} to learn from, {len(made[1].y)} to test on")
    return made[0], made[1], classes


def rows(text: str) -> Iterator[tuple[Any, str]]:
    """``[channels, length]`` and the label of each line after ``@data``."""
    for line in text.partition("@data")[2].split():
        *channels, label = line.split(":")
        yield np.array([c.split(",") for c in channels], np.float32), label


def split(signals: Signals, share: float, seed: int) -> tuple[Signals, Signals]:
    """Two parts, the first of so large a share of every class."""
    rng, first = np.random.default_rng(seed), np.zeros(len(signals.y), bool)
    labels = signals.y.numpy()
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        first[members[: round(share * len(members))]] = True
    return signals.of(first), signals.of(~first)


def trained(spec: Spec, train: Signals, judge: Signals, *, epochs: int, seed: int) -> float:
    """Accuracy after the last epoch: AdamW, one warm-up epoch, then down to 0 by a cosine."""
    torch.manual_seed(seed)
    network = build(spec).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY, fused=True)
    batches = len(train.y) // BATCH
    total = epochs * batches
    warmth = [min(1.0, (n + 1) / batches) for n in range(total)]
    rate = [w * (1 + np.cos(np.pi * n / total)) / 2 for n, w in enumerate(warmth)]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: rate[min(n, total - 1)])
    for _ in range(epochs):
        order = torch.randperm(len(train.y))[: batches * BATCH]
        for part in order.reshape(batches, BATCH):
            loss = F.cross_entropy(network(train.x[part]), train.y[part], label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        return float((network(judge.x).argmax(dim=1) == judge.y).float().mean())


def widest(make: Callable[[float], Spec], most: int) -> Spec:
    """The network at the factor, in 64ths, at which it computes most within the budget."""
    priced = [
        (PRICING.of(spec).multiply_adds, spec) for n in range(1, 97) if (spec := make(n / 64))
    ]
    within = [each for each in priced if each[0] <= most]
    if not within:
        raise SystemExit(f"no network fits {most:,} multiply-adds")
    return max(within, key=lambda each: each[0])[1]


def plain(modules: Spec, kernel: int) -> Spec:
    """Two convolutions 1xk, the modules' depth, in place of each module, as many channels out."""
    counted = cost(modules, (1, modules.image_size))
    ends = {stage.name: stage.end.shape.channels for stage in counted.stages}
    norm = next(la.norm for la in leaves(modules.stages) if isinstance(la, Conv))

    def layers(name: str) -> Layers:
        if not name.startswith("inception_"):
            return modules.stages[name]
        conv = Conv(ends[name], (1, kernel), norm=norm)
        return {"conv1": conv, "conv2": conv}

    return replace(modules, name=f"plain 1x{kernel}", stages={n: layers(n) for n in modules.stages})


class Bench:
    """One data set, one budget, and where the studies are kept."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.train, self.test, self.classes = read(asked.data, asked.every)
        self.learning, self.choosing = split(self.train, 0.67, 0)
        _, channels, _, length = self.train.x.shape
        self.space = signal_space(channels, length, modules=((1, 2), (1, 3)))
        self.most = parse_count(asked.budget_macs, "--budget-macs")
        self.folder = asked.out / f"{asked.data}-{asked.budget_macs}"

    def by_hand(self) -> Spec:
        """GoogLeNet's 3a, 3b, 4a, 4b and 4c with 1x3 and 1x5 for 3x3 and 5x5."""
        whole = replace(self.space, modules=((2, 2), (5, 5), (2, 2)))
        genome = draw(whole, Told(hand_made(whole)))
        cut = replace(genome, stages=(genome.stages[0], genome.stages[1][:3]))
        return decode(cut, len(self.classes), "modules by hand")

    def short(self, spec: Spec, seed: int) -> float:
        """A candidate's accuracy on the choosing signals."""
        return trained(spec, self.learning, self.choosing, epochs=self.asked.epochs, seed=seed)

    def long(self, spec: Spec, seed: int) -> float:
        """A finalist's accuracy on the test signals, trained on all others."""
        return trained(spec, self.train, self.test, epochs=self.asked.final_epochs, seed=seed)

    def search(self, sampler: Any, seed: int) -> list[Candidate]:
        """A study's candidates; one that was begun goes on."""
        plan = Plan(
            {"signals": self.asked.data, "epochs": self.asked.epochs},
            self.space,
            Budget(self.most),
            sampler,
            halving=False,
            seed=seed,
        )
        folder = self.folder / f"{sampler}-{seed}"
        study = open_study(str(folder / "study.journal"), plan)
        task: Any = SimpleNamespace(train=SimpleNamespace(classes=self.classes))

        def train(spec: Spec, *_: Any, reached: Callable[[list[float]], bool], **__: Any) -> float:
            accuracy = self.short(spec, seed)
            reached([accuracy])
            return accuracy

        Worker(study, plan, task, folder, pricing=PRICING, train=train).run(self.asked.trials)
        return candidates(study)

    def compare(self) -> dict[str, list[dict[str, float]]]:
        """By name of the network, what each seed came to."""
        table: dict[str, list[dict[str, float]]] = {}

        def add(name: str, spec: Spec, seed: int, **more: float) -> None:
            price, began = PRICING.of(spec), time.process_time()
            row = {"test": self.long(spec, seed), "macs": price.multiply_adds}
            row |= {"parameters": price.parameters, **more}
            table.setdefault(name, []).append(row)
            taken = time.process_time() - began
            print(f"{name:<18} seed {seed}: {100 * row['test']:.2f} %, {taken:.0f} s", flush=True)

        hand = self.by_hand()
        fixed = [hand, *(plain(hand, kernel) for kernel in (3, 5, 9))]
        fixed = [widest(partial(wider, spec), self.most) for spec in fixed]
        for seed in self.asked.seeds:
            for spec in fixed:
                add(spec.name, spec, seed)
            for sampler in ("random", "tpe"):
                winner = best(self.search(sampler, seed))
                if winner is not None:
                    told = beliefs(winner.genome)
                    share = statistics.fmean(m.wide_share for m in told.modules)
                    more = {"chosen at": winner.accuracy or 0.0, "wide": share, "rise": told.rise}
                    add(f"found, {sampler}", decode(winner.genome, len(self.classes)), seed, **more)
        return table

    def correlations(self) -> None:
        """Of each zero-cost score with the accuracy that random search's candidates came to."""
        found = [c for seed in self.asked.seeds for c in self.search("random", seed)]
        first = self.learning.x[:BATCH], self.learning.y[:BATCH]
        specs = [decode(c.genome, len(self.classes)) for c in found]
        accuracies = [c.accuracy or 0.0 for c in found]
        rank_table(accuracies, lambda name: [score(name, spec, *first) for spec in specs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="OSULeaf, JapaneseVowels_eq, ArrowHead, GunPoint, ACSF1, ...")
    parser.add_argument("--every", type=int, default=1, help="samples averaged to one")
    parser.add_argument("--budget-macs", default="1M")
    parser.add_argument("--trials", type=int, default=20, help="of each search")
    parser.add_argument("--epochs", type=int, default=15, help="of a candidate")
    parser.add_argument("--final-epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--scores", action="store_true", help="of candidates trained before")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/signals"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    bench, began = Bench(asked), time.process_time()
    if asked.scores:
        bench.correlations()
        return
    table = bench.compare()
    (bench.folder / "table.json").write_text(json.dumps(table, indent=1))
    print(f"\n{'':<18} {'test, mean and deviation':>25} {'multiply-adds':>14} {'parameters':>11}")
    for name, each in table.items():
        test = [100 * row["test"] for row in each]
        spread = statistics.stdev(test) if len(test) > 1 else 0.0
        macs, parameters = (statistics.fmean(r[n] for r in each) for n in ("macs", "parameters"))
        print(f"{name:<18} {statistics.fmean(test):>15.2f} ± {spread:.2f} % "
              f"{macs:>14,.0f} {parameters:>11,.0f}")  # fmt: skip
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
