"""What a network costs: shapes, parameters, multiply-adds, receptive fields. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inception.errors import InputError
from inception.models.kinds import (
    Architecture,
    Branches,
    Conv,
    Layer,
    Layers,
    Linear,
    Norm,
    Residual,
    concrete,
)
from inception.models.shapes import (
    Position,
    Shape,
    Sides,
    TooSmallError,
    after,
    conv_groups,
    end,
    pair,
)

LARGEST = 8192  # px; no network is asked for more

__all__ = ["Cost", "LayerCost", "Position", "Shape", "StageCost", "cost", "end", "smallest_size"]


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
    """A network's cost for one picture."""

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


def cost(spec: Architecture, image_size: int | Sides | None = None) -> Cost:
    """The cost of every layer for one picture: square, or ``(height, width)``.

    By default of the network's own size. A signal is a picture 1 px high.

    Raises:
        InputError: the picture is too small; the message names the smallest size.
    """
    size = spec.image_size if image_size is None else image_size
    try:
        return _cost(spec, size)
    except TooSmallError:
        raise too_small(spec.name, size, smallest_size(spec)) from None


def too_small(name: str, size: int | Sides, smallest: int) -> InputError:
    """The error for pictures under a network's smallest size."""
    got = size if isinstance(size, int) else min(size)
    return InputError(f"{name} needs pictures of at least {smallest} px a side; got {got}")


def smallest_size(spec: Architecture) -> int:
    """Side in pixels of the smallest square picture that leaves something in every layer."""
    low, high = 1, max(spec.image_size, 2)
    while high < LARGEST and not _takes(spec, high):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if _takes(spec, middle):
            high = middle
        else:
            low = middle + 1
    return low


def _takes(spec: Architecture, size: int) -> bool:
    try:
        _cost(spec, size)
    except (TooSmallError, InputError):  # no room, or branches whose grids differ at that size
        return False
    return True


def _cost(spec: Architecture, size: int | Sides) -> Cost:
    image = Shape(spec.in_channels, *pair(size))
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


def _layer_cost(layer: Layer, start: Position, name: str) -> LayerCost:
    then = after(layer, start)
    kind = type(layer).__name__
    c, width = start.shape.channels, then.shape.channels
    if isinstance(layer, Conv):
        kernel_h, kernel_w = pair(layer.kernel)
        weights = c // conv_groups(layer, c) * width * kernel_h * kernel_w
        multiply_adds = weights * then.shape.height * then.shape.width
        biases = width * layer.has_bias
    elif isinstance(layer, Linear):
        weights = multiply_adds = c * width
        biases = width * layer.bias
    else:
        return LayerCost(name, kind, then)
    return LayerCost(
        name, kind, then, weights, biases, _norm_weights(layer.norm, width), multiply_adds
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
