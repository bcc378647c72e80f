"""How much memory a network's activations take at once, counted from its table. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from inception.models.cost import Position, Shape, end
from inception.models.shapes import Sides, pair
from inception.models.spec import Branches, Dropout, Flatten, Layers, Residual, Spec, concrete

BYTES = 4  # of a float32
IN_PLACE = (Dropout, Flatten)  # what they give is what they are given


class Made(NamedTuple):
    """A value: its numbers, and the values, by their place in the list, that it is made of."""

    numbers: int
    of: tuple[int, ...]


def peak_activations(spec: Spec, image_size: int | Sides | None = None) -> int:
    """Bytes that the values of one picture take at most at once in inference, in float32.

    A value lives from the layer that gives it to the last one that needs it; branches are
    computed one after the other, then copied together. Weights and what a layer needs for itself
    are not counted, nor are auxiliary heads.
    """
    start = Position(Shape(spec.in_channels, *pair(image_size or spec.image_size)))
    layers = concrete({**spec.stages, "classifier": spec.classifier}, spec.num_classes)
    made = [Made(math.prod(start.shape), ())]
    _run(layers, start, 0, made)
    return BYTES * max(_held(made))


def _held(made: list[Made]) -> Iterator[int]:
    """Numbers held while each value is made."""
    last_use = {source: at for at, value in enumerate(made) for source in value.of}
    held = 0
    for at, value in enumerate(made):
        held += value.numbers
        yield held
        held -= sum(made[source].numbers for source in {*value.of} if last_use[source] == at)


def _run(layers: Layers, start: Position, given: int, made: list[Made]) -> int:
    """Appends what the layers make of the value ``given``; the place of what comes out."""
    if isinstance(layers, Mapping):
        for inner in layers.values():
            given = _run(inner, start, given, made)
            start = end(inner, start)
        return given
    if isinstance(layers, IN_PLACE):
        return given
    of: tuple[int, ...] = (given,)
    if isinstance(layers, Branches):
        of = tuple(_run(branch, start, given, made) for branch in layers.branches.values())
    elif isinstance(layers, Residual):
        of = tuple(_run(part, start, given, made) for part in (layers.body, layers.shortcut))
    made.append(Made(math.prod(end(layers, start).shape), of))
    return len(made) - 1
