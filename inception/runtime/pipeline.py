"""Decoding, cropping and inference at once: in order, in bounded memory, however many pictures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from inception.data.crops import check_crops, views
from inception.data.images import Picture, UnreadableImageError
from inception.data.ordered import ordered_map
from inception.errors import InputError
from inception.machine import available_cores
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats
from inception.runtime.program import PROBABILITIES

Item = TypeVar("Item")
Squares = dict[Preprocessing, list[Picture]]  # for each way of cutting, of each number of crops

MOST_AHEAD = 1024  # squares made ready before the engine asks for them: 154 MB at 224 px


@dataclass(frozen=True)
class Member:
    """A network that answers, alone or with others: its engine and how it takes pictures.

    Attributes:
        output: of the engine, which is what it says: ``[N, numbers]``.
    """

    engine: Engine
    preprocessing: Preprocessing
    output: str = PROBABILITIES


@dataclass(frozen=True)
class Answer(Generic[Item]):
    """What the network says of one picture, or why it could not be shown it.

    Attributes:
        probabilities: ``[classes]``, the mean over the crops.
    """

    item: Item
    probabilities: Floats | None
    error: UnreadableImageError | None = None


@dataclass(frozen=True)
class Opinions:
    """What several networks say of one picture, for several numbers of crops.

    Attributes:
        probabilities: ``[members, counts, classes]``, means over the crops; of members with
            another ``output`` its numbers.
        seconds: ``[members, counts]``, the engine's share for this picture.
    """

    probabilities: Floats
    seconds: Floats


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
        batch_size: most squares in one run of the engine.
        threads: for decoding; by default as many as there are cores.

    Raises:
        InputError: crops of that number are not defined.
    """
    members = [Member(engine, preprocessing)]
    told = ask(members, items, read, counts=(crops,), batch_size=batch_size, threads=threads)
    for item, opinions in told:
        if isinstance(opinions, UnreadableImageError):
            yield Answer(item, None, opinions)
        else:
            yield Answer(item, opinions.probabilities[0, 0])


def ask(
    members: Sequence[Member],
    items: Iterable[Item],
    read: Callable[[Item], Picture],
    *,
    counts: Sequence[int],
    batch_size: int = 32,
    threads: int | None = None,
) -> Iterator[tuple[Item, Opinions | UnreadableImageError]]:
    """Each item with what all members say of it, read once, for each of the numbers of crops.

    The other arguments, and what is raised, are those of ``classify``.
    """
    for count in counts:
        check_crops(count)
    cuttings = [_cutting(member.preprocessing) for member in members]

    def prepare(item: Item) -> tuple[Item, Squares | UnreadableImageError]:
        try:
            picture = read(item)
        except UnreadableImageError as error:
            return item, error
        return item, {how: [views(picture, how, n) for n in counts] for how in set(cuttings)}

    threads = threads or available_cores()
    squares = sum(counts) * len(set(cuttings))
    at_once = max(1, batch_size // sum(counts))
    ahead = at_once + min(2 * threads, max(2, MOST_AHEAD // squares))
    prepared = ordered_map(prepare, items, threads=threads, ahead=ahead)
    while batch := list(islice(prepared, at_once)):
        good = [s for _, s in batch if not isinstance(s, UnreadableImageError)]
        told = iter(_opinions(members, cuttings, good, batch_size) if good else ())
        for item, shown in batch:
            yield item, shown if isinstance(shown, UnreadableImageError) else next(told)


def check_finite(answers: Floats, model: str, picture: str) -> None:
    """Raises ``InputError`` where what a model says of a picture is no number."""
    if not np.isfinite(answers).all():
        raise InputError(
            f"{model} answers {picture} with what is no number: its weights are damaged, or its "
            "training ran away"
        )


def _cutting(preprocessing: Preprocessing) -> Preprocessing:
    """What decides the squares: members that differ in the rest are shown the same ones."""
    return replace(preprocessing, channel_order="rgb", mean=(0.0,), std=(1.0,))


def _opinions(
    members: Sequence[Member],
    cuttings: Sequence[Preprocessing],
    batch: Sequence[Squares],
    batch_size: int,
) -> list[Opinions]:
    """What the members say of each picture of a batch."""
    probabilities, seconds = [], []
    for member, how in zip(members, cuttings, strict=True):
        for shown in zip(*(squares[how] for squares in batch), strict=True):  # one number of crops
            began = time.perf_counter()
            probabilities.append(_means(member, shown, batch_size))
            seconds.append((time.perf_counter() - began) / len(batch))
    shape = (len(members), -1)
    took = np.array(seconds, np.float32).reshape(shape)
    means = np.stack(probabilities, axis=1)  # [pictures, members * counts, classes]
    return [Opinions(p.reshape(*shape, p.shape[-1]), took) for p in means]


def _means(member: Member, shown: Sequence[Picture], batch_size: int) -> Floats:
    """``[pictures, numbers]``, the mean over each one's squares, in runs of nearly equal size."""
    squares = shown[0] if len(shown) == 1 else np.concatenate(shown)
    runs = np.array_split(squares, math.ceil(len(squares) / batch_size))
    each = np.concatenate([member.engine.run(run)[member.output] for run in runs])
    means: Floats = each.reshape(len(shown), -1, each.shape[1]).mean(axis=1)
    return means
