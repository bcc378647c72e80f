"""A network evaluated on pictures as they are, and as an adversary who knows it changes them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inception.data.crops import views
from inception.data.datasets import Dataset
from inception.data.images import Picture, UnreadableImageError
from inception.data.ordered import ordered_map
from inception.errors import InputError
from inception.evaluation.counting import Cell, Counted
from inception.evaluation.evaluate import Evaluation, conclude, identified
from inception.evaluation.metrics import Tally
from inception.evaluation.request import Request
from inception.machine import available_cores, torch_threads
from inception.models.network import InceptionNet, Normalise
from inception.prediction import find_original
from inception.robustness.attacks import Attack
from inception.runtime.torch_engine import pick_device
from inception.weights.model_file import load_model, read_info

SEED = 0  # of the random starts, with the picture's number: the batch does not matter


@dataclass(frozen=True)
class Attacked:
    """Accuracies on the same pictures.

    Attributes:
        fooled: share of the pictures that were right and no longer are.
    """

    attack: Attack
    clean: Evaluation
    robust: Evaluation
    fooled: float

    def to_json(self) -> dict[str, Any]:
        """The attack, and both evaluations."""
        how = {"kind": self.attack.kind, "eps": self.attack.eps}
        steps = {"steps": self.attack.steps} if self.attack.kind == "pgd" else {}
        return {
            "attack": {**how, **steps},
            "images": self.clean.images,
            "clean_accuracy": self.clean.top1_accuracy,
            "robust_accuracy": self.robust.top1_accuracy,
            "fooled": self.fooled,
            "clean": self.clean.to_json(),
            "robust": self.robust.to_json(),
        }


def evaluate_attacked(
    model: str | Path, data: str | Path, attack: Attack, how: Request
) -> Attacked:
    """A MODEL on a labelled set, one crop of each picture, clean and attacked.

    Raises:
        InputError: no such model, data or device, an ensemble or an exported file, which have no
            gradients here, or too many unreadable pictures.
    """
    path = find_original(model)
    if how.engine not in ("auto", "torch"):
        raise InputError(f"an attack needs gradients: torch, not --engine {how.engine}")
    info = read_info(path)
    whole = how.whole(data, info.classes)
    dataset = whole.limited(how.limit)
    network = load_model(path).network.eval().to(pick_device(how.device))
    network.requires_grad_(False)
    counts = _Counts(len(dataset.classes))
    began = time.perf_counter()
    with torch_threads(how.threads):
        for batch in _batches(network, dataset, how, counts):
            _count(network, batch, attack, counts)
            how.progress(counts.clean.images + len(counts.unreadable), len(dataset))
    seconds = time.perf_counter() - began
    results = [
        identified(
            conclude(
                [Counted({Cell(1, 1): tally}, counts.unreadable)], dataset, models=(str(model),),
                engine="torch", seconds=seconds, max_unreadable=how.max_unreadable,
            ),
            whole, [info],
        )
        for tally in (counts.clean, counts.robust)
    ]  # fmt: skip
    return Attacked(attack, results[0], results[1], counts.fooled / max(counts.right, 1))


class _Counts:
    def __init__(self, classes: int) -> None:
        self.clean, self.robust = Tally(classes), Tally(classes)
        self.right, self.fooled = 0, 0
        self.unreadable: list[tuple[int, str, str]] = []


@dataclass(frozen=True)
class _Batch:
    """Squares with where their attacks start, and their labels."""

    squares: Tensor
    starts: Tensor
    labels: Tensor


def _batches(
    network: InceptionNet, dataset: Dataset, how: Request, counts: _Counts
) -> Iterator[_Batch]:
    preprocessing = network.spec.preprocessing
    device = next(network.parameters()).device

    def prepare(index: int) -> tuple[int, Picture | UnreadableImageError]:
        try:
            return index, views(dataset.read(index), preprocessing)[0]
        except UnreadableImageError as error:
            return index, error

    threads = how.threads or available_cores()
    prepared = ordered_map(
        prepare, range(len(dataset)), threads=threads, ahead=how.batch_size + 2 * threads
    )
    while batch := list(islice(prepared, how.batch_size)):
        good = [(i, x) for i, x in batch if not isinstance(x, UnreadableImageError)]
        missed = ((i, x) for i, x in batch if isinstance(x, UnreadableImageError))
        counts.unreadable += [(i, dataset.path(i), x.reason) for i, x in missed]
        if good:
            squares = torch.from_numpy(np.stack([x for _, x in good])).to(device).float()
            starts = torch.from_numpy(_starts([i for i, _ in good], squares.shape[1])).to(device)
            labels = torch.from_numpy(dataset.labels[[i for i, _ in good]]).to(device)
            yield _Batch(squares, starts, labels)


def _starts(indices: Sequence[int], side: int) -> np.ndarray[Any, Any]:
    """``[N, side, side, 3]``, from -1 to 1, each picture's own."""
    rngs = (np.random.default_rng([SEED, index]) for index in indices)
    return np.stack([rng.uniform(-1, 1, (side, side, 3)).astype(np.float32) for rng in rngs])


def _count(network: InceptionNet, batch: _Batch, attack: Attack, counts: _Counts) -> None:
    normalise = Normalise(network.spec.preprocessing).to(batch.squares.device)

    def logits(x: Tensor) -> Tensor:
        told: Tensor = network(normalise(x))
        return told

    start = batch.starts if attack.kind == "pgd" else None
    changed = attack(logits, batch.squares, batch.labels, start)
    with torch.inference_mode():
        told = [logits(x).softmax(dim=1).cpu().numpy() for x in (batch.squares, changed)]
    for label, clean, robust in zip(batch.labels.tolist(), *told, strict=True):
        counts.clean.add(clean, label)
        counts.robust.add(robust, label)
        if clean.argmax() == label:
            counts.right += 1
            counts.fooled += int(robust.argmax() != label)
