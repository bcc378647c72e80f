"""Where a layer's windows lie and what shape it gives: worked out here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from inception.errors import InputError
from inception.models.kinds import (
    Branches,
    Conv,
    Flatten,
    Layer,
    Layers,
    Linear,
    Padding,
    Pair,
    Pool,
    Residual,
)

Sides: TypeAlias = tuple[int, int]  # height, width
Pads: TypeAlias = tuple[Sides, Sides]  # (top, bottom), (left, right)


class Shape(NamedTuple):
    """Channels, height, width; a flat vector is ``(features, 1, 1)``."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Position:
    """Where a tensor stands: its shape, and how much of the picture one value of it sees.

    Attributes:
        receptive_field: side in pixels; the largest of the branches that meet there.
        strides: pixels between neighbouring values, down and across.
        flat: whether it is ``[N, features]``, no longer maps.
    """

    shape: Shape
    receptive_field: int = 1
    strides: Sides = (1, 1)
    flat: bool = False

    @property
    def stride(self) -> int:
        """The larger of both: a network for signals strides along one side alone."""
        return max(self.strides)


class TooSmallError(Exception):
    """A window has no room in what it is laid over."""


@dataclass(frozen=True)
class Windows:
    """The windows of a convolution or a pool over a grid, every row and column of padding said.

    As many as fit into the padded grid: ``sides``.

    Attributes:
        pads: all of it, ``(top, bottom), (left, right)``.
        over: how much at the bottom and right only rounding up adds; it never counts.
        sides: height and width of what comes out.
    """

    kernel: Sides
    strides: Sides
    pads: Pads
    over: Sides
    sides: Sides


@dataclass(frozen=True)
class Spans:
    """Adaptive windows, from start to stop: every one of ``rows`` with every one of ``columns``."""

    rows: tuple[Sides, ...]
    columns: tuple[Sides, ...]


def windows(
    kernel: Pair, stride: Pair, padding: Padding, grid: Iterable[int], *, ceil: bool = False
) -> Windows:
    """The windows of a layer over a grid of ``(height, width)``.

    Raises:
        TooSmallError: there is no room for one.
    """
    kernels, strides, grid = pair(kernel), pair(stride), tuple(grid)
    declared = paddings(kernel, padding, stride, grid)
    axes = list(zip(grid, kernels, strides, declared, strict=True))
    height, width = (_side(n, k, s, p, ceil=ceil) for n, k, s, p in axes)
    bottom, right = (
        max((side - 1) * s + k - n - sum(p), 0)
        for side, (n, k, s, p) in zip((height, width), axes, strict=True)
    )
    rows, columns = declared
    pads = ((rows[0], rows[1] + bottom), (columns[0], columns[1] + right))
    return Windows(kernels, strides, pads, (bottom, right), (height, width))


def own_windows(layer: Pool, grid: Iterable[int]) -> Windows | None:
    """Those that a pool's kernel makes; none where they do not give the grid it asks for.

    Raises:
        TooSmallError: there is no room for one, and the pool asks for no grid.
    """
    if layer.kernel is None:
        return None
    try:
        own = windows(layer.kernel, layer.stride, layer.padding, grid, ceil=layer.ceil)
    except TooSmallError:
        if layer.grid is None:
            raise
        return None
    return own if layer.grid is None or own.sides == (layer.grid, layer.grid) else None


def pool_windows(layer: Pool, grid: Iterable[int]) -> Windows | Spans:
    """A pool's own windows, else adaptive ones, which may all be alike."""
    height, width = grid
    own, side = own_windows(layer, (height, width)), layer.grid or 1
    if own is not None:
        return own
    if height % side == 0 == width % side:
        each = (height // side, width // side)
        return windows(each, each, 0, (height, width))
    return Spans(_spans(height, side), _spans(width, side))


def _spans(n: int, grid: int) -> tuple[Sides, ...]:
    return tuple((i * n // grid, -(-(i + 1) * n // grid)) for i in range(grid))


def _side(n: int, kernel: int, stride: int, pads: Sides, *, ceil: bool) -> int:
    room = n + sum(pads) - kernel
    side = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (side - 1) * stride >= n + pads[0]:
        side -= 1  # a window that starts in the padding is dropped, as in Caffe and torch
    if side < 1 or (room < 0 and not ceil):
        raise TooSmallError
    return side


def paddings(kernel: Pair, padding: Padding, stride: Pair, grid: Iterable[int]) -> Pads:
    """Padding before and after that a layer asks for: ``(top, bottom), (left, right)``."""
    if padding == "same":
        sides = zip(grid, pair(kernel), pair(stride), strict=True)
        rows, columns = (max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in sides)
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
    if padding == "half":
        rows, columns = ((k - 1) // 2 for k in pair(kernel))
    else:
        rows, columns = pair(padding)
    return (rows, rows), (columns, columns)


def pair(value: Pair) -> Sides:
    """``(height, width)`` of a number that stands for both, or of a pair."""
    return (value, value) if isinstance(value, int) else value


def conv_width(layer: Conv, channels_in: int) -> int:
    """Channels out of a convolution, whether by width or by depthwise multiplier."""
    if layer.multiplier is not None:
        return channels_in * layer.multiplier
    return int(layer.width or 0)


def conv_groups(layer: Conv, channels_in: int) -> int:
    """Groups of a convolution; a depthwise one has a group a channel."""
    return layer.groups if layer.multiplier is None else channels_in


def end(layers: Layers, start: Position) -> Position:
    """Where a tensor stands after the layers.

    Raises:
        InputError: branches whose grids differ, a residual body whose shape does.
    """
    if isinstance(layers, Mapping):
        for inner in layers.values():
            start = end(inner, start)
        return start
    if isinstance(layers, Branches):
        return concatenated([end(branch, start) for branch in layers.branches.values()])
    if isinstance(layers, Residual):
        return added(end(layers.body, start), end(layers.shortcut, start))
    return after(layers, start)


def concatenated(ends: list[Position]) -> Position:
    """Where the channels of branches stand side by side."""
    _, height, width = ends[0].shape
    if any((e.flat, *e.shape[1:]) != (ends[0].flat, height, width) for e in ends):
        grids = ", ".join("flat" if e.flat else f"{e.shape.height}x{e.shape.width}" for e in ends)
        raise InputError(f"branches to concatenate differ in grid: {grids}")
    shape = Shape(sum(e.shape.channels for e in ends), height, width)
    return replace(ends[0], shape=shape, receptive_field=max(e.receptive_field for e in ends))


def added(body: Position, shortcut: Position) -> Position:
    """Where a residual's body meets its shortcut."""
    if (body.flat, body.shape) != (shortcut.flat, shortcut.shape):
        shapes = ["x".join(map(str, e.shape)) + " flat" * e.flat for e in (body, shortcut)]
        raise InputError(f"a residual adds {shapes[0]} to {shapes[1]}: body and shortcut differ")
    return replace(body, receptive_field=max(body.receptive_field, shortcut.receptive_field))


def after(layer: Layer, start: Position) -> Position:
    """Where a tensor stands after one layer that holds no others."""
    c, h, w = start.shape
    match layer:
        case Conv():
            found = windows(layer.kernel, layer.stride, layer.padding, (h, w))
            return _moved(start, conv_width(layer, c), found)
        case Pool():
            return _pooled(layer, start)
        case Flatten():
            return replace(start, shape=Shape(c * h * w, 1, 1), flat=True)
        case Linear():
            return replace(start, shape=Shape(int(layer.width), 1, 1), flat=True)
    return start


def _pooled(layer: Pool, start: Position) -> Position:
    c, h, w = start.shape
    own = own_windows(layer, (h, w))
    if own is not None:
        return _moved(start, c, own)
    side = layer.grid or 1
    field = start.receptive_field
    if side == 1:
        field += _seen((h, w), start.strides)
    return replace(start, shape=Shape(c, side, side), receptive_field=field)


def _moved(start: Position, channels: int, found: Windows) -> Position:
    field = start.receptive_field + _seen(found.kernel, start.strides)
    strides = (start.strides[0] * found.strides[0], start.strides[1] * found.strides[1])
    return Position(Shape(channels, *found.sides), field, strides)


def _seen(kernel: Sides, strides: Sides) -> int:
    """Pixels that a window sees beside those that its first value does, on its longer side."""
    return max((k - 1) * s for k, s in zip(kernel, strides, strict=True))
