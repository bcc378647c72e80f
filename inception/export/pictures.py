"""The pictures that an export is calibrated on and checked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.crops import views
from inception.data.datasets import Dataset, open_data
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.ordered import ordered_map
from inception.data.sources import Source, pictures_at
from inception.errors import InputError
from inception.machine import available_cores
from inception.preprocessing import Preprocessing


@dataclass(frozen=True)
class Pictures:
    """Pictures with or without labels.

    Attributes:
        labels: ``[N]`` class indices of the model; None where nothing is known of them.
    """

    items: tuple[tuple[Source, int], ...]
    labels: npt.NDArray[np.int64] | None

    def read(self, number: int) -> Picture:
        """``uint8 [H, W, 3]``; raises ``UnreadableImageError``."""
        source, index = self.items[number]
        return read_image(source.read(index), name=source.path(index))

    def first(self, count: int) -> Pictures:
        """At most so many of them."""
        return self.chosen(range(min(count, len(self.items))))

    def chosen(self, numbers: Sequence[int]) -> Pictures:
        """Those of the numbers, in their order."""
        labels = None if self.labels is None else self.labels[list(numbers)]
        return Pictures(tuple(self.items[n] for n in numbers), labels)

    def paths(self) -> list[str]:
        """Where each lies."""
        return [source.path(index) for source, index in self.items]


def find_pictures(
    place: str | Path, classes: tuple[str, ...], most: int, *, split: str | None = None
) -> Pictures:
    """At most ``most`` pictures of a data set or of any folder, tar or file of pictures.

    Of a data set ``split`` where it has that, else the one that ``evaluate`` takes; its labels
    where the model knows its classes.

    Raises:
        InputError: nothing there, or no pictures.
    """
    place = Path(place)
    try:
        data = open_data(place)
    except InputError as error:
        if not place.exists() or place.suffix in (".csv", ".parquet"):
            raise
        try:
            return _unlabelled(place, most)
        except InputError:
            raise error from None
    dataset = data.for_evaluation(split if split in data.splits else None).limited(most)
    try:
        dataset = dataset.with_classes(classes)
    except InputError:
        return Pictures(_items(dataset), None)
    return Pictures(_items(dataset), dataset.labels)


def apart(calibration: Pictures, check: Pictures) -> tuple[Pictures, Pictures]:
    """The two without pictures in both, where that leaves some: to prove what was not measured on.

    Pictures to calibrate on are taken out of those to check with; where these are the same ones,
    every other one goes to either side.
    """
    known = set(calibration.paths())
    rest = [n for n, path in enumerate(check.paths()) if path not in known]
    if 2 * len(rest) >= len(check.items):
        return calibration, check.chosen(rest)
    if len(calibration.items) < 2:
        return calibration, check
    half = calibration.chosen(range(0, len(calibration.items), 2))
    known = set(half.paths())
    return half, check.chosen([n for n, path in enumerate(check.paths()) if path not in known])


def shared(calibration: Pictures | None, check: Pictures) -> int:
    """How many of the pictures to check with are among those to calibrate on."""
    known = set(calibration.paths()) if calibration else set()
    return sum(path in known for path in check.paths())


def squares(pictures: Pictures, how: Preprocessing, threads: int | None = None) -> list[Picture]:
    """Those that can be read as the network takes them, each ``uint8 [1, size, size, 3]``."""

    def cut(number: int) -> Picture | None:
        try:
            return views(pictures.read(number), how, 1)
        except UnreadableImageError:
            return None

    threads = threads or available_cores()
    made = ordered_map(cut, range(len(pictures.items)), threads=threads, ahead=4 * threads)
    return [square for square in made if square is not None]


def _items(dataset: Dataset) -> tuple[tuple[Source, int], ...]:
    return tuple((dataset.source, int(row)) for row in dataset.rows)


def _unlabelled(place: Path, most: int) -> Pictures:
    items = list(pictures_at(place))
    drawn = np.random.default_rng(0).permutation(len(items))[:most]
    return Pictures(tuple(items[i] for i in np.sort(drawn)), None)
