"""What goes wrong in detection: each detection judged, each object that was missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inception.detection.boxes import iou
from inception.detection.datasets import Objects
from inception.detection.detections import Detections
from inception.detection.metrics import HIT, IGNORED, OVERLAP, curves, match_voc

NEARLY = 0.1  # overlap from which a detection means an object, if badly placed
RIGHT, UNCOUNTED, MISSED = "right", "ignored", "missed"
KINDS = ("localisation", "class", "duplicate", "background", MISSED)  # of mistakes


@dataclass(frozen=True)
class Verdict:
    """What is right and wrong in a picture.

    Attributes:
        found: the detections that were judged, the surest first.
        kinds: ``right``, ``ignored`` or one of ``KINDS`` for each of them.
        missed: objects, by their number, that no detection found.
    """

    found: Detections
    kinds: tuple[str, ...]
    missed: tuple[int, ...]

    @property
    def mistakes(self) -> int:
        """How many there are."""
        return len(self.missed) + sum(kind in KINDS for kind in self.kinds)

    def count(self, kind: str) -> int:
        """How often a kind of mistake was made."""
        return len(self.missed) if kind == MISSED else self.kinds.count(kind)


def best_score(found: Sequence[Detections], objects: Sequence[Objects], num_classes: int) -> float:
    """The score from which F1 over all classes is best; 0.5 where no detection is right."""
    all_curves = curves(found, objects, num_classes)
    scores = np.concatenate([np.empty(0), *(curve.scores for curve in all_curves)])
    right = [np.diff(curve.hits, prepend=0) for curve in all_curves]
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(np.concatenate([np.empty(0, np.int64), *right])[order])
    if not len(hits) or not hits[-1]:
        return 0.5
    positives = sum(curve.positives for curve in all_curves)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + positives)
    return float(scores[order][int(f1.argmax())])


def judge(found: Detections, objects: Objects, least_score: float) -> Verdict:
    """Says of each detection of a picture, from ``least_score`` on, what it is.

    A wrong one is a duplicate where its object was found before; of the wrong class where it
    overlaps another's object by half; badly localised where it overlaps one of its own class by a
    tenth; else background.
    """
    found = found.above(least_score)
    order = np.argsort(-found.scores, kind="stable")
    found = Detections(found.boxes_xyxy[order], found.labels[order], found.scores[order])
    overlaps = iou(found.boxes_xyxy, objects.boxes_xyxy)
    own = found.labels[:, None] == objects.labels[None]
    kinds = [""] * len(found)
    hit = objects.ignored.copy()
    for label in np.unique(found.labels):
        rows, columns = (
            np.flatnonzero(found.labels == label),
            np.flatnonzero(objects.labels == label),
        )
        of_class = Objects(
            objects.boxes_xyxy[columns], objects.labels[columns], objects.ignored[columns]
        )
        of_rows = overlaps[np.ix_(rows, columns)]
        for row, of_row, outcome in zip(rows, of_rows, match_voc(of_rows, of_class), strict=True):
            if outcome == HIT:
                hit[columns[int(of_row.argmax())]] = True
            kinds[row] = {HIT: RIGHT, IGNORED: UNCOUNTED}.get(
                int(outcome), _wrong(overlaps[row], own[row])
            )
    return Verdict(found, tuple(kinds), tuple(np.flatnonzero(~hit).tolist()))


def _wrong(overlaps: npt.NDArray[np.float64], own: npt.NDArray[np.bool_]) -> str:
    best_own = overlaps[own].max(initial=0)
    if best_own >= OVERLAP:
        return "duplicate"
    if overlaps[~own].max(initial=0) >= OVERLAP:
        return "class"
    return "localisation" if best_own >= NEARLY else "background"
