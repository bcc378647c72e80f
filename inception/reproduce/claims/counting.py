"""What the claims are held against: counts of the networks, and of layers that are in none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from inception.models import get_spec
from inception.models.cost import Cost, LayerCost, Position, Shape, StageCost, cost, end, trace
from inception.models.googlenet import MODULES
from inception.models.spec import Branches, Layer, Layers, Residual, map_layers

PAPER = "googlenet"


@cache
def costs(name: str = PAPER) -> Cost:
    """A network's cost at its own picture size."""
    return cost(get_spec(name))


def stage(name: str, network: str = PAPER) -> StageCost:
    """A stage of a network, or its classifier."""
    return next(stage for stage in costs(network).stages if stage.name == name)


def module(name: str) -> StageCost:
    """A module of GoogLeNet by the paper's name, ``3a``."""
    return stage(f"inception_{name}")


class Amount(NamedTuple):
    """Weights, the same with biases, and multiply-adds."""

    weights: int
    parameters: int
    multiply_adds: int


def amount(layers: Layers, channels: int, grid: int) -> Amount:
    """What layers cost that stand on ``channels`` maps of ``grid`` by ``grid``."""
    return total(list(trace(layers, Position(Shape(channels, grid, grid)))))


def total(rows: list[LayerCost] | tuple[LayerCost, ...]) -> Amount:
    """The sum of some layers' costs."""
    return Amount(
        sum(row.weights for row in rows),
        sum(row.parameters for row in rows),
        sum(row.multiply_adds for row in rows),
    )


def shape_after(layers: Layers, channels: int, grid: int) -> Shape:
    """What layers give from ``channels`` maps of ``grid`` by ``grid``."""
    return end(layers, Position(Shape(channels, grid, grid))).shape


def channels_into(name: str) -> int:
    """Channels that enter a module of GoogLeNet."""
    stages = costs().stages
    place = [s.name for s in stages].index(f"inception_{name}")
    return stages[place - 1].end.shape.channels


def grid_of(name: str) -> int:
    """Side of the grid a module of GoogLeNet works on."""
    return module(name).end.shape.height


def leaves(network: str = PAPER, *, aux: bool = False) -> list[Layer]:
    """Every layer of a network's stages and classifier, and of its heads with ``aux``."""
    spec = get_spec(network)
    found: list[Layer] = []

    def look(layer: Layer) -> Layers:
        found.append(layer)
        return layer

    for part in (spec.stages, spec.classifier, *([spec.aux] if aux else [])):
        map_layers(part, look)
    return found


def count(network: str, kind: type[Any], *, aux: bool = False, **wanted: object) -> int:
    """How many layers of a kind a network has whose fields have the ``wanted`` values."""
    return sum(
        isinstance(layer, kind) and all(getattr(layer, n) == v for n, v in wanted.items())
        for layer in leaves(network, aux=aux)
    )


def norms(network: str) -> int:
    """γ and β of a network's batch norms, heads included: as many as running statistics."""
    parts = (*costs(network).stages, *costs(network).aux)
    return sum(layer.norm_weights for part in parts for layer in part.layers)


def depth(layers: Layers, deep: Callable[[Layer], int]) -> int:
    """The longest way through layers, each counted by ``deep``."""
    if isinstance(layers, Mapping):
        return sum(depth(inner, deep) for inner in layers.values())
    if isinstance(layers, Branches):
        return max(depth(branch, deep) for branch in layers.branches.values())
    if isinstance(layers, Residual):
        return max(depth(layers.body, deep), depth(layers.shortcut, deep))
    return deep(layers)


def network_depth(network: str, *kinds: type[Any]) -> int:
    """Layers of these kinds on the longest way through a network's stages and classifier."""
    spec = get_spec(network)

    def deep(layer: Layer) -> int:
        return isinstance(layer, kinds)

    return depth(spec.stages, deep) + depth(spec.classifier, deep)


NAMES = tuple(MODULES)  # 3a to 5b
