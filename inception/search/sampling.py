"""Candidates drawn from the space: by Optuna's trials or by plain dice. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Protocol

import numpy as np

from inception.models import get_spec
from inception.models.bn_inception import BN_INCEPTION
from inception.models.googlenet import GOOGLENET
from inception.search.space import (
    FIRST_STAGE,
    KERNELS,
    PLACES,
    SIGNAL_KERNELS,
    STEMS,
    Genome,
    Kernel,
    Module,
    PoolKind,
    Spatial,
    Stem,
    StemKind,
    encode,
)

GRID: Final = 8  # widths are multiples of it
HALVINGS: Final = ("pool", "module")
LYING: Final = {"3x3": "1x3", "5x5": "1x5", "3x3_3x3": "1x3_1x3"}  # of the houses' kernels


class Draw(Protocol):
    """Numbers and choices by name, as an Optuna trial gives them."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int) -> int:
        """A whole number from ``low`` to ``high``."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float) -> float:
        """A number from ``low`` to ``high``."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


class Dice:
    """Draws evenly, the same for the same seed."""

    def __init__(self, seed: int | Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """A whole number from ``low`` to ``high``, ``low`` and steps of it."""
        return low + step * int(self.rng.integers((high - low) // step + 1))

    def suggest_float(self, name: str, low: float, high: float, *, step: float) -> float:
        """A number from ``low`` to ``high``, ``low`` and steps of it."""
        return low + step * int(self.rng.integers(round((high - low) / step) + 1))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        return choices[int(self.rng.integers(len(choices)))]


@dataclass(frozen=True)
class Space:
    """What may be drawn: widths from half the least to half more than the largest by hand.

    Those of the same stage and column in GoogLeNet and BN-Inception are meant.

    Attributes:
        house: the network whose norm, heads, classifier and pixels all candidates have.
        modules: fewest and most in each stage, one that halves not counted.
        width: least and largest factor on all widths.
        image_sizes: sides in px; of signals the length.
        signal_channels: of signals; None for pictures.
        only_widths: all else is the house's own, modules, kernels, pools and the stem's kind; the
            factor on all widths is 1.
    """

    house: str = "googlenet_bn"
    modules: tuple[tuple[int, int], ...] = ((1, 3), (2, 6), (1, 3))
    kernels: tuple[Kernel, ...] = KERNELS
    stems: tuple[StemKind, ...] = STEMS
    halvings: tuple[str, ...] = HALVINGS
    pools: tuple[PoolKind, ...] = ("max", "average")
    width: tuple[float, float] = (0.25, 1.25)
    image_sizes: tuple[int, ...] = (64,)
    signal_channels: int | None = None
    only_widths: bool = False


def signal_space(channels: int, length: int, **given: Any) -> Space:
    """Networks for signals ``[N, channels, 1, length]``: the same modules, windows 1 px high."""
    return replace(
        Space(**given),
        kernels=SIGNAL_KERNELS,
        image_sizes=(length,),
        signal_channels=channels,
    )


def draw(space: Space, by: Draw) -> Genome:
    """One candidate."""
    if space.only_widths:
        by = _OnlyWidths(hand_made(space), by)
    size = by.suggest_categorical("image_size", space.image_sizes)
    low, high = space.width
    stages = []
    for number, (least, most) in enumerate(space.modules, FIRST_STAGE):
        count = by.suggest_int(f"{number}.modules", least, most, step=1)
        last = number == FIRST_STAGE + len(space.modules) - 1
        halving = "pool" if last else by.suggest_categorical(f"{number}.halving", space.halvings)
        names = [f"{number}{place}" for place in PLACES[:count]]
        modules = [_module(space, by, name, number) for name in names]
        if halving == "module":
            modules.append(_module(space, by, f"{number}.half", number, halves=True))
        stages.append(tuple(modules))
    return Genome(
        space.house,
        Stem(
            by.suggest_categorical("stem", space.stems),
            by.suggest_int("stem.conv1", 16, 96, step=GRID),
            by.suggest_int("stem.reduce", 16, 96, step=GRID),
            by.suggest_int("stem.conv2", 64, 288, step=GRID),
        ),
        tuple(stages),
        size,
        by.suggest_float("width", low, high, step=1 / 16),
        space.signal_channels,
    )


class Edge:
    """Draws the most, or the least, of everything."""

    def __init__(self, *, most: bool) -> None:
        self.most = most

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """The one end."""
        return low + (high - low) // step * step if self.most else low

    def suggest_float(self, name: str, low: float, high: float, *, step: float) -> float:
        """The one end."""
        return high if self.most else low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The last, or the first."""
        return choices[-1 if self.most else 0]


@cache
def ranges(number: int) -> dict[str, tuple[int, int]]:
    """For a stage, by column of Table 1, the least and the largest width that are drawn."""
    told: dict[str, list[int]] = {}
    for house in (GOOGLENET, BN_INCEPTION):
        for module in encode(house).stages[min(number, 5) - FIRST_STAGE]:
            for column, value in _told("", module).items():
                if isinstance(value, int) and value:
                    told.setdefault(column.removeprefix("."), []).append(value)
    return {
        column: (GRID * max(1, min(values) // 2 // GRID), GRID * (max(values) * 3 // 2 // GRID))
        for column, values in told.items()
    }


def _module(space: Space, by: Draw, name: str, number: int, *, halves: bool = False) -> Module:
    of = ranges(number)

    def width(column: str) -> int:
        low, high = of[column]
        return by.suggest_int(f"{name}.{column}", low, high, step=GRID)

    def spatial(column: str) -> Spatial:
        kernel = by.suggest_categorical(f"{name}.kernel{column}", space.kernels)
        return Spatial(kernel, width(f"reduce{column}"), width(f"conv{column}"))

    branches = (spatial("3x3"), spatial("5x5"))
    if halves:
        return Module(0, branches, halves=True)
    pool = by.suggest_categorical(f"{name}.pool", space.pools)
    return Module(width("conv1x1"), branches, pool, width("pool_proj"))


def parameters_of(genome: Genome) -> dict[str, Any]:
    """What ``draw`` would have to be told to give the genome; ``draw`` is its inverse."""
    told: dict[str, Any] = {"image_size": genome.image_size, "width": genome.width}
    stem = genome.stem
    told |= {"stem": stem.kind, "stem.conv1": stem.conv1}
    told |= {"stem.reduce": stem.reduce, "stem.conv2": stem.conv2}
    for number, modules in enumerate(genome.stages, FIRST_STAGE):
        own = [module for module in modules if not module.halves]
        told[f"{number}.modules"] = len(own)
        if number < FIRST_STAGE + len(genome.stages) - 1:
            told[f"{number}.halving"] = "module" if len(own) < len(modules) else "pool"
        for place, module in zip(PLACES, own, strict=False):
            told |= _told(f"{number}{place}", module)
        for module in modules[len(own) :]:
            told |= _told(f"{number}.half", module)
    return told


def _told(name: str, module: Module) -> dict[str, Any]:
    first, second = module.spatial
    told: dict[str, Any] = {} if module.halves else {"pool": module.pool}
    if not module.halves:
        told |= {"conv1x1": module.conv1x1, "pool_proj": module.pool_proj}
    for column, branch in (("3x3", first), ("5x5", second)):
        told[f"kernel{column}"] = branch.kernel
        told |= {f"reduce{column}": branch.reduce, f"conv{column}": branch.width}
    return {f"{name}.{key}": value for key, value in told.items()}


def hand_made(space: Space) -> dict[str, Any]:
    """The parameters of the space's own house, where a search begins."""
    house = get_spec(space.house)
    told = parameters_of(encode(house))
    if space.signal_channels is not None:  # the same table, its kernels lying
        told |= {name: LYING[value] for name, value in told.items() if ".kernel" in name}
    return {**told, "image_size": space.image_sizes[0]}


class Told:
    """Gives back what ``parameters_of`` told."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """The number told."""
        return int(self.parameters[name])

    def suggest_float(self, name: str, low: float, high: float, *, step: float) -> float:
        """The number told."""
        return float(self.parameters[name])

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The choice told."""
        return self.parameters[name]


class _OnlyWidths(Told):
    """Draws channels; all else is as told."""

    def __init__(self, parameters: Mapping[str, Any], by: Draw) -> None:
        super().__init__(parameters)
        self.by = by

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Channels are drawn, the number of modules is told."""
        if name.endswith(".modules"):
            return super().suggest_int(name, low, high, step=step)
        return self.by.suggest_int(name, low, high, step=step)
