"""The space a search draws from: networks of Inception modules, by their numbers. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, Final, Literal, TypeAlias, get_args

from inception.errors import InputError
from inception.models import get_spec
from inception.models.bn_inception import PASS
from inception.models.googlenet import HALVE
from inception.models.spec import (
    Branches,
    Conv,
    Layers,
    LocalResponseNorm,
    Norm,
    Pair,
    Pool,
    Spec,
    leaves,
    separable,
)
from inception.models.variants import for_signals, wider

PictureKernel: TypeAlias = Literal[
    "3x3", "5x5", "3x3_3x3", "1x3_3x1", "1x5_5x1", "1x7_7x1", "separable3x3", "separable5x5"
]
SignalKernel: TypeAlias = Literal[
    "1x3", "1x5", "1x9", "1x15", "1x3_1x3", "1x5_1x5", "separable1x5", "separable1x9"
]
Kernel: TypeAlias = PictureKernel | SignalKernel
StemKind: TypeAlias = Literal["conv7", "conv7_separable", "conv3", "small"]
PoolKind: TypeAlias = Literal["max", "average"]

KERNELS: Final = get_args(PictureKernel)
SIGNAL_KERNELS: Final = get_args(SignalKernel)
STEMS: Final = get_args(StemKind)
HOUSES: Final = ("googlenet_bn", "googlenet", "bn_inception", "googlenet_small")
FIRST_STAGE: Final = 3  # the paper counts the stem's two
PLACES: Final = "abcdefghijklmnopqrstuvwxyz"
# as BN-Inception calls it; others are conv and the kernel
NAMES: Final = {"3x3_3x3": "conv3x3dbl", "1x3_1x3": "conv1x3dbl", "1x5_1x5": "conv1x5dbl"}


@dataclass(frozen=True)
class Spatial:
    """A branch that looks around itself: a 1x1 reduction, then its kernel.

    Attributes:
        reduce: channels of the reduction; 0 for none.
    """

    kernel: Kernel
    reduce: int
    width: int


@dataclass(frozen=True)
class Module:
    """One Inception module: of GoogLeNet's six widths, two are of each spatial branch.

    Attributes:
        conv1x1: channels; 0 for no such branch.
        pool_proj: channels; 0 where the pool's own pass.
        halves: whether it halves the grid, as BN-Inception's 3c and 4e do.
    """

    conv1x1: int
    spatial: tuple[Spatial, ...]
    pool: PoolKind = "max"
    pool_proj: int = 0
    halves: bool = False


@dataclass(frozen=True)
class Stem:
    """What stands before the modules, with its three widths."""

    kind: StemKind = "conv7"
    conv1: int = 64
    reduce: int = 64
    conv2: int = 192


@dataclass(frozen=True)
class Genome:
    """A network of the space: a stem, then stages of modules, each at half the grid before it.

    Attributes:
        house: the network whose norm, heads, classifier and pixels it has.
        width: factor on every convolution, to multiples of 8.
        signal_channels: of a network for signals, whose windows are 1 px high; None for pictures.
    """

    house: str
    stem: Stem
    stages: tuple[tuple[Module, ...], ...]
    image_size: int
    width: float = 1.0
    signal_channels: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The genome as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Genome:
        """The inverse of ``to_json``."""
        stages = tuple(tuple(_module(m) for m in stage) for stage in values["stages"])
        return cls(**{**values, "stem": Stem(**values["stem"]), "stages": stages})


def _module(values: Mapping[str, Any]) -> Module:
    return Module(**{**values, "spatial": tuple(Spatial(**s) for s in values["spatial"])})


def decode(genome: Genome, num_classes: int | None = None, name: str = "found") -> Spec:
    """The network of a genome, a spec like any other.

    Raises:
        InputError: the pictures are too small for it.
    """
    house = get_spec(genome.house)
    norm = _norm(house)
    stages = _stem(genome.stem, house) | _trunk(genome.stages, norm)
    spec = replace(
        house,
        name=name,
        stages=stages,
        aux={stage: head for stage, head in house.aux.items() if stage in stages},
        num_classes=num_classes or house.num_classes,
        preprocessing=replace(house.preprocessing, size=genome.image_size),
        departures=(f"a point of the search's space, in the manner of {house.name}",),
    )
    channels = genome.signal_channels
    return wider(spec if channels is None else for_signals(spec, channels), genome.width)


def encode(spec: Spec) -> Genome:
    """The genome whose network computes what the spec does.

    Raises:
        InputError: the spec is no point of the space.
    """
    try:
        stages = _read_trunk(spec.stages)
        widths = [_width(layer) for layer in _stem_convs(spec.stages)]
        stem = dict(zip(("conv1", "reduce", "conv2"), widths, strict=True))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _outside(spec) from None
    size, channels = spec.image_size, spec.in_channels
    for house, kind, signal in product(HOUSES, STEMS, (None, channels)):
        genome = Genome(house, Stem(kind, **stem), stages, size, signal_channels=signal)
        if decode(genome, spec.num_classes).digest() == spec.digest():
            return genome
    raise _outside(spec)


def module_layers(module: Module, norm: Norm | None) -> Branches:
    """A module's branches side by side, as Figure 2(b) draws them."""
    stride = 2 if module.halves else 1
    made: dict[str, Layers] = {}
    if module.conv1x1:
        made["conv1x1"] = Conv(module.conv1x1, stride=stride, norm=norm)
    for branch in module.spatial:
        name = NAMES.get(branch.kernel, f"conv{branch.kernel}")
        made[f"{name}_2" if name in made else name] = _spatial(branch, stride, norm)
    pool = PASS if module.halves else Pool(module.pool, kernel=3, padding=1)
    proj = Conv(module.pool_proj, norm=norm)
    made["pool"] = {"pool": pool, "proj": proj} if module.pool_proj else pool
    return Branches(made)


def _spatial(branch: Spatial, stride: int, norm: Norm | None) -> Layers:
    reduce: dict[str, Layers] = {"reduce": Conv(branch.reduce, norm=norm)} if branch.reduce else {}
    if side := branch.kernel.removeprefix("separable") * branch.kernel.startswith("separable"):
        return reduce | separable(branch.width, kernel=_sides(side), stride=stride, norm=norm)
    kernels = [_sides(text) for text in branch.kernel.split("_")]
    if len(kernels) == 1:
        conv = Conv(branch.width, kernels[0], stride, norm=norm)
        return reduce | {"conv": conv} if reduce else conv
    first, second = kernels
    # each kernel strides along its own side, and of two equal ones the second alone
    strides = [(1, stride), (stride, 1)] if first != second else [1, stride]
    across, down = strides if stride == 2 else (1, 1)
    return reduce | {
        "conv1": Conv(branch.width, first, across, norm=norm),
        "conv2": Conv(branch.width, second, down, norm=norm),
    }


def _sides(text: str) -> Pair:
    height, width = map(int, text.split("x"))
    return height if height == width else (height, width)


def _stem(stem: Stem, house: Spec) -> dict[str, Layers]:
    """GoogLeNet's stem or one for smaller pictures; LRN where it has that and no batch norm."""
    norm = _norm(house)
    lrn: dict[str, Layers] = {} if norm else {"norm": LocalResponseNorm()}
    conv2: dict[str, Layers] = {
        "reduce": Conv(stem.reduce, norm=norm),
        "conv": Conv(stem.conv2, kernel=3, norm=norm),
        **lrn,
    }
    if stem.kind == "small":
        return {"conv1": Conv(stem.conv1, kernel=3, norm=norm), "conv2": conv2}
    if stem.kind == "conv3":
        conv1: Layers = Conv(stem.conv1, kernel=3, stride=2, norm=norm)
        return {"conv1": conv1, "conv2": conv2, "pool2": HALVE}
    conv1 = Conv(stem.conv1, kernel=7, stride=2, norm=norm)
    if stem.kind == "conv7_separable":
        conv1 = separable(stem.conv1, kernel=7, stride=2, multiplier=8, norm=norm)
    return {
        "conv1": conv1,
        "pool1": house.stages.get("pool1", HALVE),
        "conv2": conv2,
        "pool2": HALVE,
    }


def _trunk(stages: Sequence[Sequence[Module]], norm: Norm | None) -> dict[str, Layers]:
    """Stages of modules; between two that no module halves stands a pool."""
    trunk: dict[str, Layers] = {}
    for number, modules in enumerate(stages, FIRST_STAGE):
        for place, module in zip(PLACES, modules, strict=False):
            trunk[f"inception_{number}{place}"] = module_layers(module, norm)
        if number < FIRST_STAGE + len(stages) - 1 and not modules[-1].halves:
            trunk[f"pool{number}"] = HALVE
    return trunk


def _norm(spec: Spec) -> Norm | None:
    return next((la.norm for la in leaves(spec.stages) if isinstance(la, Conv)), None)


def _read_trunk(stages: Mapping[str, Layers]) -> tuple[tuple[Module, ...], ...]:
    """The modules by the number of their stage; whether it is right only decoding tells."""
    read: dict[str, list[Module]] = {}
    for name, layers in stages.items():
        if name.startswith("inception_"):
            number = name.removeprefix("inception_").rstrip(PLACES)
            read.setdefault(number, []).append(_read_module(layers))
    return tuple(map(tuple, read.values()))


def _read_module(layers: Layers) -> Module:
    if not isinstance(layers, Branches):
        raise TypeError
    found: dict[str, Layers] = dict(layers.branches)
    conv1x1, pool = found.pop("conv1x1", None), leaves(found.pop("pool"))
    kinds = {NAMES.get(k, f"conv{k}"): k for k in (*KERNELS, *SIGNAL_KERNELS)}
    spatial = tuple(
        _read_spatial(kinds[name.removesuffix("_2")], branch) for name, branch in found.items()
    )
    halves = isinstance(pool[0], Pool) and pool[0].stride in (2, (1, 2))
    kind: PoolKind = pool[0].kind if isinstance(pool[0], Pool) else "max"
    projected = _width(pool[1]) if len(pool) > 1 else 0
    return Module(_width(conv1x1) if conv1x1 else 0, spatial, kind, projected, halves)


def _read_spatial(kernel: Kernel, layers: Layers) -> Spatial:
    reduce = _width(layers["reduce"]) if isinstance(layers, Mapping) and "reduce" in layers else 0
    return Spatial(kernel, reduce, _width(leaves(layers)[-1]))


def _stem_convs(stages: Mapping[str, Layers]) -> list[object]:
    convs = [*leaves(stages["conv1"]), *leaves(stages["conv2"])]
    return [la for la in convs if isinstance(la, Conv) and la.multiplier is None]


def _width(layer: object) -> int:
    if not isinstance(layer, Conv) or not isinstance(layer.width, int):
        raise TypeError
    return layer.width


def _outside(spec: Spec) -> InputError:
    return InputError(
        f"{spec.name} is no point of the search's space: a stem, then stages of Inception modules "
        f"in the manner of {', '.join(HOUSES)}"
    )
