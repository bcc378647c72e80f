"""Which regions of a picture are learnt from, and what each of them shows. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from inception.detection.boxes import Boxes, Doubles, Indices, encode, iou
from inception.detection.datasets import Objects
from inception.detection.scoring import DEVIATIONS

UNUSED = -1  # label of a region over what is to be ignored
NEAR = 0.1  # IoU with an object from which background is hard to tell from it (Fast R-CNN)


@dataclass(frozen=True)
class Regions:
    """Regions of a picture with what they show.

    Attributes:
        boxes_xyxy: ``[N, 4]``.
        labels: ``[N]``: a class, the number of classes for the background, or ``UNUSED``.
        goals_xyxy: ``[N, 4]``: the object's box; the region's own for the background.
        best: ``[N]``: the largest IoU with an object.
    """

    boxes_xyxy: Boxes
    labels: Indices
    goals_xyxy: Boxes
    best: Doubles

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: Indices) -> Regions:
        """Those of the rows."""
        return Regions(
            self.boxes_xyxy[rows], self.labels[rows], self.goals_xyxy[rows], self.best[rows]
        )

    def mirrored(self, rows: Indices, width: float) -> Regions:
        """The same, of which those of the rows are seen in a mirror ``width`` pixels wide."""
        boxes, goals = (_mirrored(b, rows, width) for b in (self.boxes_xyxy, self.goals_xyxy))
        return Regions(boxes, self.labels, goals, self.best)

    def offsets(self) -> Doubles:
        """``[N, 4]``: what leads from the regions to their objects, as it is learnt."""
        found: Doubles = encode(self.goals_xyxy, self.boxes_xyxy) / DEVIATIONS
        return found


def matched(
    proposals_xyxy: Boxes, objects: Objects, num_classes: int, *, positive_iou: float
) -> Regions:
    """The objects themselves, then the proposals, each with what it shows.

    A region shows the object it overlaps most, from ``positive_iou`` on; one that shows none but
    so much of what is to be ignored is not used.
    """
    real = ~objects.ignored
    own, labels = objects.boxes_xyxy[real].astype(np.float64), objects.labels[real]
    boxes = np.concatenate([own, proposals_xyxy.astype(np.float64)])
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 0]
    overlaps = np.concatenate([iou(boxes, own), np.zeros((len(boxes), 1))], axis=1)
    nearest, best = overlaps.argmax(axis=1), overlaps.max(axis=1)
    shows = (best >= positive_iou) & (best > 0)
    found = np.where(shows, np.append(labels, num_classes)[nearest], num_classes)
    hidden = iou(boxes, objects.boxes_xyxy[objects.ignored].astype(np.float64))
    found[~shows & (hidden.max(axis=1, initial=0) >= positive_iou)] = UNUSED
    goals = np.where(shows[:, None], np.append(own, np.zeros((1, 4)), axis=0)[nearest], boxes)
    return Regions(boxes, found.astype(np.int64), goals, best)


class Share(NamedTuple):
    """How many regions are drawn, and which.

    Attributes:
        positives: the largest part of them that shows objects.
        near: part of the others that overlaps an object by ``NEAR``, where there are so many.
    """

    regions: int
    positives: float
    near: float = 0.0


def drawn(regions: Regions, num_classes: int, share: Share, rng: np.random.Generator) -> Indices:
    """Rows of regions to learn from, those with objects first; fewer where there are not enough."""
    positive = np.flatnonzero((regions.labels >= 0) & (regions.labels < num_classes))
    negative = rng.permutation(np.flatnonzero(regions.labels == num_classes))
    positive = rng.permutation(positive)[: max(1, round(share.regions * share.positives))]
    rest = share.regions - len(positive)
    near = negative[regions.best[negative] >= NEAR][: round(share.near * rest)]
    others = negative[~np.isin(negative, near)][: rest - len(near)]
    return np.concatenate([positive, near, others]).astype(np.int64)


def _mirrored(boxes_xyxy: Boxes, rows: Indices, width: float) -> Boxes:
    out = boxes_xyxy.copy()
    out[rows, 0], out[rows, 2] = width - boxes_xyxy[rows, 2], width - boxes_xyxy[rows, 0]
    return out
