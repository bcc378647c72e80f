"""What a network costs: shapes, parameters, multiply-adds, receptive fields. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from inception.errors import InputError
from inception.models.spec import (
    Branches,
    Conv,
    Flatten,
    Layer,
    Layers,
    Linear,
    Norm,
    Pair,
    Pool,
    Residual,
    Spec,
    concrete,
)


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
        stride: pixels between neighbouring values.
    """

    shape: Shape
    receptive_field: int = 1
    stride: int = 1


@dataclass(frozen=True)
class LayerCost:
    """One layer: where it ends, its parameters, and multiply-adds for one picture.

    Attributes:
        norm_weights: γ and β; the running statistics are no parameters.
        multiply_adds: of convolution or linear layer; biases, norms and pools not counted.
    """

    name: str
    kind: str
    end: Position
    weights: int = 0
    biases: int = 0
    norm_weights: int = 0
    multiply_adds: int = 0

    @property
    def parameters(self) -> int:
        """Weights, biases and norm weights."""
        return self.weights + self.biases + self.norm_weights


@dataclass(frozen=True)
class StageCost:
    """A stage, a head or the classifier, with its layers in order."""

    name: str
    end: Position
    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """Of all its layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of all its layers, for one picture."""
        return sum(layer.multiply_adds for layer in self.layers)


@dataclass(frozen=True)
class Cost:
    """A network's cost for one square picture."""

    name: str
    image: Shape
    stages: tuple[StageCost, ...]
    aux: tuple[StageCost, ...]

    @property
    def parameters(self) -> int:
        """Without auxiliary heads."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def parameters_with_aux(self) -> int:
        """With auxiliary heads."""
        return self.parameters + sum(head.parameters for head in self.aux)

    @property
    def multiply_adds(self) -> int:
        """Without auxiliary heads."""
        return sum(stage.multiply_adds for stage in self.stages)

    @property
    def multiply_adds_with_aux(self) -> int:
        """With auxiliary heads."""
        return self.multiply_adds + sum(head.multiply_adds for head in self.aux)

    def torchinfo(self, batch_size: int) -> TorchinfoCost:
        """The figures the torchinfo tool prints, heads included."""
        return torchinfo(self, batch_size)


@dataclass(frozen=True)
class TorchinfoCost:
    """Multiply-adds and bytes for a batch by torchinfo's rules, heads included.

    Attributes:
        multiply_adds: every parameter of a convolution, bias included, times its positions, and
            the parameters of norm and linear layers once, all times the batch.
        forward_backward_bytes: outputs of the layers that have parameters, twice, in float32.
    """

    multiply_adds: int
    input_bytes: int
    forward_backward_bytes: int
    parameter_bytes: int

    @property
    def total_bytes(self) -> int:
        """Input, forward and backward pass, parameters."""
        return self.input_bytes + self.forward_backward_bytes + self.parameter_bytes


def cost(spec: Spec, image_size: int | None = None) -> Cost:
    """The cost of every layer for one square picture, by default of the network's own size.

    Raises:
        InputError: the picture is too small; the message names the smallest size.
    """
    size = spec.image_size if image_size is None else image_size
    try:
        return _cost(spec, size)
    except _TooSmallError:
        raise too_small(spec.name, size, smallest_size(spec)) from None


def too_small(name: str, size: int, smallest: int) -> InputError:
    """The error for pictures under a network's smallest size."""
    return InputError(f"{name} needs pictures of at least {smallest} px a side; got {size}")


def smallest_size(spec: Spec) -> int:
    """Side in pixels of the smallest square picture that leaves something in every layer."""
    low, high = 1, max(spec.image_size, 2)
    while low < high:
        middle = (low + high) // 2
        try:
            _cost(spec, middle)
            high = middle
        except _TooSmallError:
            low = middle + 1
    return low


def _cost(spec: Spec, size: int) -> Cost:
    image = Shape(spec.in_channels, size, size)
    stages, ends, position = [], {}, Position(image)
    for name, layers in [*spec.stages.items(), ("classifier", spec.classifier)]:
        stage = _stage(name, concrete(layers, spec.num_classes), position)
        stages.append(stage)
        ends[name] = position = stage.end
    aux = [
        _stage(name, concrete(layers, spec.num_classes), ends[name])
        for name, layers in spec.aux.items()
    ]
    return Cost(spec.name, image, tuple(stages), tuple(aux))


def _stage(name: str, layers: Layers, start: Position) -> StageCost:
    rows = tuple(trace(layers, start))
    return StageCost(name, end(layers, start), rows)


class _TooSmallError(Exception):
    pass


def trace(layers: Layers, start: Position, name: str = "") -> Iterator[LayerCost]:
    """Every leaf layer in order, named by its path of branches and layers."""
    if isinstance(layers, Mapping):
        for inner_name, inner in layers.items():
            yield from trace(inner, start, _join(name, inner_name))
            start = end(inner, start)
    elif isinstance(layers, Branches):
        for branch, inner in layers.branches.items():
            yield from trace(inner, start, _join(name, branch))
    elif isinstance(layers, Residual):
        yield from trace(layers.body, start, _join(name, "body"))
        yield from trace(layers.shortcut, start, _join(name, "shortcut"))
    else:
        yield _layer_cost(layers, start, name)


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
        ends = [end(branch, start) for branch in layers.branches.values()]
        return _concatenated(ends)
    if isinstance(layers, Residual):
        ends = [end(layers.body, start), end(layers.shortcut, start)]
        if ends[0].shape != ends[1].shape:
            raise InputError(f"a residual adds {ends[0].shape} to {ends[1].shape}")
        return replace(ends[0], receptive_field=max(e.receptive_field for e in ends))
    return _after(layers, start)


def _concatenated(ends: list[Position]) -> Position:
    _, height, width = ends[0].shape
    if any(e.shape[1:] != (height, width) for e in ends):
        grids = ", ".join(f"{e.shape.height}x{e.shape.width}" for e in ends)
        raise InputError(f"branches to concatenate differ in grid: {grids}")
    shape = Shape(sum(e.shape.channels for e in ends), height, width)
    return Position(shape, max(e.receptive_field for e in ends), ends[0].stride)


def _after(layer: Layer, start: Position) -> Position:
    c, h, w = start.shape
    match layer:
        case Conv():
            padding = layer.padding
            return _windows(start, conv_width(layer, c), layer.kernel, layer.stride, padding)
        case Pool(kernel=kernel, grid=grid) if grid is None or (
            kernel is not None and grid_fits(layer, h) and grid_fits(layer, w)
        ):
            kernel = 1 if kernel is None else kernel
            return _windows(start, c, kernel, layer.stride, layer.padding, ceil=layer.ceil)
        case Pool(grid=grid):
            side = 1 if grid is None else grid
            field = start.receptive_field + (max(h, w) - 1) * start.stride if side == 1 else None
            return replace(
                start,
                shape=Shape(c, side, side),
                receptive_field=field or start.receptive_field,
            )
        case Flatten():
            return replace(start, shape=Shape(c * h * w, 1, 1))
        case Linear():
            return replace(start, shape=Shape(int(layer.width), h, w))
    return start


def _windows(
    start: Position,
    channels: int,
    kernel: Pair,
    stride: Pair,
    padding: Pair | str,
    *,
    ceil: bool = False,
) -> Position:
    kernels, strides = pair(kernel), pair(stride)
    pads = paddings(kernel, padding, stride, start.shape[1:])
    sides = [
        _output_side(n, k, s, sum(p), ceil=ceil)
        for n, k, s, p in zip(start.shape[1:], kernels, strides, pads, strict=True)
    ]
    field = start.receptive_field + (max(kernels) - 1) * start.stride
    return Position(Shape(channels, *sides), field, start.stride * strides[0])


def _output_side(n: int, kernel: int, stride: int, padding: int, *, ceil: bool) -> int:
    room = n + padding - kernel
    side = (math.ceil(room / stride) if ceil else room // stride) + 1
    if ceil and (side - 1) * stride >= n + padding // 2:
        side -= 1  # a window that starts in the padding is dropped, as in Caffe and torch
    if side < 1 or (room < 0 and not ceil):
        raise _TooSmallError
    return side


def paddings(
    kernel: Pair, padding: Pair | str, stride: Pair, grid: Iterable[int]
) -> list[tuple[int, int]]:
    """Padding before and after, in rows and columns: ``[(top, bottom), (left, right)]``."""
    if padding == "same":
        sides = zip(grid, pair(kernel), pair(stride), strict=True)
        totals = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in sides]
        return [(total // 2, total - total // 2) for total in totals]
    if padding == "half":
        return [((k - 1) // 2, (k - 1) // 2) for k in pair(kernel)]
    if isinstance(padding, str):
        raise InputError(f"padding is a number, a pair, 'half' or 'same'; got {padding!r}")
    return [(p, p) for p in pair(padding)]


def grid_fits(layer: Pool, n: int) -> bool:
    """Whether the pool's own windows over ``n`` values give its grid."""
    if layer.kernel is None:
        return False
    kernel, stride = pair(layer.kernel)[0], pair(layer.stride)[0]
    return n >= kernel and (n - kernel) // stride + 1 == layer.grid


def pair(value: Pair) -> tuple[int, int]:
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


def _layer_cost(layer: Layer, start: Position, name: str) -> LayerCost:
    after = _after(layer, start)
    kind = type(layer).__name__
    c, width = start.shape.channels, after.shape.channels
    if isinstance(layer, Conv):
        kernel_h, kernel_w = pair(layer.kernel)
        weights = c // conv_groups(layer, c) * width * kernel_h * kernel_w
        multiply_adds = weights * after.shape.height * after.shape.width
        biases = width * layer.has_bias
    elif isinstance(layer, Linear):
        weights = multiply_adds = c * width
        biases = width * layer.bias
    else:
        return LayerCost(name, kind, after)
    return LayerCost(
        name, kind, after, weights, biases, _norm_weights(layer.norm, width), multiply_adds
    )


def _norm_weights(norm: Norm | None, width: int) -> int:
    return 0 if norm is None else width * (1 + norm.scale)


def _join(*names: str) -> str:
    return ".".join(name for name in names if name)


def torchinfo(network: Cost, batch_size: int) -> TorchinfoCost:
    """What the torchinfo tool counts for a batch, auxiliary heads included."""
    multiply_adds = values = 0
    for layer in (layer for part in (*network.stages, *network.aux) for layer in part.layers):
        _, height, width = shape = layer.end.shape
        own = (layer.weights + layer.biases) * (height * width if layer.kind == "Conv" else 1)
        multiply_adds += own + layer.norm_weights
        values += math.prod(shape) * ((layer.weights > 0) + (layer.norm_weights > 0))
    return TorchinfoCost(
        multiply_adds=multiply_adds * batch_size,
        input_bytes=math.prod(network.image) * batch_size * 4,
        forward_backward_bytes=2 * values * batch_size * 4,
        parameter_bytes=network.parameters_with_aux * 4,
    )
