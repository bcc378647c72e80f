"""Decoding, cropping and inference at once: in order, in bounded memory, however many pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from inception.data.crops import check_crops, views
from inception.data.images import Picture, UnreadableImageError
from inception.data.loading import available_cores, ordered_map
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats

Item = TypeVar("Item")


@dataclass(frozen=True)
class Answer(Generic[Item]):
    """What the network says of one picture, or why it could not be shown it.

    Attributes:
        probabilities: ``[classes]``, the mean over the crops.
    """

    item: Item
    probabilities: Floats | None
    error: UnreadableImageError | None = None


def classify(
    engine: Engine,
    items: Iterable[Item],
    read: Callable[[Item], Picture],
    preprocessing: Preprocessing,
    *,
    crops: int = 1,
    batch_size: int = 32,
    threads: int | None = None,
) -> Iterator[Answer[Item]]:
    """An answer for each item, in their order; threads decode ahead while the engine runs.

    Args:
        engine: runs the network.
        items: whatever ``read`` understands.
        read: gives ``uint8 [H, W, 3]`` or raises ``UnreadableImageError``.
        preprocessing: of the network.
        crops: squares shown of each picture; their probabilities are averaged.
        batch_size: squares in one run of the engine, at least one picture's.
        threads: for decoding; by default as many as there are cores.

    Raises:
        InputError: crops of that number are not defined.
    """
    check_crops(crops)

    def prepare(item: Item) -> tuple[Item, Picture | UnreadableImageError]:
        try:
            return item, views(read(item), preprocessing, crops)
        except UnreadableImageError as error:
            return item, error

    at_once = max(1, batch_size // crops)
    threads = threads or available_cores()
    prepared = ordered_map(prepare, items, threads=threads, ahead=at_once + 2 * threads)
    while batch := list(islice(prepared, at_once)):
        yield from _answers(engine, batch)


def _answers(
    engine: Engine, batch: list[tuple[Item, Picture | UnreadableImageError]]
) -> Iterator[Answer[Item]]:
    shown = [p for _, p in batch if not isinstance(p, UnreadableImageError)]
    means: Iterator[Floats] = iter(())
    if shown:
        probabilities = engine.run(np.concatenate(shown))["probabilities"]
        means = iter(probabilities.reshape(len(shown), -1, probabilities.shape[1]).mean(axis=1))
    for item, picture in batch:
        if isinstance(picture, UnreadableImageError):
            yield Answer(item, None, picture)
        else:
            yield Answer(item, next(means))
