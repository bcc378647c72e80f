"""COCO's average precision, by COCO's own library."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from inception.detection.datasets import Objects
from inception.detection.detections import Detections

NAMES = (  # of what pycocotools' ``summarize`` counts, in its order
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"),
)


class Coco(NamedTuple):
    """COCO's twelve numbers by name, and the first of each class; None where there is nothing."""

    numbers: dict[str, float | None]
    per_class: list[float | None]


def coco_numbers(
    found: Sequence[Detections], objects: Sequence[Objects], num_classes: int
) -> Coco | None:
    """What pycocotools makes of detections; None where it is not installed.

    Ignored objects are crowds to it. Of a picture the 100 surest detections count.
    """
    if find_spec("pycocotools") is None:
        return None
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it talks
        sides = COCO(), COCO()
        entries = [_wanted(objects), _found(found)]
        for side, annotations in zip(sides, entries, strict=True):
            side.dataset = {
                "images": [{"id": number} for number in range(1, len(objects) + 1)],
                "categories": [{"id": number} for number in range(1, num_classes + 1)],
                "annotations": annotations,
            }
            side.createIndex()
        judge = COCOeval(*sides, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    numbers = {name: _there(value) for name, value in zip(NAMES, judge.stats, strict=True)}
    precision = judge.eval["precision"][:, :, :, 0, -1]  # [IoUs, recalls, classes]: all sizes, 100
    return Coco(numbers, [_there(precision[:, :, label].mean()) for label in range(num_classes)])


def _there(value: float) -> float | None:
    return float(value) if value >= 0 else None  # -1 where there is nothing to find


def _wanted(objects: Sequence[Objects]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, own in enumerate(objects, 1):
        for box, label, ignored in zip(own.boxes_xyxy, own.labels, own.ignored, strict=True):
            _add(entries, number, box, int(label), iscrowd=int(ignored))
    return entries


def _found(found: Sequence[Detections]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, own in enumerate(found, 1):
        for box, label, score in zip(own.boxes_xyxy, own.labels, own.scores, strict=True):
            _add(entries, number, box, int(label), iscrowd=0, score=float(score))
    return entries


def _add(entries: list[dict[str, Any]], number: int, box: Any, label: int, **more: float) -> None:
    """An entry numbered from 1: pycocotools takes the number 0 for no match."""
    x1, y1, x2, y2 = box.astype(np.float64).tolist()
    entries.append(
        {
            "id": len(entries) + 1,
            "image_id": number,
            "category_id": label + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            **more,
        }
    )
