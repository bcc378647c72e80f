"""What was found in pictures, and the forms in which other programs read it: COCO's and YOLO's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inception.detection.boxes import Boxes, Indices
from inception.detection.datasets import DetectionSet
from inception.runtime.program import Floats


@dataclass(frozen=True)
class Detections:
    """What was found in a picture, the surest first.

    Attributes:
        boxes_xyxy: ``[N, 4]`` float32, in pixels, inside the picture.
        labels: ``[N]`` class indices, int64.
        scores: ``[N]`` float32, from 0 to 1.
    """

    boxes_xyxy: Boxes
    labels: Indices
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, least_score: float) -> Detections:
        """Those whose score is at least that."""
        good = self.scores >= least_score
        return Detections(self.boxes_xyxy[good], self.labels[good], self.scores[good])


def coco_results(found: Mapping[int, Detections], dataset: DetectionSet) -> list[dict[str, Any]]:
    """Detections in COCO's result form, as pycocotools' ``loadRes`` and FiftyOne read it.

    Pictures and classes have the numbers of the set's own JSON; where it came without, as
    ``coco_annotations`` gives them.
    """
    return [
        {
            "image_id": dataset.image_id(index),
            "category_id": dataset.category_id(int(label)),
            "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
            "score": float(score),
        }
        for index, each in found.items()
        for (x1, y1, x2, y2), label, score in zip(
            each.boxes_xyxy.astype(float), each.labels, each.scores, strict=True
        )
    ]


def coco_annotations(dataset: DetectionSet, sizes: Iterable[tuple[int, int]]) -> dict[str, Any]:
    """A set as COCO's JSON, numbered from 1 where it came without numbers; ignored are crowds.

    Args:
        dataset: the set.
        sizes: height and width of each picture.
    """
    annotations: list[dict[str, Any]] = []
    for index in range(len(dataset)):
        objects = dataset.objects(index)
        for box, label, ignored in zip(
            objects.boxes_xyxy.astype(float), objects.labels, objects.ignored, strict=True
        ):
            width, height = box[2] - box[0], box[3] - box[1]
            annotations.append(
                {
                    "id": len(annotations) + 1,  # not from 0, which pycocotools takes for no match
                    "image_id": dataset.image_id(index),
                    "category_id": dataset.category_id(int(label)),
                    "bbox": [float(box[0]), float(box[1]), float(width), float(height)],
                    "area": float(width * height),
                    "iscrowd": int(ignored),
                }
            )
    images = [
        {
            "id": dataset.image_id(i),
            "file_name": dataset.pictures[i].path.name,
            "height": h,
            "width": w,
        }
        for i, (h, w) in enumerate(sizes)
    ]
    names = [{"id": dataset.category_id(i), "name": n} for i, n in enumerate(dataset.classes)]
    return {"images": images, "annotations": annotations, "categories": names}


def yolo_text(found: Detections, size: tuple[int, int]) -> str:
    """A picture's detections in YOLO's form: ``class x y width height score``, a line each.

    Args:
        found: in the picture.
        size: its height and width, of which centres and sides are shares.
    """
    height, width = size
    lines = []
    for (x1, y1, x2, y2), label, score in zip(
        found.boxes_xyxy.astype(float), found.labels, found.scores, strict=True
    ):
        centre = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
        numbers = (*centre, (x2 - x1) / width, (y2 - y1) / height, float(score))
        lines.append(f"{label} " + " ".join(f"{number:.6f}" for number in numbers) + "\n")
    return "".join(lines)
