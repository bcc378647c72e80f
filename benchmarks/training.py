"""Where the time of a training step goes, and how fast training is: before, now, torchvision.

On one core, fp32, pictures of a data set read, decoded and augmented as training does. "Before" is
the same loop without what makes it cheap: nothing written over, memory from the system each time,
weights' gradients by oneDNN, an update of many passes, pictures decoded every time. torchvision's
loop is its documentation's: PIL, its transforms, its eager GoogLeNet with both heads. All with
AdamW, turn by turn.
"""

from __future__ import annotations

import argparse
import copy
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from setting import DATA, show
from torch import nn

from inception.benchmark import import_torchvision
from inception.benchmark.rounds import Timing, median
from inception.data.datasets import Dataset, open_data
from inception.data.decoded import DecodedPictures
from inception.data.transforms import augment
from inception.machine import memory_kept, torch_threads
from inception.models import MODELS
from inception.models.build import build
from inception.models.network import Normalise
from inception.training.losses import losses_by_head, total_loss
from inception.training.optimisers import WeightAverage, create_optimiser
from inception.training.recipes import recipe
from inception.training.weight_gradients import cheap_weight_gradients

BATCH = 64
PARTS = ("decode", "augment", "forward", "backward", "update", "average")
CONFIG = replace(recipe("small-data"), device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 128], help="px")
    options = parser.parse_args()
    train = open_data(DATA / "imagenette").splits["train"]
    with torch_threads(1):
        for size in options.sizes:
            compare(train, size, options.rounds)


def compare(train: Dataset, size: int, rounds: int) -> None:
    """Prints pictures for each second of processor time, and the parts of a step."""
    rows = np.random.default_rng(0).permutation(len(train))[:BATCH]
    ways: dict[str, Way] = {
        "torchvision, eager": Torchvision(train, rows, size),
        "before": Ours(train, rows, size, cheap=False),
        "now": Ours(train, rows, size, cheap=True),
    }
    for way in ways.values():
        way.turn()
        way.took.clear()
    for number in range(rounds):
        for way in list(ways.values())[:: -1 if number % 2 else 1]:
            way.turn()
    table, before = [], ways["before"].steps()
    for name, way in ways.items():
        steps = way.steps()
        ratio = median([b / s for b, s in zip(before.seconds, steps.seconds, strict=True)])
        shares = [1000 * Timing(tuple(way.took[part])).median for part in PARTS]
        rate = f"{BATCH / steps.median:.1f} ± {100 * steps.spread:.0f} %"
        table.append([name, rate, f"{ratio:.2f}", *(f"{share:.0f}" for share in shares)])
    columns = ["", "pictures/s", "× before", *(f"{part} ms" for part in PARTS)]
    show(f"a training step, googlenet_bn, batch {BATCH}, {size} px, one core", columns, table)
    print("loss of the last step:", {n: round(w.loss, 3) for n, w in ways.items()})


class Way(ABC):
    """A loop over one batch, and what each part of its steps took in processor time."""

    loss = 0.0

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)

    def turn(self) -> None:
        """One step whose memory and caches are warm, after one that warms them."""
        self.step(lambda part, act: act())
        self.step(self.timed)

    @abstractmethod
    def step(self, run: Callable[[str, Callable[[], Any]], Any]) -> None:
        """Learns from the batch once, each part by ``run``."""

    def timed(self, part: str, act: Callable[[], Any]) -> Any:
        """What ``act`` gives, its time noted."""
        began = time.process_time()
        result = act()
        self.took[part].append(time.process_time() - began)
        return result

    def steps(self) -> Timing:
        """Seconds of whole steps."""
        return Timing(tuple(map(sum, zip(*self.took.values(), strict=True))))


class Ours(Way):
    """The package's own loop, as it is or as it was."""

    def __init__(self, train: Dataset, rows: Any, size: int, *, cheap: bool) -> None:
        super().__init__()
        self.rows, self.size, self.cheap = rows, size, cheap
        self.labels = torch.from_numpy(train.labels[rows])
        spec = replace(MODELS["googlenet_bn"], num_classes=len(train.classes))
        torch.manual_seed(0)
        self.network = build(spec).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.averaged, self.normalise = copy.deepcopy(self.network), Normalise(spec.preprocessing)
        self.read = DecodedPictures(train, 1000 if cheap else 0).read
        self.optimiser = create_optimiser(self.network, CONFIG if cheap else _unfused())
        self.average = WeightAverage(self.network, self.averaged, CONFIG)
        for module in self.network.modules():
            if isinstance(module, nn.ReLU) and not cheap:
                module.inplace = False

    def turn(self) -> None:
        """Likewise, in memory that stays where it is cheap."""
        if not self.cheap:
            return super().turn()
        with memory_kept(), cheap_weight_gradients(torch.device("cpu"), "fp32"):
            super().turn()

    def step(self, run: Callable[[str, Callable[[], Any]], Any]) -> None:
        """As ``Training`` does it."""
        pictures = run("decode", lambda: [self.read(int(i)) for i in self.rows])
        rng, how = np.random.default_rng(0), CONFIG.augmentation()
        x = run("augment", lambda: np.stack([augment(p, self.size, how, rng) for p in pictures]))
        self.optimiser.zero_grad()
        loss = run("forward", lambda: self._loss(torch.from_numpy(x)))
        run("backward", loss.backward)
        run("update", self._update)
        run("average", lambda: self.average.update(1, 100))
        self.loss = float(loss.detach())

    def _loss(self, x: torch.Tensor) -> torch.Tensor:
        logits, aux = self.network(self.normalise(x), aux=True)
        return total_loss(losses_by_head(logits, aux, self.labels, label_smoothing=0.1), 0.3)

    def _update(self) -> None:
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()


class Torchvision(Way):
    """What its documentation would have one write."""

    def __init__(self, train: Dataset, rows: Any, size: int) -> None:
        super().__init__()
        self.encoded = [train.encoded(int(i)) for i in rows]
        self.labels = torch.from_numpy(train.labels[rows])
        models, transforms = import_torchvision().models, import_module("torchvision.transforms")
        torch.manual_seed(0)
        self.network = models.googlenet(weights=None, num_classes=10, init_weights=False).train()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), 1e-3)
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(size, (0.3, 1.0), antialias=True),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def step(self, run: Callable[[str, Callable[[], Any]], Any]) -> None:
        """As its references do it."""
        pictures = run("decode", lambda: [_rgb(content) for content in self.encoded])
        x = run("augment", lambda: torch.stack([self.transform(p) for p in pictures]))
        self.optimiser.zero_grad()
        loss = run("forward", lambda: self._loss(x))
        run("backward", loss.backward)
        run("update", self.optimiser.step)
        run("average", lambda: None)
        self.loss = float(loss.detach())

    def _loss(self, x: torch.Tensor) -> torch.Tensor:
        logits, later, earlier = self.network(x)
        loss = nn.functional.cross_entropy
        heads: torch.Tensor = loss(later, self.labels) + loss(earlier, self.labels)
        return loss(logits, self.labels) + 0.3 * heads


def _rgb(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("RGB")


def _unfused() -> Any:
    """The recipe as where the optimiser is torch's own choice."""
    return replace(CONFIG, device="cuda")


if __name__ == "__main__":
    main()
