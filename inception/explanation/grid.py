"""Where in a picture the cells of a stage's grid lie. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from inception.data.crops import Box
from inception.models.shapes import Position, Shape, end, paddings, pair
from inception.models.spec import Branches, Conv, Layers, Pool, Residual, Spec

Sides: TypeAlias = npt.NDArray[np.float64]  # [rows, columns]


def cells(spec: Spec, stage: str, crop: Box) -> Box:
    """The rectangle that a stage's values cover, each in the middle of what it sees.

    Pools that round up put their cells further down and to the right than an even division of the
    crop would, GoogLeNet's last stage by half a cell; the rectangle then reaches beyond the crop.

    Args:
        spec: the network, at its own picture size.
        stage: whose values.
        crop: what the network is shown, in the picture's pixels.
    """
    size = spec.image_size
    at, centre = Position(Shape(spec.in_channels, size, size)), np.full(2, 0.5)
    for name, layers in spec.stages.items():
        centre += _shift(layers, at)
        at = end(layers, at)
        if name == stage:
            break
    stride, grid = at.stride, np.array(at.shape[1:])
    top, left = (centre - stride / 2) / size
    bottom, right = (centre + (grid - 0.5) * stride) / size
    across, down = crop.right - crop.left, crop.bottom - crop.top
    return Box(
        crop.left + left * across,
        crop.top + top * down,
        crop.left + right * across,
        crop.top + bottom * down,
    )


def _shift(layers: Layers, at: Position) -> Sides:
    """How far right of and below the first cell's centre the next one's is, in pixels."""
    if isinstance(layers, Mapping):
        shift = np.zeros(2)
        for inner in layers.values():
            shift += _shift(inner, at)
            at = end(inner, at)
        return shift
    if isinstance(layers, Branches):
        shifts = [_shift(branch, at) for branch in layers.branches.values()]
        return np.asarray(np.mean(shifts, axis=0))
    if isinstance(layers, Residual):
        return _shift(layers.body, at)
    if isinstance(layers, Conv | Pool) and layers.kernel is not None:
        before = paddings(layers.kernel, layers.padding, layers.stride, at.shape[1:])
        sides = zip(pair(layers.kernel), before, strict=True)
        return np.array([((k - 1) / 2 - pad) * at.stride for k, (pad, _) in sides])
    return np.zeros(2)
