"""The layer kinds, and a network made of them, as data. What is legal is in ``check``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Annotated, Any, Final, Literal, TypeAlias

from inception.fields import Range
from inception.preprocessing import Preprocessing

CLASSES: Final = "classes"  # stands for the number of classes in a width

Count: TypeAlias = Annotated[int, Range(1, 100_000)]
Side: TypeAlias = Annotated[int, Range(1, 1024)]
Grid: TypeAlias = Annotated[int, Range(1, 128)]
Margin: TypeAlias = Annotated[int, Range(0, 512)]
Pair: TypeAlias = Side | tuple[Side, Side]  # one number for both sides, or (height, width)
Padding: TypeAlias = Margin | tuple[Margin, Margin] | Literal["half", "same"]
Width: TypeAlias = Count | Literal["classes"]
Share: TypeAlias = Annotated[float, Range(0, 1)]
Factor: TypeAlias = Annotated[float, Range(-1e6, 1e6)]
Positive: TypeAlias = Annotated[float, Range(1e-12, 1e6)]
ActivationKind: TypeAlias = Literal["relu", "tanh", "sigmoid"]
Initialisation: TypeAlias = Literal["caffe", "he", "alexnet", "lecun"]


@dataclass(frozen=True)
class Norm:
    """Batch normalisation; ``scale=False`` leaves out γ, as TF-slim does."""

    eps: Positive = 1e-3
    momentum: Share = 0.1
    scale: bool = True


@dataclass(frozen=True)
class Activation:
    """A non-linearity on its own."""

    kind: ActivationKind = "relu"


@dataclass(frozen=True)
class Conv:
    """Convolution, then its normalisation, then its activation.

    Attributes:
        width: channels out; ``None`` where ``multiplier`` gives it.
        padding: ``"half"`` is (kernel - 1) // 2, which keeps the grid at stride 1; ``"same"`` is
            TensorFlow's, one pixel more at the bottom and right where the total is odd.
        multiplier: depthwise: channels out for each channel in.
        bias: ``None`` means: where there is no norm.
    """

    width: Width | None = None
    kernel: Pair = 1
    stride: Pair = 1
    padding: Padding = "half"
    groups: Count = 1
    multiplier: Count | None = None
    norm: Norm | None = None
    activation: ActivationKind | None = "relu"
    bias: bool | None = None

    @property
    def has_bias(self) -> bool:
        """Whether the convolution adds a bias of its own."""
        return self.norm is None if self.bias is None else self.bias


@dataclass(frozen=True)
class Pool:
    """Maximum or average over windows.

    Attributes:
        kernel: ``None`` for pools that only ``grid`` describes.
        ceil: round the output size up, as Caffe does.
        count_pad: whether an average counts the padding's zeros; those of ``"same"`` never count,
            as in TensorFlow.
        grid: side of the output whatever the input: by ``kernel`` and ``stride`` where they give
            it, adaptive windows otherwise. ``grid=1`` is the global pool.
    """

    kind: Literal["max", "average"]
    kernel: Pair | None = None
    stride: Pair = 1
    padding: Padding = 0
    ceil: bool = False
    count_pad: bool = True
    grid: Grid | None = None

    @property
    def counts_pad(self) -> bool:
        """Whether it is an average that divides by the padding too."""
        return self.kind == "average" and self.count_pad and self.padding != "same"


@dataclass(frozen=True)
class LocalResponseNorm:
    """Across channels; ``alpha`` is divided by ``size``, as in Caffe and torch."""

    size: Annotated[int, Range(1, 1_000_000)] = 5
    alpha: Annotated[float, Range(0, 1e6)] = 1e-4
    beta: Annotated[float, Range(0, 10)] = 0.75
    k: Positive = 1.0


@dataclass(frozen=True)
class Linear:
    """Fully connected layer, then its normalisation, then its activation."""

    width: Width
    bias: bool = True
    norm: Norm | None = None
    activation: ActivationKind | None = None


@dataclass(frozen=True)
class Dropout:
    """Zeroes each value with ``probability`` in training."""

    probability: Share


@dataclass(frozen=True)
class Flatten:
    """Channels, rows and columns to one axis, in that order."""


@dataclass(frozen=True)
class Branches:
    """Named branches on one input, their channels concatenated in this order."""

    branches: Mapping[str, Layers]


@dataclass(frozen=True)
class Residual:
    """``activation(shortcut(x) + scale * body(x))``; an empty shortcut is the identity."""

    body: Layers
    shortcut: Layers = field(default_factory=dict)
    scale: Factor = 1.0
    activation: ActivationKind | None = "relu"


Layer: TypeAlias = (
    Conv | Pool | LocalResponseNorm | Linear | Activation | Dropout | Flatten | Branches | Residual
)
# One layer, or named layers one after the other; a name may stand for several in turn.
Layers: TypeAlias = Layer | Mapping[str, "Layers"]

KINDS: dict[str, type[Any]] = {
    "conv": Conv,
    "pool": Pool,
    "local_response_norm": LocalResponseNorm,
    "linear": Linear,
    "activation": Activation,
    "dropout": Dropout,
    "flatten": Flatten,
    "branches": Branches,
    "residual": Residual,
    "norm": Norm,
}


@dataclass(frozen=True)
class Architecture:
    """A network: stages in order, auxiliary heads, classifier, and how it sees pictures.

    Attributes:
        aux: after which stage a head hangs, and its layers.
        preprocessing: holds the network's own input size.
        initialisation: how fresh weights are drawn (``models.initialise``).
        departures: where this network differs from the published one, a line each.
    """

    name: str
    stages: Mapping[str, Layers]
    classifier: Layers
    aux: Mapping[str, Layers] = field(default_factory=dict)
    num_classes: Annotated[int, Range(1, 1_000_000)] = 1000
    in_channels: Annotated[int, Range(1, 1024)] = 3
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    initialisation: Initialisation = "he"
    departures: tuple[str, ...] = ()

    @property
    def image_size(self) -> int:
        """Side in pixels of the pictures the network was designed or trained for."""
        return self.preprocessing.size


def branches(**named: Layers) -> Branches:
    """Branches written as a figure is drawn: ``branches(conv1x1=Conv(64), pool=...)``."""
    return Branches(named)


def separable(
    width: Width,
    *,
    kernel: Pair = 3,
    stride: Pair = 1,
    multiplier: int = 1,
    norm: Norm | None = None,
    activation: ActivationKind | None = "relu",
) -> dict[str, Layers]:
    """A depthwise convolution and a pointwise one, nothing between them (Xception)."""
    return {
        "depthwise": Conv(
            kernel=kernel, stride=stride, multiplier=multiplier, activation=None, bias=False
        ),
        "pointwise": Conv(width, norm=norm, activation=activation),
    }


def map_layers(layers: Layers, change: Callable[[Layer], Layers]) -> Layers:
    """The same layers with ``change`` applied to each leaf; ``{}`` from it drops the leaf."""
    if isinstance(layers, Mapping):
        changed = {name: map_layers(inner, change) for name, inner in layers.items()}
        return {name: inner for name, inner in changed.items() if inner != {}}
    if isinstance(layers, Branches):
        return Branches({n: map_layers(b, change) for n, b in layers.branches.items()})
    if isinstance(layers, Residual):
        body, shortcut = map_layers(layers.body, change), map_layers(layers.shortcut, change)
        return replace(layers, body=body, shortcut=shortcut)
    return change(layers)


def leaves(layers: Layers) -> list[Layer]:
    """Every layer that holds no others, in order."""
    found: list[Layer] = []

    def keep(layer: Layer) -> Layers:
        found.append(layer)
        return layer

    map_layers(layers, keep)
    return found


def pooling_of(classifier: Layers) -> dict[str, Layers]:
    """Its first layers, as long as they have no weights and no chance in them."""
    layers = classifier if isinstance(classifier, Mapping) else {}
    kinds = Pool | LocalResponseNorm | Flatten
    return dict(takewhile(lambda named: isinstance(named[1], kinds), layers.items()))


def concrete(layers: Layers, num_classes: int) -> Layers:
    """The same layers with ``CLASSES`` replaced by the number of classes."""

    def change(layer: Layer) -> Layers:
        if isinstance(layer, Conv | Linear) and layer.width == CLASSES:
            return replace(layer, width=num_classes)
        return layer

    return map_layers(layers, change)
