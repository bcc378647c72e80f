"""What answers to a labelled set count for, whole or in shares that are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from inception.data.datasets import Dataset
from inception.data.images import UnreadableImageError
from inception.errors import InputError
from inception.evaluation.metrics import Tally
from inception.evaluation.request import Request
from inception.runtime import Floats
from inception.runtime.pipeline import Member, Opinions, ask, check_finite

Observer = Callable[[Dataset, int, Floats], None]  # a picture and its ``[classes]`` probabilities


def no_observer(dataset: Dataset, index: int, probabilities: Floats) -> None:
    """Looks away."""


class Cell(NamedTuple):
    """One way of asking: the first so many models, and how many crops of each picture."""

    models: int
    crops: int


@dataclass(frozen=True)
class Counted:
    """What some pictures of a set counted for, to be put together with the others.

    Attributes:
        unreadable: number of the picture, path and reason.
    """

    tallies: Mapping[Cell, Tally]
    unreadable: Sequence[tuple[int, str, str]]


def tally_cells(
    members: Sequence[Member],
    dataset: Dataset,
    models: Sequence[str],
    cells: Sequence[Cell],
    how: Request,
    observe: Observer = no_observer,
) -> tuple[dict[Cell, Tally], tuple[tuple[str, str], ...]]:
    """Counts for each cell, from one pass over the pictures; and the unreadable ones.

    A picture's crops run through a network once, whatever the number of cells that use them.

    Raises:
        InputError: crops of that number are not defined, too many unreadable, or an answer of one
            of the ``models`` that is no number.
    """
    rows = range(len(dataset))
    counted = count_cells(members, dataset, rows, models, cells, how, observe)
    return together([counted], dataset, how.max_unreadable)


def count_cells(
    members: Sequence[Member],
    dataset: Dataset,
    rows: Sequence[int],
    models: Sequence[str],
    cells: Sequence[Cell],
    how: Request,
    observe: Observer = no_observer,
) -> Counted:
    """The same of the pictures with these numbers alone, however many of them are unreadable.

    Only of as many members as ``models`` names is an answer that is no number an error.
    """
    counts = list(dict.fromkeys(cell.crops for cell in cells))
    tallies = {cell: Tally(len(dataset.classes)) for cell in cells}
    unreadable: list[tuple[int, str, str]] = []
    told = ask(
        members,
        dataset.in_turn(rows),
        dataset.read,
        counts=counts,
        batch_size=how.batch_size,
        threads=how.threads,
    )
    for done, (index, opinions) in enumerate(told, start=1):
        if isinstance(opinions, UnreadableImageError):
            unreadable.append((index, dataset.path(index), opinions.reason))
        else:
            for name, told_by in zip(models, opinions.probabilities, strict=False):
                check_finite(told_by, name, dataset.path(index))
            said = _add(tallies, counts, opinions, int(dataset.labels[index]))
            observe(dataset, index, said)
        how.progress(done, len(rows))
    return Counted(tallies, unreadable)


def together(
    shares: Sequence[Counted], dataset: Dataset, max_unreadable: float
) -> tuple[dict[Cell, Tally], tuple[tuple[str, str], ...]]:
    """What shares that hold each picture once counted, the unreadable in the order of the set."""
    tallies = dict(shares[0].tallies)
    for share in shares[1:]:
        for cell, tally in tallies.items():
            tally.merge(share.tallies[cell])
    named = sorted(one for share in shares for one in share.unreadable)
    unreadable = tuple((path, reason) for _, path, reason in named)
    check_unreadable(len(unreadable), len(dataset), unreadable, max_unreadable)
    return tallies, unreadable


def _add(
    tallies: Mapping[Cell, Tally], counts: Sequence[int], opinions: Opinions, label: int
) -> Floats:
    """Counts the picture in every cell; gives the probabilities of the last."""
    for cell, tally in tallies.items():
        column = counts.index(cell.crops)
        together: Floats = opinions.probabilities[: cell.models, column].mean(axis=0)
        seconds = float(opinions.seconds[: cell.models, column].sum())
        tally.add(together, label, seconds)
    return together


def engine_names(members: Sequence[Member]) -> str:
    """The members' engines, each once."""
    return ", ".join(dict.fromkeys(member.engine.name for member in members))


def check_unreadable(count: int, total: int, paths: Sequence[tuple[str, str]], most: float) -> None:
    """Raises ``InputError`` where more than the share ``most`` of the pictures is unreadable."""
    if count and (count > most * total or count == total):
        name, reason = paths[0]
        raise InputError(
            f"{count} of {total} pictures cannot be read, more than --max-unreadable {most:g}; "
            f"the first: {name}: {reason}"
        )
