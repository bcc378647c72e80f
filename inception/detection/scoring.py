"""From what a network gives for regions to the objects of a picture. Numbers only, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inception.detection.boxes import Boxes, Doubles, clip, decode, nms_per_class
from inception.detection.detections import Detections
from inception.detection.detector import Detector
from inception.errors import InputError
from inception.runtime.program import Floats

DEVIATIONS = (0.1, 0.1, 0.2, 0.2)  # of offsets, by which they are divided to be learnt (Fast R-CNN)


class Told(NamedTuple):
    """What a detector says of the regions of a picture.

    Attributes:
        scores: ``[N, classes]``, from 0 to 1.
        boxes_xyxy: ``[N, classes, 4]``, where each class has its object; None where the detector
            moves no regions.
    """

    scores: Doubles
    boxes_xyxy: Doubles | None


def told(outputs: Floats, regions_xyxy: Boxes, detector: Detector) -> Told:
    """What a network's ``[N, outputs]`` say of its regions.

    Raises:
        InputError: they are no numbers.
    """
    if not np.isfinite(outputs).all():
        raise InputError(
            "the detector answers with what is no number: its weights are damaged, or its training "
            "ran away"
        )
    classes = len(detector.classes)
    firsts = outputs[:, : classes + 1].astype(np.float64)
    scores = _margins(firsts) if detector.scoring == "svm" else _softmax(firsts)
    if not detector.boxes:
        return Told(scores[:, :classes], None)
    offsets = outputs[:, classes + 1 :].reshape(-1, classes, 4) * np.array(DEVIATIONS)
    moved = [decode(offsets[:, label], regions_xyxy) for label in range(classes)]
    return Told(scores[:, :classes], np.stack(moved, axis=1))


def together(several: Sequence[Told]) -> Told:
    """What several detectors say of the same regions: means of their scores, and of their boxes.

    Those that move no regions have no say in where the objects are.
    """
    scores = np.mean([each.scores for each in several], axis=0)
    moved = [each.boxes_xyxy for each in several if each.boxes_xyxy is not None]
    return Told(scores, np.mean(moved, axis=0) if moved else None)


def detections(
    said: Told,
    regions_xyxy: Boxes,
    shape: tuple[int, int],
    *,
    overlap: float,
    least_score: float,
    most: int,
) -> Detections:
    """The objects of a picture of ``(height, width)``: greedy suppression class by class.

    Args:
        said: of the regions.
        regions_xyxy: ``[N, 4]``.
        shape: of the picture.
        overlap: IoU above which the worse of two boxes of a class is dropped.
        least_score: regions below it are nothing.
        most: of the picture.
    """
    rows, labels = np.nonzero(said.scores >= max(least_score, np.finfo(np.float64).tiny))
    boxes = regions_xyxy[rows] if said.boxes_xyxy is None else said.boxes_xyxy[rows, labels]
    boxes, scores = clip(boxes.astype(np.float64), *shape), said.scores[rows, labels]
    real = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 0
    boxes, labels, scores = boxes[real], labels[real], scores[real]
    kept = nms_per_class(boxes, scores, labels, threshold=overlap)[:most]
    return Detections(boxes[kept].astype(np.float32), labels[kept], scores[kept].astype(np.float32))


def _softmax(logits: Doubles) -> Doubles:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _margins(margins: Doubles) -> Doubles:
    """Margins of SVMs between 0 and 1, in their order; half at the boundary. No probabilities."""
    squeezed: Doubles = 1 / (1 + np.exp(-np.clip(margins, -500, 500)))
    return squeezed
