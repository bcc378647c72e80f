"""What any form of annotations says: pictures, the boxes on them, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Edges(NamedTuple):
    """A box by its edges, in pixels from the picture's upper left corner."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Labelled:
    """One object of a picture; ``ignored`` where neither finding nor missing it counts."""

    class_name: str
    box: Edges
    ignored: bool = False


@dataclass(frozen=True)
class Annotated:
    """One picture and its objects.

    Attributes:
        name: what names it among the others.
        path: where it lies.
        source: the file that speaks of it.
        objects: as that file says, boxes beyond the picture too.
        size: height and width, as that file says.
        image_id: COCO's number of it.
    """

    name: str
    path: Path
    source: Path
    objects: tuple[Labelled, ...]
    size: tuple[int, int] | None = None
    image_id: int | str | None = None


@dataclass
class Found:
    """One split as read.

    Attributes:
        classes: in the order the file gives them; none where it lists none.
        category_ids: COCO's numbers of the classes.
        faults: what makes it unusable, a line each.
        notes: what was left out, a line each.
    """

    pictures: list[Annotated] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    category_ids: dict[str, int | str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def checked_box(edges: Sequence[float], where: str, found: Found) -> Edges | None:
    """The box, or None where it is none: inverted is a fault, without an area only noted."""
    x1, y1, x2, y2 = edges
    text = " ".join(f"{edge:g}" for edge in edges)
    if not all(map(math.isfinite, edges)):
        found.faults.append(f"{where}: a box has an edge that is no number: {text}")
    elif x2 < x1 or y2 < y1:
        found.faults.append(
            f"{where}: a box is inverted, its x1 y1 x2 y2 are {text}; wanted: x1 < x2, y1 < y2"
        )
    elif x1 == x2 or y1 == y2:
        found.notes.append(f"{where}: a box without an area is left out: {text}")
    else:
        return Edges(x1, y1, x2, y2)
    return None
