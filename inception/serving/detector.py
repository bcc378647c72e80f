"""A detector as it is served: regions are searched for in processes, one engine judges them."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import numpy as np

from inception.data.images import Picture, read_image
from inception.detection.detector_file import DetectorInfo, read_detector
from inception.detection.predictor import Detected, DetectionPredictor
from inception.detection.proposals import (
    Proposed,
    SelectiveSearch,
    as_searched,
    check_installed,
    proposed_in,
    search_small,
)
from inception.detection.sources import NO_SEARCH, NOTHING
from inception.errors import InputError
from inception.models.spec import Spec
from inception.serving.uploads import Upload
from inception.serving.workshop import Workshop

TRIED_PX = (16, 64)  # of the picture that a detector is tried with: plain and flat, a quick search


class ServedDetector:
    """One detector: what it says of itself, and an engine that has run once.

    Args:
        name: by which it is asked for.
        source: as it was given.
        path: its file.
        workshop: where it works.

    Raises:
        InputError: it or the MultiBox cannot be opened, it gives no numbers, nothing proposes, or
            OpenCV is missing.
    """

    explains = attributes = False

    def __init__(self, name: str, source: str | Path, path: Path, workshop: Workshop) -> None:
        how = workshop.choice
        if how.search != NO_SEARCH:
            check_installed()
        self.name, self.source, self.path, self._workshop = name, source, path, workshop
        self.info: DetectorInfo = read_detector(path)
        self._predictor = DetectionPredictor(path, **asdict(how))
        self.engine = self._predictor.engines[0].name
        self._try()

    @property
    def spec(self) -> Spec:
        """Its network, backbone and region head."""
        return self.info.detector.network

    async def detect(self, least_score: float, upload: Upload) -> Detected:
        """The objects in a picture that are at least so sure.

        Raises:
            UnreadableImageError: the picture cannot be read.
            HTTPException: 503, the search for regions broke off.
        """
        shop, how = self._workshop, self._predictor.source.selective
        async with shop.whole:
            picture = await shop.decode(lambda: read_image(upload.data, name=upload.name))
            found = NOTHING
            if how:
                small = await shop.decode(lambda: as_searched(picture))
                found = proposed_in(picture, small, await shop.search(small, how))
            return await shop.run(lambda: self._judge(picture, found, upload, least_score))

    def _judge(
        self, picture: Picture, searched: Proposed, upload: Upload, least_score: float
    ) -> Detected:
        regions = self._predictor.source.complete(picture, searched).boxes_xyxy
        return self._predictor.detect(picture, regions, path=upload.name, least_score=least_score)

    def _try(self) -> None:
        """Once through everything: whatever does not work is told before anybody waits for it."""
        height, width = TRIED_PX
        picture = np.full((height, width, 3), 127, np.uint8)
        if how := self._predictor.source.selective:
            self._search_one(picture, how)
        whole = Proposed(np.array([[0, 0, width, height]], np.float32), 0)
        regions = self._predictor.source.complete(picture, whole).boxes_xyxy
        self._predictor.detect(picture, regions)

    def _search_one(self, picture: Picture, how: SelectiveSearch) -> None:
        try:
            self._workshop.searchers().submit(search_small, as_searched(picture), how).result()
        except BrokenProcessPool:
            raise InputError("no process can be started to look for regions in") from None
