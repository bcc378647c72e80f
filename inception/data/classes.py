"""Lists of class names, a line each, numbered or not."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from inception.files import read_text
from inception.remote import Place

NUMBERED = re.compile(r"(\d+)(?:[:,.)]\s*|\s+)(\S.*)")  # 0 cat, 0: cat, 0,cat


@dataclass(frozen=True)
class Listed:
    """Class names in the order of a list.

    Attributes:
        first: the number that the list gives the first of them, 0 or 1.
    """

    names: tuple[str, ...]
    first: int = 0


def read_classes(file: Place, used: Container[str] = ()) -> Listed:
    """The names in a file; without their numbers where all lines are numbered, in order.

    Args:
        file: of text, a name a line.
        used: labels that stand somewhere: lines that are labels as they are keep their numbers.

    Raises:
        InputError: it cannot be read, or is in no known encoding.
    """
    lines = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    found = [NUMBERED.fullmatch(line) for line in lines]
    numbers = [int(match[1]) for match in found if match]
    for first in (0, 1):
        counted = numbers == list(range(first, first + len(lines))) and len(lines) > 1
        if counted and not any(line in used for line in lines):
            return Listed(tuple(match[2] for match in found if match), first)
    return Listed(tuple(lines))
