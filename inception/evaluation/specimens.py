"""The pictures a doctor shows a network, and which of its outputs their labels mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from inception.data.datasets import open_data
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.ordered import ordered_map
from inception.data.sources import Source, pictures_at
from inception.errors import InputError
from inception.evaluation.metrics import Labels
from inception.machine import available_cores
from inception.weights.imagenet import imagenet_classes

RANKED = "ranked by what batch norms remember, by the answers where none does"
MOST_KEPT = 1 << 30  # bytes of decoded pictures; the others are decoded again each time


@dataclass(frozen=True)
class Specimens:
    """Pictures that can be read, in order.

    Attributes:
        labels: ``[N]`` places of their classes among a network's outputs; ``None`` without labels.
        note: how labels were understood.
        unreadable: those left out.
    """

    items: tuple[tuple[Source, int], ...]
    labels: Labels | None
    note: str
    unreadable: tuple[UnreadableImageError, ...]
    kept: tuple[Picture | None, ...]

    def read(self) -> Iterator[Picture]:
        """The pictures, each ``uint8 [H, W, 3]``."""
        for item, picture in zip(self.items, self.kept, strict=True):
            yield _read(item) if picture is None else picture


def open_specimens(
    place: str | Path, classes: Sequence[str], *, limit: int, threads: int | None = None
) -> Specimens:
    """Pictures of a data set, drawn once and for all, or of a place without labels.

    Args:
        place: a data set (``data.datasets.open_data``), or any place of pictures.
        classes: the network's, as far as its file tells.
        limit: most pictures.
        threads: for decoding; by default as many as there are cores.

    Raises:
        InputError: nothing there, or not one picture that can be read.
    """
    items, labels, note = _chosen(Path(place), classes, limit)
    threads = threads or available_cores()
    read = list(ordered_map(_tried, items, threads=threads, ahead=2 * threads))
    good = [i for i, picture in enumerate(read) if not isinstance(picture, UnreadableImageError)]
    unreadable = tuple(p for p in read if isinstance(p, UnreadableImageError))
    if not good:
        raise InputError(f"no picture of {place} can be read; the first: {unreadable[0]}")
    return Specimens(
        tuple(items[i] for i in good),
        None if labels is None else labels[good],
        note,
        unreadable,
        tuple(_kept([p for p in read if not isinstance(p, UnreadableImageError)])),
    )


def _chosen(
    place: Path, classes: Sequence[str], limit: int
) -> tuple[list[tuple[Source, int]], Labels | None, str]:
    """Pictures, what their labels are among the outputs, and how that was found."""
    try:
        dataset = open_data(place).for_evaluation().limited(limit)
    except InputError:
        if not place.exists():
            raise
        items = list(islice(pictures_at(place), limit))
        return items, None, f"no labels: {RANKED}"
    items = [(dataset.source, int(row)) for row in dataset.rows]
    places, note = _places(dataset.classes, classes)
    return items, None if places is None else places[dataset.labels], note


def _places(labels: Sequence[str], classes: Sequence[str]) -> tuple[Labels | None, str]:
    """The output of each label, if the two sets of names or at least their numbers agree."""
    by_name = {name: i for i, name in enumerate(classes)}
    by_id = {c.wordnet_id: by_name.get(c.name, i) for i, c in enumerate(imagenet_classes())}
    for names, what in ((by_name, "names"), (by_id, "WordNet ids")):
        if all(label in names for label in labels) and (names is by_name or len(classes) >= 1000):
            return np.array([names[label] for label in labels]), f"labels are the classes' {what}"
    if len(classes) - len(labels) in (0, 1):
        return np.arange(len(labels)), "labels are taken in order: the names are not the file's"
    told = f"{len(labels)} labels fit none of the {len(classes)} outputs"
    return None, f"{told}: {RANKED}"


def _kept(pictures: Sequence[Picture]) -> Iterator[Picture | None]:
    total = 0
    for picture in pictures:
        total += picture.nbytes
        yield picture if total <= MOST_KEPT else None


def _tried(item: tuple[Source, int]) -> Picture | UnreadableImageError:
    try:
        return _read(item)
    except UnreadableImageError as error:
        return error


def _read(item: tuple[Source, int]) -> Picture:
    source, index = item
    return read_image(source.read(index), name=source.path(index))
