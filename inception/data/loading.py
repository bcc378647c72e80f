"""Pictures decoded ahead by threads, in order, with bounded memory; and batches of them.

What a batch holds depends on seed, epoch and index alone, never on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from inception.data.blocks import Blocks, shuffled
from inception.data.dataset import Dataset
from inception.data.decoded import DecodedPictures
from inception.data.images import Picture, UnreadableImageError
from inception.data.ordered import ordered_map
from inception.data.transforms import Augmentation, augment


@dataclass(frozen=True)
class Batch:
    """Pictures of one training step.

    Attributes:
        pictures: ``uint8 [n, size, size, 3]``.
        labels: ``[n]`` class indices, int64.
        unreadable: those left out, each naming its file.
    """

    pictures: Picture
    labels: npt.NDArray[np.int64]
    unreadable: tuple[UnreadableImageError, ...] = ()


def steps_per_epoch(count: int, batch_size: int, least: int = 1) -> int:
    """Batches that so many pictures make, none smaller than ``least`` where there are as many."""
    return max(1, min(math.ceil(count / batch_size), count // least))


def epoch_plan(
    count: int,
    batch_size: int,
    seed: int,
    epoch: int,
    *,
    least: int = 1,
    evenly: npt.NDArray[np.int64] | None = None,
    blocks: Blocks | None = None,
) -> list[npt.NDArray[np.int64]]:
    """Which pictures make which batch: every picture once, in batches of nearly equal size.

    Equal sizes leave no small last batch, which batch norm could not live on; three pictures in
    batches of two make one of three where ``least`` is 2.

    With labels, ``evenly``, each class has an equal share of the epoch instead: pictures of small
    classes come again, and of large ones some wait for another epoch. Pictures that lie in
    ``blocks`` are drawn from a few of these at a time.
    """
    rng = np.random.default_rng([seed, epoch])
    chosen = np.arange(count) if evenly is None else _evenly(evenly, rng)
    order = shuffled(chosen, rng, blocks)
    return np.array_split(order, steps_per_epoch(count, batch_size, least))


def _evenly(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """As many pictures as there are labels; of a class none a second time before all came once."""
    classes = rng.permutation(np.unique(labels))
    shares = [len(part) for part in np.array_split(labels, len(classes))]
    chosen = []
    for label, share in zip(classes, shares, strict=True):
        own = np.flatnonzero(labels == label)
        rounds = math.ceil(share / len(own))
        chosen.append(np.concatenate([rng.permutation(own) for _ in range(rounds)])[:share])
    return np.concatenate(chosen)


def training_batches(
    dataset: Dataset,
    plan: Sequence[npt.NDArray[np.int64]],
    how: Augmentation,
    *,
    size: int,
    seed: int,
    epoch: int,
    threads: int,
    decoded: DecodedPictures | None = None,
) -> Iterator[Batch]:
    """The batches of a plan, augmented; unreadable pictures are left out and named.

    ``decoded`` are the set's pictures that earlier epochs have kept.
    """
    read = dataset.read if decoded is None else decoded.read

    def prepare(index: int) -> tuple[int, Picture | UnreadableImageError]:
        try:
            rng = np.random.default_rng([seed, epoch, index])
            return index, augment(read(index), size, how, rng)
        except UnreadableImageError as error:
            return index, error

    indices = [int(index) for rows in plan for index in rows]
    ahead = 2 * max((len(rows) for rows in plan), default=1)
    prepared = ordered_map(prepare, dataset.in_turn(indices), threads=threads, ahead=ahead)
    for rows in plan:
        yield _batch(dataset, list(islice(prepared, len(rows))), size)


def _batch(
    dataset: Dataset, prepared: Sequence[tuple[int, Picture | UnreadableImageError]], size: int
) -> Batch:
    good = [(i, p) for i, p in prepared if not isinstance(p, UnreadableImageError)]
    pictures = np.stack([p for _, p in good]) if good else np.empty((0, size, size, 3), np.uint8)
    unreadable = tuple(p for _, p in prepared if isinstance(p, UnreadableImageError))
    return Batch(pictures, dataset.labels[[i for i, _ in good]], unreadable)
