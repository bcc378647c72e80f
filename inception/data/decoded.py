"""Training pictures kept decoded, as far as memory allows, so that later epochs need not."""

from __future__ import annotations

import threading

from inception.data.dataset import Dataset
from inception.data.images import Picture


class DecodedPictures:
    """A set's pictures by index: ``read`` gives the same whether one was kept or not.

    Args:
        dataset: whose pictures.
        most_mb: of pictures that are kept; those read first are. Whatever comes when it is full
            is decoded each time.
    """

    def __init__(self, dataset: Dataset, most_mb: float) -> None:
        self._dataset, self._left = dataset, most_mb * 1e6
        self._kept: dict[int, Picture] = {}
        self._lock = threading.Lock()

    def read(self, index: int) -> Picture:
        """The picture, ``uint8 [H, W, 3]``, not to be written to. Raises ``UnreadableImageError``.

        Threads may call it at once.
        """
        if (kept := self._kept.get(index)) is not None:
            return kept
        picture = self._dataset.read(index)
        with self._lock:
            if index not in self._kept and picture.nbytes <= self._left:
                self._left -= picture.nbytes
                self._kept[index] = picture
        return picture
