"""Pictures to the objects in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inception.data.images import Picture, UnreadableImageError
from inception.detection.boxes import Boxes
from inception.detection.detector_file import find_detector, read_detector
from inception.detection.engine import create_region_engine, found_in
from inception.detection.sources import create_source
from inception.errors import InputError
from inception.machine import available_cores
from inception.pictures import Item, Pictures, is_one, named, read
from inception.prediction import check_same_classes

LEAST_SCORE = 0.05  # below it a region is nothing
MOST = 100  # objects of a picture


@dataclass(frozen=True)
class DetectedObject:
    """An object: its class, from 0 to 1 how sure that is, its box ``x1 y1 x2 y2`` in pixels."""

    label: str
    index: int
    score: float
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class Detected:
    """What was found in a picture, the surest first, or why nothing could be.

    Attributes:
        width: of the picture, in pixels; 0 of one that cannot be read, as its ``height``.
    """

    path: str
    width: int
    height: int
    objects: tuple[DetectedObject, ...]
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; a box is a list."""
        return asdict(self)


class DetectionPredictor:
    """Finds objects in pictures: regions are proposed, then classified.

    Args:
        detectors: a run folder or file of a detector; several answer together, the mean of each
            region counting.
        search: Selective Search's mode, ``fast``, ``quality`` or ``none``, in place of the first
            detector's.
        multibox: the file of a MultiBox whose boxes come before Selective Search's.
        engine: ``auto``, ``torch``, ``openvino`` or ``onnx``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: by default as many as there are cores.
        least_score: objects below it are not told.

    Raises:
        InputError: no such detector, engine, device or MultiBox, detectors of other classes, or
            nothing that proposes regions.
    """

    def __init__(
        self,
        *detectors: str | Path,
        search: str | None = None,
        multibox: str | Path | None = None,
        engine: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        least_score: float = LEAST_SCORE,
    ) -> None:
        if not detectors:
            raise InputError("a detector is needed: a run folder of inception detect train")
        if not 0 <= least_score <= 1:
            raise InputError(f"a score is from 0 to 1; got {least_score:g}")
        paths = [find_detector(place) for place in detectors]
        first, *others = infos = [read_detector(path).detector for path in paths]
        for place, other in zip(detectors[1:], others, strict=True):
            check_same_classes(first.classes, other.classes, str(detectors[0]), str(place))
        self.detectors, self.classes = tuple(infos), first.classes
        self.threads, self._least_score = threads or available_cores(), least_score
        self.source = create_source(
            first.search, mode=search, multibox=multibox, device=device, threads=threads
        )
        self.engines = [
            create_region_engine(path, engine, device=device, threads=threads) for path in paths
        ]

    def __repr__(self) -> str:
        modes = ", ".join(detector.mode for detector in self.detectors)
        return f"DetectionPredictor({modes}, {self.engines[0].name}, classes={self.classes!r})"

    def predict(self, pictures: Pictures) -> list[Detected]:
        """What is in each picture, in order.

        Args:
            pictures: one of, or several, of whatever ``pictures.One`` is.

        Raises:
            InputError: no pictures at all. An unreadable one among others does not raise: it has
                an ``error``.
        """
        several: Any = [pictures] if is_one(pictures) else pictures
        return [detected for detected, _ in self.stream(several)]

    def stream(self, pictures: Iterable[Any]) -> Iterator[tuple[Detected, Picture | None]]:
        """Like ``predict``, one by one, each with the picture itself where it could be read."""
        waiting: deque[tuple[Item, Picture | UnreadableImageError]] = deque()
        shown = (p for p in _read(pictures, waiting) if not isinstance(p, UnreadableImageError))
        for proposed in self.source.propose(shown, processes=self.threads):
            yield from _unread(waiting)
            item, picture = waiting.popleft()
            if not isinstance(picture, UnreadableImageError):
                yield self.detect(picture, proposed.boxes_xyxy, path=item.path), picture
        yield from _unread(waiting)

    def detect(
        self,
        picture: Picture,
        proposed_xyxy: Boxes,
        *,
        path: str = "",
        least_score: float | None = None,
    ) -> Detected:
        """The objects among the regions proposed for a picture, as many as are looked at.

        Args:
            picture: ``uint8 [H, W, 3]``.
            proposed_xyxy: ``[N, 4]``, in its pixels.
            path: what the picture is called.
            least_score: another than the predictor's own.

        Raises:
            InputError: a detector answers with what is no number.
        """
        least = self._least_score if least_score is None else least_score
        regions = proposed_xyxy[: self.detectors[0].most_regions]
        found = found_in(picture, regions, self.engines, least_score=least, most=MOST)
        rows = zip(
            found.labels.tolist(), found.scores.tolist(), found.boxes_xyxy.tolist(), strict=True
        )
        objects = tuple(
            DetectedObject(self.classes[label], label, score, tuple(box))
            for label, score, box in rows
        )
        height, width = picture.shape[:2]
        return Detected(path, width, height, objects)


def _read(
    pictures: Iterable[Any], waiting: deque[tuple[Item, Picture | UnreadableImageError]]
) -> Iterator[Picture | UnreadableImageError]:
    """Reads pictures as they are asked for, and notes them in their order."""
    for item in named(pictures):
        try:
            found: Picture | UnreadableImageError = read(item)
        except UnreadableImageError as error:
            found = error
        waiting.append((item, found))
        yield found


def _unread(
    waiting: deque[tuple[Item, Picture | UnreadableImageError]],
) -> Iterator[tuple[Detected, None]]:
    """The next ones that could not be read."""
    while waiting and isinstance(waiting[0][1], UnreadableImageError):
        item, error = waiting.popleft()
        reason = error.reason if isinstance(error, UnreadableImageError) else ""
        yield Detected(item.path, 0, 0, (), reason), None
