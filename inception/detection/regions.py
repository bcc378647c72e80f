"""What the network is shown of a picture's regions: warped pictures, or features pooled. No torch.

Boxes are in pixels from the picture's edge, as everywhere in detection.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from inception.data.crops import FILTERS
from inception.data.images import Picture
from inception.detection.boxes import Boxes
from inception.detection.detector import Origin
from inception.preprocessing import Preprocessing
from inception.runtime.program import Floats

SAMPLES = 2  # a side of a cell of the pooled grid


def shown_whole(
    picture: Picture, preprocessing: Preprocessing, *, share: float = 1.0
) -> tuple[Picture, float]:
    """A picture as the backbone of ``fast`` sees it, and by what its sides were multiplied.

    The long side becomes ``share`` of ``preprocessing.size``; what is missing to a square of that
    size, at the bottom or the right, is the mean colour.
    """
    height, width = picture.shape[:2]
    scale = share * preprocessing.size / max(height, width)
    sides = [max(1, round(side * scale)) for side in (width, height)]
    kernel = FILTERS[preprocessing.interpolation]
    canvas = _blank(preprocessing)
    smaller = Image.fromarray(picture).resize((sides[0], sides[1]), kernel)
    canvas[: sides[1], : sides[0]] = np.asarray(smaller)
    return canvas, scale


def warp(
    picture: Picture, boxes_xyxy: Boxes, preprocessing: Preprocessing, *, context_px: int
) -> Picture:
    """Each region as a square, ``uint8 [N, size, size, 3]``, its proportions given up.

    The region itself fills the square but for ``context_px`` on every side, which show what is
    around it; beyond the picture's edge that is the mean colour. That is R-CNN's rule.
    """
    size = preprocessing.size
    out = np.broadcast_to(_blank(preprocessing), (len(boxes_xyxy), size, size, 3)).copy()
    image, kernel = Image.fromarray(picture), FILTERS[preprocessing.interpolation]
    edges = np.array([image.width, image.height, image.width, image.height], np.float64)
    for square, box in zip(out, widened(boxes_xyxy, size, context_px), strict=True):
        sides = np.maximum(np.tile(box[2:] - box[:2], 2), 1e-6)
        inside = np.clip(box, 0, edges)
        left, top, right, bottom = np.rint((inside - np.tile(box[:2], 2)) / sides * size).astype(
            int
        )
        if right > left and bottom > top:
            part = image.resize((right - left, bottom - top), kernel, box=tuple(inside.tolist()))
            square[top:bottom, left:right] = np.asarray(part)
    return out


def widened(boxes_xyxy: Boxes, size: int, context_px: int) -> Boxes:
    """The boxes with what becomes ``context_px`` on each side once they fill ``size`` pixels."""
    boxes = boxes_xyxy.astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    margin = sides * context_px / (size - 2 * context_px)
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _blank(preprocessing: Preprocessing) -> Picture:
    """A square of the mean colour, red first."""
    mean = preprocessing.mean
    colour = mean[::-1] if preprocessing.channel_order == "bgr" else mean
    square = np.empty((preprocessing.size, preprocessing.size, 3), np.uint8)
    square[:] = np.rint(np.clip(colour, 0, 255)).astype(np.uint8)
    return square


def in_cells(boxes_xyxy: Boxes, origin: Origin) -> Boxes:
    """Boxes in pixels as boxes in cells, of which the first has its centre at 0."""
    return (boxes_xyxy.astype(np.float64) - origin.first) / origin.stride


def pool_weights(starts: Floats, stops: Floats, cells: int, grid: int) -> Floats:
    """How much each of ``cells`` counts in each of ``grid`` bins between start and stop.

    A bin is the mean of ``SAMPLES`` points, a point lies between the two cells next to it, and
    points outside are moved to the edge.

    Returns:
        ``[N, grid, cells]``; what a bin takes of all cells adds up to 1.
    """
    places = (np.arange(grid * SAMPLES) + 0.5) / (grid * SAMPLES)
    points = starts[:, None] + (stops - starts)[:, None] * places  # [N, grid * SAMPLES]
    points = np.clip(points, 0, cells - 1)
    near = np.maximum(1 - np.abs(points[..., None] - np.arange(cells)), 0)
    means = near.reshape(len(starts), grid, SAMPLES, cells).mean(axis=2)
    return np.asarray(means, np.float32)


def roi_align(features: Floats, boxes_in_cells: Boxes, grid: int) -> Floats:
    """What the features ``[C, H, W]`` are in each box, ``[N, C, grid, grid]``.

    RoI align: no coordinate is rounded. Since the points of a box stand in rows and columns, it is
    two products of matrices, of the few cells that a box is made of.
    """
    channels, height, width = features.shape
    cells = np.ascontiguousarray(features.transpose(1, 2, 0))
    rows = pool_weights(boxes_in_cells[:, 1], boxes_in_cells[:, 3], height, grid)
    columns = pool_weights(boxes_in_cells[:, 0], boxes_in_cells[:, 2], width, grid)
    out = np.empty((len(boxes_in_cells), grid, grid, channels), np.float32)
    for pooled, down, across in zip(out, rows, columns, strict=True):
        high, wide = _counting(down), _counting(across)
        seen = cells[high, wide]  # [h, w, C]
        lines = (down[:, high] @ seen.reshape(len(seen), -1)).reshape(grid, -1, channels)
        np.matmul(across[:, wide], lines, out=pooled)
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))


def _counting(weights: Floats) -> slice:
    """From the first to the last cell that counts in any bin ``[grid, cells]``."""
    found = np.flatnonzero(weights.any(axis=0))
    return slice(int(found[0]), int(found[-1]) + 1)
