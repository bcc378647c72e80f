"""The pictures that an export is calibrated on and checked with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inception.data.crops import views
from inception.data.datasets import Dataset, open_data
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.loading import ordered_map
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
