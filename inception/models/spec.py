"""An architecture as data: the layer kinds, and a network made of them. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, TypeAlias, get_args

from inception.errors import InputError, unknown
from inception.preprocessing import Preprocessing

CLASSES: Final = "classes"  # stands for the number of classes in a width

Pair: TypeAlias = int | tuple[int, int]  # one number for both sides, or (height, width)
Width: TypeAlias = int | Literal["classes"]
ActivationKind: TypeAlias = Literal["relu", "tanh", "sigmoid"]
Initialisation: TypeAlias = Literal["caffe", "he", "alexnet", "lecun"]


@dataclass(frozen=True)
class Norm:
    """Batch normalisation; ``scale=False`` leaves out γ, as TF-slim does."""

    eps: float = 1e-3
    momentum: float = 0.1
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
    padding: Pair | Literal["half", "same"] = "half"
    groups: int = 1
    multiplier: int | None = None
    norm: Norm | None = None
    activation: ActivationKind | None = "relu"
    bias: bool | None = None

    def __post_init__(self) -> None:
        if (self.width is None) == (self.multiplier is None):
            raise InputError("a convolution takes either a width or a depthwise multiplier")
        _check_counts(self, "width", "kernel", "stride", "groups", "multiplier")

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
        count_pad: whether an average counts the padding's zeros.
        grid: side of the output whatever the input: by ``kernel`` and ``stride`` where they give
            it, adaptive windows otherwise. ``grid=1`` is the global pool.
    """

    kind: Literal["max", "average"]
    kernel: Pair | None = None
    stride: Pair = 1
    padding: Pair | Literal["half", "same"] = 0
    ceil: bool = False
    count_pad: bool = True
    grid: int | None = None

    def __post_init__(self) -> None:
        if self.kernel is None and self.grid is None:
            raise InputError("a pool takes a kernel, a grid or both")
        _check_counts(self, "kernel", "stride", "grid")


@dataclass(frozen=True)
class LocalResponseNorm:
    """Across channels; ``alpha`` is divided by ``size``, as in Caffe and torch."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


@dataclass(frozen=True)
class Linear:
    """Fully connected layer, then its normalisation, then its activation."""

    width: Width
    bias: bool = True
    norm: Norm | None = None
    activation: ActivationKind | None = None

    def __post_init__(self) -> None:
        _check_counts(self, "width")


@dataclass(frozen=True)
class Dropout:
    """Zeroes each value with ``probability`` in training."""

    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise InputError(f"dropout is a probability, 0 to 1; got {self.probability}")


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
    scale: float = 1.0
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
class Spec:
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
    num_classes: int = 1000
    in_channels: int = 3
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    initialisation: Initialisation = "he"
    departures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.num_classes < 1 or self.in_channels < 1:
            raise InputError("a network needs at least one class and one input channel")
        if self.initialisation not in get_args(Initialisation):
            raise unknown("initialisation", self.initialisation, get_args(Initialisation))
        for stage in self.aux:
            if stage not in self.stages:
                raise unknown("stage", stage, self.stages)

    @property
    def image_size(self) -> int:
        """Side in pixels of the pictures the network was designed or trained for."""
        return self.preprocessing.size

    def to_json(self) -> dict[str, Any]:
        """The network as JSON values."""
        return {
            "name": self.name,
            "stages": layers_to_json(self.stages),
            "classifier": layers_to_json(self.classifier),
            "aux": layers_to_json(self.aux),
            "num_classes": self.num_classes,
            "in_channels": self.in_channels,
            "preprocessing": self.preprocessing.to_json(),
            "initialisation": self.initialisation,
            "departures": list(self.departures),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Spec:
        """The inverse of ``to_json``.

        Raises:
            InputError: the values do not describe a network.
        """
        try:
            parts = {name: layers_from_json(values[name]) for name in ("stages", "classifier")}
            aux = layers_from_json(values.get("aux", {}))
            preprocessing = Preprocessing.from_json(values["preprocessing"])
            rest = {n: values[n] for n in ("num_classes", "in_channels", "initialisation")}
            departures = tuple(values.get("departures", ()))
            return cls(
                values["name"],
                **parts,
                aux=aux,
                preprocessing=preprocessing,
                departures=departures,
                **rest,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"not a network: {type(error).__name__} {error}") from error


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


def map_spec(spec: Spec, change: Callable[[Layer], Layers]) -> Spec:
    """The same network with ``change`` applied to each leaf of stages, heads and classifier."""
    parts = {p: map_layers(getattr(spec, p), change) for p in ("stages", "aux", "classifier")}
    return replace(spec, **parts)  # type: ignore[arg-type]


def concrete(layers: Layers, num_classes: int) -> Layers:
    """The same layers with ``CLASSES`` replaced by the number of classes."""

    def change(layer: Layer) -> Layers:
        if isinstance(layer, Conv | Linear) and layer.width == CLASSES:
            return replace(layer, width=num_classes)
        return layer

    return map_layers(layers, change)


def layers_to_json(layers: Layers | Norm) -> dict[str, Any]:
    """A layer as its kind and the fields that differ from the default; a mapping as itself."""
    if isinstance(layers, Mapping):
        return {name: layers_to_json(inner) for name, inner in layers.items()}
    kind = next(name for name, type_ in KINDS.items() if type(layers) is type_)
    values: dict[str, Any] = {"layer": kind}
    for f in fields(layers):
        value = getattr(layers, f.name)
        if f.name in _NESTED:
            values[f.name] = None if value is None else layers_to_json(value)
        elif value != f.default:
            values[f.name] = value
    return values


def layers_from_json(values: Mapping[str, Any]) -> Any:
    """The inverse of ``layers_to_json``.

    Raises:
        InputError: an unknown kind of layer.
    """
    kind = values.get("layer")
    if not isinstance(kind, str):
        return {name: layers_from_json(inner) for name, inner in values.items()}
    if kind not in KINDS:
        raise unknown("layer kind", kind, KINDS)
    return KINDS[kind](**{n: _value(n, value) for n, value in values.items() if n != "layer"})


_NESTED = {"norm", "branches", "body", "shortcut"}


def _check_counts(layer: object, *names: str) -> None:
    for name in names:
        value = getattr(layer, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if value not in (None, CLASSES) and not all(isinstance(n, int) and n > 0 for n in numbers):
            kind = type(layer).__name__
            raise InputError(f"{name} of a {kind} must be a whole number from 1; got {value!r}")


def _value(name: str, value: Any) -> Any:
    if name in _NESTED and value is not None:
        return layers_from_json(value)
    return tuple(value) if isinstance(value, list) else value
