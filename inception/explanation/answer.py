"""What every method gives: a picture's answer and where it comes from. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inception.data.crops import Box
from inception.errors import InputError, unknown
from inception.runtime.program import Floats


@dataclass(frozen=True)
class Explanation:
    """A picture's answer, and where in it the logits of some classes come from.

    Attributes:
        classes: indices of the classes that are explained.
        maps: ``[classes, h, w]`` over ``grid``.
        logits: ``[all classes]``, before any temperature.
        probabilities: ``[all classes]``, as prediction gives them.
        crop: what the network saw, in the picture's own pixels.
        grid: where the maps lie, their cells in the middle of what they see (``grid.cells``).
        biases: ``[classes]``, of a class activation map alone: a class's logit is its map's mean
            plus its bias.
    """

    classes: tuple[int, ...]
    maps: Floats
    logits: Floats
    probabilities: Floats
    crop: Box
    grid: Box
    biases: Floats | None = None


def class_index(classes: Sequence[str], wanted: int | str) -> int:
    """The index of a class given by name or by index.

    Raises:
        InputError: there is none.
    """
    if isinstance(wanted, str):
        if wanted not in classes:
            raise unknown("class", wanted, classes)
        return list(classes).index(wanted)
    if not 0 <= wanted < len(classes):
        raise InputError(f"classes are numbered 0 to {len(classes) - 1}; got {wanted}")
    return wanted
