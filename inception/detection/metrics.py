"""What detections are worth: average precision by ILSVRC's rule, VOC's two, and COCO's library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.detection.boxes import Boxes, Doubles, iou
from inception.detection.coco_metrics import coco_numbers
from inception.detection.datasets import Objects
from inception.detection.detections import Detections

HIT, MISS, IGNORED = 1, 0, -1  # what a detection is
OVERLAP = 0.5
ILSVRC_SLACK_PX = 10  # by which ILSVRC lets a small box miss on each side, added up

Outcomes = npt.NDArray[np.int8]
Matching = Callable[[Doubles, Objects], Outcomes]
Averaging = Callable[["Curve"], float]


@dataclass(frozen=True)
class Curve:
    """The detections of a class over all pictures, the surest first, without those ignored.

    Attributes:
        scores: ``[N]``.
        hits: ``[N]``, those found among the first so many, 1 at least.
        positives: objects that could be found.
    """

    scores: Doubles
    hits: npt.NDArray[np.int64]
    positives: int

    @property
    def recall(self) -> Doubles:
        """``[N]``: the share of objects found by the first so many detections."""
        return np.asarray(self.hits / max(self.positives, 1))

    @property
    def precision(self) -> Doubles:
        """``[N]``: the share of the first so many detections that are right."""
        return np.asarray(self.hits / np.arange(1, len(self.hits) + 1))

    @property
    def envelope(self) -> Doubles:
        """``[N]``: the best precision at this recall or a higher one."""
        return np.asarray(np.maximum.accumulate(self.precision[::-1])[::-1])


def every_point(curve: Curve) -> float:
    """The area under the envelope, as VOC since 2010 and ILSVRC have it."""
    steps = np.diff(np.concatenate([[0.0], curve.recall]))
    return float((steps * curve.envelope).sum())


def eleven_points(curve: Curve) -> float:
    """The mean of the envelope at recalls of 0, 0.1, … 1, as VOC had it until 2009."""
    # hits are whole, so that a recall of exactly 0.3 is none that rounding took below it
    places = [np.flatnonzero(10 * curve.hits >= tenth * curve.positives)[:1] for tenth in range(11)]
    return float(sum(curve.envelope[at].sum() for at in places)) / 11


def match_voc(overlaps: Doubles, objects: Objects) -> Outcomes:
    """What each detection of a class in a picture is, by VOC's rule.

    It is measured by the object it overlaps most, whether that was found before or not.

    Args:
        overlaps: ``[N, M]``, the surest detection first.
        objects: ``M`` of the class.
    """
    out = np.full(len(overlaps), MISS, np.int8)
    taken = np.zeros(len(objects), np.bool_)
    for row, of_row in enumerate(overlaps if len(objects) else ()):
        best = int(of_row.argmax())
        if of_row[best] < OVERLAP or taken[best]:
            continue
        out[row] = IGNORED if objects.ignored[best] else HIT
        taken[best] = not objects.ignored[best]
    return out


def match_ilsvrc(overlaps: Doubles, objects: Objects) -> Outcomes:
    """As ``match_voc`` by ILSVRC's rule: the best of the objects that are still to be found.

    Small objects may be overlapped by less than half. What only hits an ignored object does not
    count.
    """
    out = np.full(len(overlaps), MISS, np.int8)
    enough = overlaps >= ilsvrc_thresholds(objects.boxes_xyxy)
    free = ~objects.ignored
    for row, of_row in enumerate(overlaps):
        if (enough[row] & free).any():
            best = int(np.where(enough[row] & free, of_row, -1).argmax())
            out[row], free[best] = HIT, False
        elif (enough[row] & objects.ignored).any():
            out[row] = IGNORED
    return out


def ilsvrc_thresholds(boxes_xyxy: Boxes) -> Doubles:
    """``[M]``: the IoU from which each object counts as found.

    Sides are the devkit's ``x2 - x1 + 1`` of first and last pixels, which ours are as edges.
    """
    sides = boxes_xyxy[:, 2:].astype(np.float64) - boxes_xyxy[:, :2]
    size = sides.prod(axis=1)
    return np.asarray(np.minimum(OVERLAP, size / (sides + ILSVRC_SLACK_PX).prod(axis=1)))


RULES: dict[str, tuple[Matching, Averaging]] = {
    "voc2012": (match_voc, every_point),
    "voc2007": (match_voc, eleven_points),
    "ilsvrc": (match_ilsvrc, every_point),
}


def curves(
    found: Sequence[Detections],
    objects: Sequence[Objects],
    num_classes: int,
    matching: Matching = match_voc,
    *,
    blacklist: Collection[tuple[int, int]] = (),
) -> list[Curve]:
    """The curve of each class. Of equal scores the earlier picture's comes first.

    Args:
        found: of each picture.
        objects: of each picture.
        num_classes: how many there are.
        matching: the rule.
        blacklist: pairs of a picture's number and a class that count for nothing at all.
    """
    scores: list[list[Doubles]] = [[] for _ in range(num_classes)]
    outcomes: list[list[Outcomes]] = [[] for _ in range(num_classes)]
    positives = [0] * num_classes
    for number, (own, wanted) in enumerate(zip(found, objects, strict=True)):
        overlaps = iou(own.boxes_xyxy, wanted.boxes_xyxy)
        for label in np.union1d(own.labels, wanted.labels).astype(int):
            if (number, label) in blacklist:
                continue
            rows, columns = (np.flatnonzero(each.labels == label) for each in (own, wanted))
            rows = rows[np.argsort(-own.scores[rows], kind="stable")]
            of_class = _at(wanted, columns)
            scores[label].append(own.scores[rows].astype(np.float64))
            outcomes[label].append(matching(overlaps[np.ix_(rows, columns)], of_class))
            positives[label] += int((~of_class.ignored).sum())
    return [_curve(*each) for each in zip(scores, outcomes, positives, strict=True)]


def _at(objects: Objects, rows: npt.NDArray[np.int64]) -> Objects:
    return Objects(objects.boxes_xyxy[rows], objects.labels[rows], objects.ignored[rows])


def _curve(scores: list[Doubles], outcomes: list[Outcomes], positives: int) -> Curve:
    all_scores = np.concatenate([np.empty(0), *scores])
    all_outcomes = np.concatenate([np.empty(0, np.int8), *outcomes])
    counted = all_outcomes != IGNORED
    all_scores, all_outcomes = all_scores[counted], all_outcomes[counted]
    order = np.argsort(-all_scores, kind="stable")
    hits = np.cumsum(all_outcomes[order] == HIT, dtype=np.int64)
    return Curve(all_scores[order], hits, positives)


def average_precision(
    rule: str,
    found: Sequence[Detections],
    objects: Sequence[Objects],
    num_classes: int,
    *,
    blacklist: Collection[tuple[int, int]] = (),
) -> list[float | None]:
    """Of each class by one of ``RULES``, from 0 to 1; None where there is nothing to find."""
    matching, averaging = RULES[rule]
    found_curves = curves(found, objects, num_classes, matching, blacklist=blacklist)
    return [averaging(curve) if curve.positives else None for curve in found_curves]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None where none is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def measure(
    found: Sequence[Detections],
    objects: Sequence[Objects],
    classes: Sequence[str],
    *,
    blacklist: Collection[tuple[int, int]] = (),
) -> dict[str, Any]:
    """What detections are worth, as JSON values; shares from 0 to 1.

    ``map50`` is VOC 2012's mean average precision at half an overlap, ``map`` COCO's at 0.5 to
    0.95, from pycocotools; None, and ``coco`` too, where that is not installed. Classes without
    objects count for nothing.

    Args:
        found: of each picture.
        objects: of each picture.
        classes: by label.
        blacklist: ILSVRC's pairs of a picture's number and a class to be left out by its rule.
    """
    pairs = {"ilsvrc": blacklist}
    by_rule = {
        rule: average_precision(rule, found, objects, len(classes), blacklist=pairs.get(rule, ()))
        for rule in RULES
    }
    coco = coco_numbers(found, objects, len(classes))
    of_classes = coco.per_class if coco else [None] * len(classes)
    rows = []
    for label, curve in enumerate(curves(found, objects, len(classes))):
        rows.append(
            {
                "class": classes[label],
                "objects": curve.positives,
                "detections": len(curve.hits),
                "recall": float(curve.recall[-1]) if len(curve.hits) and curve.positives else None,
                "ap50": by_rule["voc2012"][label],
                "ap": of_classes[label],
                "voc2007": by_rule["voc2007"][label],
                "ilsvrc": by_rule["ilsvrc"][label],
            }
        )
    return {
        "map50": mean(by_rule["voc2012"]),
        "map": coco.numbers["ap"] if coco else None,
        "voc2007": mean(by_rule["voc2007"]),
        "ilsvrc": mean(by_rule["ilsvrc"]),
        "coco": coco.numbers if coco else None,
        "per_class": rows,
    }
