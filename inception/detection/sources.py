"""Where a detector's regions come from: Selective Search, a MultiBox, or both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from inception.data.images import Picture, UnreadableImageError
from inception.detection.datasets import DetectionSet
from inception.detection.multibox import Proposer
from inception.detection.proposals import Proposed, SearchMode, SelectiveSearch, search, union
from inception.errors import InputError, unknown

NO_SEARCH = "none"
NOTHING = Proposed(np.zeros((0, 4), np.float32), 0.0)


class Source:
    """Proposes regions.

    Args:
        selective: Selective Search, or None.
        multibox: whose boxes come before Selective Search's, or None.

    Raises:
        InputError: there is neither.
    """

    def __init__(self, selective: SelectiveSearch | None, multibox: Proposer | None = None) -> None:
        if selective is None and multibox is None:
            raise InputError("nothing proposes: --search none needs --multibox FILE")
        self.selective, self.multibox = selective, multibox

    def __str__(self) -> str:
        names = []
        if self.multibox is not None:
            names.append(f"MultiBox, {self.multibox.multibox.boxes} boxes")
        if (how := self.selective) is not None:
            names.append(f"Selective Search, {how.mode}, superpixels {how.superpixels}")
        return " and ".join(names)

    def propose(self, pictures: Iterable[Picture], *, processes: int = 1) -> Iterator[Proposed]:
        """Regions of each picture, in their order; see ``proposals.search`` for ``processes``."""
        if self.selective is None:
            yield from map(self.complete, pictures)
            return
        ahead: deque[Picture] = deque()
        for found in search(_noted(pictures, ahead), self.selective, processes=processes):
            yield self.complete(ahead.popleft(), found)

    def complete(self, picture: Picture, searched: Proposed = NOTHING) -> Proposed:
        """The MultiBox's boxes, where there is one, before those that were searched for."""
        if self.multibox is None:
            return searched
        learnt = self.multibox.propose(picture)
        return learnt if self.selective is None else joined(learnt, searched)

    def propose_set(
        self,
        dataset: DetectionSet,
        *,
        processes: int = 1,
        progress: Callable[[], object] = lambda: None,
    ) -> dict[int, Proposed]:
        """Regions of the pictures of a set that can be read, by their numbers.

        Args:
            dataset: its objects are not looked at.
            processes: see ``proposals.search``.
            progress: called after each picture.
        """
        readable: list[int] = []
        found = []
        for proposed in self.propose(_readable(dataset, readable), processes=processes):
            found.append(proposed)
            progress()
        return dict(zip(readable, found, strict=True))


def create_source(
    own: SelectiveSearch,
    *,
    multibox: str | Path | None = None,
    mode: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Source:
    """What proposes for a detector.

    Args:
        own: the search that the detector was trained with.
        multibox: the file of a MultiBox whose boxes come first.
        mode: ``fast``, ``quality`` or ``none`` in place of the detector's own.
        device: of the MultiBox.
        threads: likewise.

    Raises:
        InputError: no such mode or file, or nothing that proposes.
    """
    modes = (*get_args(SearchMode), NO_SEARCH)
    if mode not in (None, *modes):
        raise unknown("mode of Selective Search", str(mode), modes)
    selective = replace(own, mode=mode or own.mode) if mode != NO_SEARCH else None  # type: ignore[arg-type]  # checked above
    learnt = None if multibox is None else Proposer(multibox, device=device, threads=threads)
    return Source(selective, learnt)


def joined(learnt: Proposed, searched: Proposed) -> Proposed:
    """A MultiBox's boxes, then Selective Search's, without those that are another to the pixel."""
    boxes = union(learnt.boxes_xyxy, searched.boxes_xyxy)
    return Proposed(boxes, learnt.seconds + searched.seconds)


def _noted(pictures: Iterable[Picture], ahead: deque[Picture]) -> Iterator[Picture]:
    for picture in pictures:
        ahead.append(picture)
        yield picture


def _readable(dataset: DetectionSet, numbers: list[int]) -> Iterator[Picture]:
    for number in range(len(dataset)):
        with suppress(UnreadableImageError):
            picture = dataset.read(number)
            numbers.append(number)
            yield picture
