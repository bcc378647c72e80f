"""What detectors reach on pictures with boxes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception.data.images import UnreadableImageError
from inception.detection.datasets import DetectionSet, open_detection
from inception.detection.detections import Detections
from inception.detection.engine import RegionEngine, found_in
from inception.detection.metrics import measure
from inception.detection.predictor import MOST, DetectionPredictor
from inception.detection.proposals import Proposed
from inception.detection.sources import Source
from inception.evaluation.counting import check_unreadable

LEAST_SCORE = 0.01  # lower ones change an average precision by less than its noise


@dataclass(frozen=True)
class DetectEvaluation:
    """What was found in the pictures of a set, and what that is worth.

    Attributes:
        detectors: their modes.
        metrics: ``map50``, ``map``, ``per_class`` and more (``detection.metrics``).
        proposed_by: what.
        proposals: regions of a picture, the mean.
        seconds: of the networks and what is around them; ``proposal_seconds``, what finding the
            regions took, then, where they were kept.
        found: by the numbers of the pictures that could be read.
    """

    split: str
    detectors: tuple[str, ...]
    engine: str
    images: int
    unreadable: tuple[tuple[str, str], ...]
    metrics: Mapping[str, Any]
    proposed_by: str
    proposals: float
    seconds: float
    proposal_seconds: float
    found: Mapping[int, Detections]

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "split": self.split,
            "detectors": list(self.detectors),
            "engine": self.engine,
            "images": self.images,
            "unreadable": [path for path, _ in self.unreadable],
            **self.metrics,
            "proposed_by": self.proposed_by,
            "proposals_per_picture": self.proposals,
            "seconds": self.seconds,
            "proposal_seconds": self.proposal_seconds,
            "images_per_second": self.images / max(self.seconds, 1e-9),
        }


def evaluate(
    detectors: Sequence[str | Path],
    data: str | Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    search: str | None = None,
    multibox: str | Path | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    max_unreadable: float = 0.01,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[DetectEvaluation, DetectionSet]:
    """What detectors, together, reach on pictures with boxes; and those pictures.

    Args:
        detectors: run folders or files.
        data: a Pascal VOC folder or COCO annotations.
        split: val, else test, else all by default.
        limit: the first pictures only.
        search: Selective Search's mode, or ``none``, in place of the first detector's.
        multibox: the file of a MultiBox whose boxes come before Selective Search's.
        engine: ``auto``, ``torch``, ``openvino`` or ``onnx``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: by default as many as there are cores.
        max_unreadable: share of pictures that may be.
        progress: told of pictures done and in all.

    Raises:
        InputError: anything wrong with detectors or data, or too many unreadable pictures.
    """
    made = DetectionPredictor(
        *detectors,
        search=search,
        multibox=multibox,
        engine=engine,
        device=device,
        threads=threads,
    )
    dataset = open_detection(data, split).with_classes(made.classes)
    if limit is not None:
        dataset = dataset.subset(range(min(limit, len(dataset))))
    told = evaluate_engines(
        made.engines,
        dataset,
        made.source,
        threads=made.threads,
        max_unreadable=max_unreadable,
        progress=progress,
    )
    return told, dataset


def evaluate_engines(
    engines: Sequence[RegionEngine],
    dataset: DetectionSet,
    source: Source,
    *,
    threads: int,
    max_unreadable: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DetectEvaluation:
    """As ``evaluate``, of engines, a set whose classes are the detectors', and what proposes."""
    first = engines[0].detector
    regions = source.propose_set(dataset, processes=threads)
    found: dict[int, Detections] = {}
    unreadable, seconds = [], 0.0
    for index in range(len(dataset)):
        try:
            picture = dataset.read(index)
        except UnreadableImageError as error:
            unreadable.append((error.name, error.reason))
            continue
        began, boxes = time.perf_counter(), regions[index].boxes_xyxy[: first.most_regions]
        found[index] = found_in(picture, boxes, engines, least_score=LEAST_SCORE, most=MOST)
        seconds += time.perf_counter() - began
        progress(index + 1, len(dataset))
    check_unreadable(len(unreadable), len(dataset), unreadable, max_unreadable)
    return _concluded(engines, dataset, str(source), regions, found, tuple(unreadable), seconds)


def _concluded(
    engines: Sequence[RegionEngine],
    dataset: DetectionSet,
    proposed_by: str,
    regions: Mapping[int, Proposed],
    found: Mapping[int, Detections],
    unreadable: tuple[tuple[str, str], ...],
    seconds: float,
) -> DetectEvaluation:
    objects = [dataset.objects(index) for index in found]
    most = engines[0].detector.most_regions
    return DetectEvaluation(
        dataset.split,
        tuple(engine.detector.mode for engine in engines),
        engines[0].name,
        len(found),
        unreadable,
        measure(list(found.values()), objects, dataset.classes),
        proposed_by,
        sum(min(len(each.boxes_xyxy), most) for each in regions.values()) / max(len(regions), 1),
        seconds,
        sum(each.seconds for each in regions.values()),
        found,
    )
