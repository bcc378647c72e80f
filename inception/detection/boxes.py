"""Arithmetic of boxes: overlap, suppression, coding, matching. Numbers only, no torch.

A box is ``x1 y1 x2 y2`` in pixels from the picture's upper left corner, edges rather than pixels:
it is ``x2 - x1`` wide, and the whole picture is ``0 0 width height``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating[Any]]  # [N, 4]
Reals = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_GROWTH = math.log(1000 / 16)  # of a side by box regression: a small box to the whole picture


def area(boxes_xyxy: Boxes) -> Doubles:
    """``[N]`` areas; 0 for a box that is inverted."""
    sides = np.maximum(boxes_xyxy[:, 2:].astype(np.float64) - boxes_xyxy[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def intersection(first_xyxy: Boxes, second_xyxy: Boxes) -> Doubles:
    """``[N, M]`` areas that each of ``[N, 4]`` shares with each of ``[M, 4]``."""
    first, second = (b.astype(np.float64)[:, :4] for b in (first_xyxy, second_xyxy))
    starts = np.maximum(first[:, None, :2], second[None, :, :2])  # [N, M, 2]
    ends = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.maximum(ends - starts, 0).prod(axis=2))


def iou(first_xyxy: Boxes, second_xyxy: Boxes) -> Doubles:
    """``[N, M]`` intersections over unions, from 0 to 1; 0 where neither box has an area."""
    shared = intersection(first_xyxy, second_xyxy)
    union = area(first_xyxy)[:, None] + area(second_xyxy)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def clip(boxes_xyxy: Boxes, height: float, width: float) -> Boxes:
    """The parts of the boxes inside a picture; a box wholly outside is left without an area."""
    most = np.array([width, height, width, height], boxes_xyxy.dtype)
    return np.clip(boxes_xyxy, 0, most)


def unique(boxes_xyxy: Boxes) -> Boxes:
    """The boxes without those that came before already, in their order."""
    _, first = np.unique(boxes_xyxy, axis=0, return_index=True)
    return boxes_xyxy[np.sort(first)]


def nms(boxes_xyxy: Boxes, scores: Reals, *, threshold: float) -> Indices:
    """Which boxes greedy non-maximum suppression keeps, the best first.

    A box goes where a better one that was kept overlaps it by more than ``threshold``. Of equal
    scores the earlier is the better.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes_xyxy[order]
    waiting = np.arange(len(order))
    kept: list[int] = []
    while len(waiting):
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        overlaps = iou(boxes[best : best + 1], boxes[waiting])[0]
        waiting = waiting[overlaps <= threshold]
    return np.asarray(order[kept], dtype=np.int64)


def nms_per_class(
    boxes_xyxy: Boxes, scores: Reals, labels: Indices, *, threshold: float
) -> Indices:
    """As ``nms``, where a box is measured against those of its own class alone."""
    kept = [
        own[nms(boxes_xyxy[own], scores[own], threshold=threshold)]
        for own in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    all_kept = np.sort(np.concatenate([np.empty(0, np.int64), *kept]))
    return all_kept[np.argsort(-scores[all_kept], kind="stable")]


def encode(boxes_xyxy: Boxes, anchors_xyxy: Boxes) -> Doubles:
    """R-CNN's ``[N, 4]`` regression targets ``tx ty tw th`` that lead from anchors to boxes.

    All boxes and anchors must have an area.
    """
    centres, sizes = _centres_and_sizes(boxes_xyxy)
    from_centres, from_sizes = _centres_and_sizes(anchors_xyxy)
    return np.concatenate(
        [(centres - from_centres) / from_sizes, np.log(sizes / from_sizes)], axis=1
    )


def decode(deltas: Reals, anchors_xyxy: Boxes) -> Doubles:
    """The ``[N, 4]`` boxes to which ``tx ty tw th`` lead from the anchors; the way back."""
    centres, sizes = _centres_and_sizes(anchors_xyxy)
    moved = centres + deltas[:, :2] * sizes
    half = sizes * np.exp(np.minimum(deltas[:, 2:].astype(np.float64), MOST_GROWTH)) / 2
    return np.concatenate([moved - half, moved + half], axis=1)


def _centres_and_sizes(boxes_xyxy: Boxes) -> tuple[Doubles, Doubles]:
    boxes = boxes_xyxy.astype(np.float64)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + sizes / 2, sizes


def match(cost: Reals) -> tuple[Indices, Indices]:
    """The one-to-one matching of rows and columns of ``[N, M]`` whose costs add up to least.

    Every row or every column has its partner, whichever are fewer. The Hungarian method: rows are
    brought in one after the other, each along the cheapest path of exchanges.

    Returns:
        Rows, rising, and their columns.
    """
    if cost.shape[0] > cost.shape[1]:
        columns, rows = match(cost.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    costs = cost.astype(np.float64)
    row_of = np.full(costs.shape[1], -1)
    price_row, price_column = np.zeros(costs.shape[0]), np.zeros(costs.shape[1])
    for row in range(costs.shape[0]):
        _bring_in(row, costs, row_of, price_row, price_column)
    columns = np.flatnonzero(row_of >= 0)
    order = np.argsort(row_of[columns])
    return row_of[columns][order].astype(np.int64), columns[order].astype(np.int64)


def _bring_in(
    row: int, cost: Doubles, row_of: Indices, price_row: Doubles, price_column: Doubles
) -> None:
    """Finds ``row`` a column by the cheapest path of exchanges (Dijkstra); prices follow."""
    num_columns = cost.shape[1]
    distance = np.full(num_columns, np.inf)
    came_from = np.full(num_columns, -1)  # the column whose row would move here; -1 for the new row
    done = np.zeros(num_columns, bool)
    at, column, length = row, -1, 0.0
    while True:
        through = length + cost[at] - price_row[at] - price_column
        shorter = ~done & (through < distance)
        distance[shorter], came_from[shorter] = through[shorter], column
        column = int(np.where(done, np.inf, distance).argmin())
        length = distance[column]
        done[column] = True
        if row_of[column] < 0:
            break
        at = int(row_of[column])
    price_row[row] += length
    for other in np.flatnonzero(done):
        if row_of[other] >= 0:
            price_row[row_of[other]] += length - distance[other]
        price_column[other] -= length - distance[other]
    while column >= 0:
        before = int(came_from[column])
        row_of[column] = row if before < 0 else row_of[before]
        column = before
