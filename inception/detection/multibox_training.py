"""Training of a MultiBox's head on features of frozen stages, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.data.images import Picture, UnreadableImageError
from inception.data.loading import epoch_plan
from inception.detection.boxes import Boxes, encode, match
from inception.detection.datasets import DetectionSet
from inception.detection.multibox import (
    DEVIATIONS,
    MULTIBOX,
    MultiBox,
    design,
    feature_engine,
    squashed,
)
from inception.detection.priors import GRID, cluster, pooling
from inception.errors import InputError
from inception.evaluation.counting import check_unreadable
from inception.machine import torch_threads
from inception.prediction import find_model
from inception.weights.model_file import read_info, read_weights, save_model

ALPHA = 0.3  # of the places' loss, beside 1 for the confidences' (arXiv:1312.2249)
CROPPED = (0.5, 1.0)  # sides of random parts, as shares of the picture's
LEAST_LEFT = 0.5  # of an object's area, for it to count in a part of the picture
SUREST = 10  # of a picture's most confident boxes at first: the share that the bias stands for


@dataclass(frozen=True)
class HeadSettings:
    """How the head learns.

    Attributes:
        boxes: how many it predicts.
        stage: whose features it sees.
        views: of each picture: itself, its mirror image, then random parts.
        epochs: passes over all views.
        batch_size: views an update is made of.
        lr: of AdamW, falling to 0 as a cosine.
        seed: of everything random.
    """

    boxes: int = 200
    stage: str | None = None
    views: int = 6
    epochs: int = 20
    batch_size: int = 16
    lr: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("boxes", "views", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"{name} of a MultiBox must be at least 1; got {getattr(self, name)}"
                )
        if not 0 < self.lr < float("inf"):
            raise InputError(f"lr of a MultiBox must be above 0; got {self.lr}")


class View(NamedTuple):
    """A picture as it is shown, and the objects on it, as shares of its sides."""

    picture: Picture
    boxes: Boxes


class Losses(NamedTuple):
    """Means over the pictures of an epoch."""

    places: float
    confidences: float


def train_multibox(
    dataset: DetectionSet,
    init: str | Path,
    out: Path,
    settings: HeadSettings | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
    max_unreadable: float = 0.01,
    progress: Callable[[str, int, int], object] = lambda what, done, total: None,
) -> Losses:
    """Trains a head on a model's frozen stages and writes both as one file.

    Args:
        dataset: to learn from.
        init: the MODEL whose stages are taken.
        out: the file.
        settings: how.
        device: of the stages; the head learns on the CPU.
        threads: by default as many as there are cores.
        max_unreadable: share of pictures that may be.
        progress: told what is going on, how much is done, and of how much.

    Raises:
        InputError: no objects to learn from, a model without such a stage, unreadable pictures.
    """
    settings = settings or HeadSettings()
    path = find_model(init)
    made = design(read_info(path).spec, settings.stage, boxes=settings.boxes)
    weights = read_weights(path)
    engine = feature_engine(made, weights, device=device, threads=threads)
    features, boxes, unreadable = [], [], []
    for index in range(len(dataset)):
        try:
            seen = list(views(dataset, index, settings))
        except UnreadableImageError as error:
            unreadable.append((error.name, error.reason))
            continue
        shown = np.stack([squashed(view.picture, made) for view in seen])
        features.append(engine.run(shown)[f"features:{made.stage}"].astype(np.float16))
        boxes += [view.boxes for view in seen]
        progress("features", index + 1, len(dataset))
    check_unreadable(len(unreadable), len(dataset), unreadable, max_unreadable)
    priors = cluster(np.concatenate([np.empty((0, 4)), *boxes]), settings.boxes, seed=settings.seed)
    if not len(priors):
        raise InputError(f"no objects to learn from in {dataset.place}, split {dataset.split}")
    made = replace(made, boxes=len(priors), training=_record(dataset, init, settings))
    with torch_threads(threads):
        head = _learnt(made, priors, np.concatenate(features), boxes, settings, progress)
    stages = tuple(f"{name}." for name in made.network.stages)
    own = {n: torch.from_numpy(w) for n, w in weights.items() if n.startswith(stages)}
    own |= {f"{MULTIBOX}.{name}": tensor for name, tensor in head.module.tensors().items()}
    save_model(out, own, made)
    return head.losses


def _record(dataset: DetectionSet, init: str | Path, settings: HeadSettings) -> dict[str, Any]:
    return {
        "init": str(init),
        "data": {"place": str(dataset.place), "split": dataset.split, "digest": dataset.digest()},
        "settings": vars(settings),
    }


def views(dataset: DetectionSet, index: int, settings: HeadSettings) -> Sequence[View]:
    """A picture itself, mirrored, and random parts of it; what they show depends on the seed.

    Raises:
        UnreadableImageError: it cannot be read.
    """
    picture, objects = dataset.read(index), dataset.objects(index)
    wanted = objects.boxes_xyxy[~objects.ignored]
    height, width = picture.shape[:2]
    rng = np.random.default_rng([settings.seed, index])
    made = []
    for number in range(settings.views):
        part = np.array([0, 0, width, height])
        if number > 1:
            sides = np.maximum(rng.uniform(*CROPPED, 2) * (width, height), 1).astype(int)
            start = rng.integers(0, (width, height) - sides + 1)
            part = np.concatenate([start, start + sides])
        made.append(_view(picture, wanted, part, mirrored=number % 2 == 1))
    return made


def _view(picture: Picture, boxes: Boxes, part: npt.NDArray[Any], *, mirrored: bool) -> View:
    x1, y1, x2, y2 = map(int, part)
    inside = np.clip(boxes.astype(np.float64), [x1, y1] * 2, [x2, y2] * 2)
    areas = [(b[:, 2:] - b[:, :2]).prod(axis=1) for b in (inside, boxes.astype(np.float64))]
    inside = inside[areas[0] >= LEAST_LEFT * areas[1]]
    shares = (inside - [x1, y1] * 2) / ([x2 - x1, y2 - y1] * 2)
    shown = picture[y1:y2, x1:x2]
    if mirrored:
        shares = shares[:, [2, 1, 0, 3]]
        shares[:, [0, 2]] = 1 - shares[:, [0, 2]]
        shown = shown[:, ::-1]
    return View(np.ascontiguousarray(shown), shares)


class Head(nn.Module):
    """``multibox.head`` as a module."""

    def __init__(
        self, made: MultiBox, priors: npt.NDArray[np.float32], grid: tuple[int, int]
    ) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(made.network.num_classes, made.reduced, 1)
        self.hidden = nn.Linear(made.reduced * GRID**2 + 4, made.hidden)
        self.out = nn.Linear(made.hidden, 5)
        rows, columns = pooling(priors, *grid)
        self.priors, self.rows, self.columns = map(torch.from_numpy, (priors, rows, columns))
        nn.init.zeros_(self.out.weight)  # every prior where it is, and none of them sure
        nn.init.zeros_(self.out.bias)
        self.out.bias.data[4] = -float(np.log(max(len(priors) / SUREST, 2) - 1))

    def forward(self, features: Tensor) -> Tensor:
        """``[N, K, 5]`` of ``[N, C, H, W]``."""
        reduced = F.relu(self.reduce(features))
        high = torch.einsum("kih,nrhw->nkirw", self.rows, reduced)
        cells = torch.einsum("nkirw,kjw->nkirj", high, self.columns).flatten(2)
        priors = self.priors.expand(len(features), -1, -1)
        told: Tensor = self.out(F.relu(self.hidden(torch.cat([cells, priors], dim=2))))
        return told

    def tensors(self) -> dict[str, Tensor]:
        """The weights by the names in ``MultiBox.shapes``."""
        own = {name: tensor.detach() for name, tensor in self.named_parameters()}
        return {**own, "reduce.weight": own["reduce.weight"].flatten(1), "priors": self.priors}


class Learnt(NamedTuple):
    """A trained head, and its losses in the last epoch."""

    module: Head
    losses: Losses


def _learnt(
    made: MultiBox,
    priors: npt.NDArray[np.float32],
    features: npt.NDArray[np.float16],
    boxes: Sequence[Boxes],
    settings: HeadSettings,
    progress: Callable[[str, int, int], object],
) -> Learnt:
    """The head after ``settings.epochs``; one thread of random numbers, so runs are equal."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        module = Head(made, priors, features.shape[2:])
    targets = [matched(priors, each) for each in boxes]
    optimiser = torch.optim.AdamW(module.parameters(), lr=settings.lr, weight_decay=1e-4)
    plans = [
        epoch_plan(len(features), settings.batch_size, settings.seed, epoch)
        for epoch in range(settings.epochs)
    ]
    steps = sum(map(len, plans))
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    sums = np.zeros(2)
    for epoch, plan in enumerate(plans):
        sums = np.zeros(2)
        for rows in plan:
            told = module(torch.from_numpy(features[rows].astype(np.float32)))
            places, confidences = losses(told, [targets[row] for row in rows])
            optimiser.zero_grad()
            loss = ALPHA * places + confidences
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            falling.step()
            sums += [each.item() * len(rows) for each in (places, confidences)]
        if not np.isfinite(sums).all():
            raise InputError("the MultiBox's loss is no number any more: a lower --lr may help")
        progress("epochs", epoch + 1, settings.epochs)
    return Learnt(module, Losses(*(sums / len(features)).tolist()))


class Target(NamedTuple):
    """Which priors are of objects, and the offsets that lead there, ``[n, 4]``."""

    priors: Tensor
    offsets: Tensor


def matched(priors: npt.NDArray[np.float32], boxes: Boxes) -> Target:
    """One prior for each object, so that half the squared distances add up to least."""
    distances = ((boxes[:, None] - priors[None].astype(np.float64)) ** 2).sum(axis=2) / 2
    rows, columns = match(distances)
    offsets = encode(boxes[rows], priors[columns]) / DEVIATIONS
    return Target(torch.from_numpy(columns), torch.from_numpy(offsets.astype(np.float32)))


def losses(told: Tensor, targets: Sequence[Target]) -> tuple[Tensor, Tensor]:
    """MultiBox's two losses, sums over a picture, means over pictures.

    Args:
        told: ``[N, K, 5]``.
        targets: of each picture.

    Returns:
        Half the squared distance of matched offsets, and the log loss of all confidences.
    """
    right = torch.zeros(told.shape[:2])
    places = told.new_zeros(())
    for own, wanted, flags in zip(told, targets, right, strict=True):
        flags[wanted.priors] = 1
        places = places + (own[wanted.priors, :4] - wanted.offsets).square().sum() / 2
    confidences = F.binary_cross_entropy_with_logits(told[..., 4], right, reduction="sum")
    return places / len(told), confidences / len(told)
