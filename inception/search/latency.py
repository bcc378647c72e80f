"""How long a network takes on this machine, predicted from a table of layer timings.

``timing`` measures it once. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from inception.models.cost import Position, Shape, end
from inception.models.shapes import conv_groups, pair
from inception.models.spec import Branches, Conv, Layers, Linear, Pool, Residual, Spec, concrete

Precision: TypeAlias = Literal["fp32", "int8"]
FORMAT: Final = 1  # of the file
FEATURES: Final = ("layers", "multiply_adds", "values", "weights")


@dataclass(frozen=True)
class Work:
    """What one layer does for one picture.

    Attributes:
        kind: layers of one kind take time in the same way.
        values: numbers read and written.
        weights: numbers multiplied by.
    """

    kind: str
    multiply_adds: int
    values: int
    weights: int

    @property
    def features(self) -> tuple[float, ...]:
        """What its time is a sum of, in the order of ``FEATURES``; in millions but for itself."""
        return (1.0, self.multiply_adds / 1e6, self.values / 1e6, self.weights / 1e6)


@dataclass(frozen=True)
class LayerTable:
    """Milliseconds of each kind of layer, by what it does; measured on one machine.

    Attributes:
        kinds: a factor for each of ``FEATURES``.
        scale: of the sum of the layers, to what whole networks took.
        offset_ms: what a network takes beside its layers.
        machine: where it was measured, by processor, threads and OpenVINO's version.
    """

    precision: Precision
    kinds: Mapping[str, tuple[float, ...]]
    scale: float = 1.0
    offset_ms: float = 0.0
    machine: Mapping[str, Any] = field(default_factory=dict)

    def latency_ms(self, spec: Spec) -> float:
        """Of one picture, batch 1, at the network's own size, from pixels to probabilities."""
        layers = sum(self.layer_ms(work) for work in works(spec))
        return self.scale * layers + self.offset_ms

    def layer_ms(self, work: Work) -> float:
        """Of one layer; of a kind that was not measured, as the dense convolutions."""
        factors = self.kinds.get(work.kind, self.kinds["conv"])
        return float(np.dot(factors, work.features))

    def to_json(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LayerTable:
        """The inverse of ``to_json``."""
        kinds = {name: tuple(factors) for name, factors in values["kinds"].items()}
        rest = {name: value for name, value in values.items() if name != "format"}
        return cls(**{**rest, "kinds": kinds})


def works(spec: Spec) -> list[Work]:
    """Every layer that takes time, in the order in which engines run them, heads left out."""
    size = spec.image_size
    layers = concrete({**spec.stages, "classifier": spec.classifier}, spec.num_classes)
    return list(_works(layers, Position(Shape(spec.in_channels, size, size))))


def _works(layers: Layers, at: Position) -> Iterator[Work]:
    if isinstance(layers, Mapping):
        for inner in layers.values():
            yield from _works(inner, at)
            at = end(inner, at)
        return
    then = end(layers, at)
    read, written = (int(np.prod(p.shape)) for p in (at, then))
    if isinstance(layers, Branches | Residual):
        parts = _parts(layers)
        for part in parts:
            yield from _works(part, at)
        yield Work("join", 0, 2 * written, 0)
    elif isinstance(layers, Conv):
        groups = conv_groups(layers, at.shape.channels)
        height, width = pair(layers.kernel)
        weights = at.shape.channels // groups * then.shape.channels * height * width
        adds = weights * then.shape.height * then.shape.width
        kind = "depthwise" if groups > 1 else "pointwise" if height * width == 1 else "conv"
        yield Work(kind, adds, read + written, weights)
    elif isinstance(layers, Linear):
        yield Work("linear", read * written, read + written, read * written)
    elif isinstance(layers, Pool):
        yield Work("pool", 0, read + written, 0)


def _parts(layers: Branches | Residual) -> Sequence[Layers]:
    if isinstance(layers, Branches):
        return list(layers.branches.values())
    return [layers.body, layers.shortcut]


@dataclass(frozen=True)
class Timed:
    """A network that ran: what it does, what each layer took, if that is known, and it in all."""

    works: tuple[Work, ...]
    layers_ms: tuple[float | None, ...]
    total_ms: float


def fit_table(
    timed: Sequence[Timed], precision: Precision, machine: Mapping[str, Any]
) -> LayerTable:
    """The table that explains what layers and networks took, errors weighed as shares."""
    rows: dict[str, list[tuple[tuple[float, ...], float]]] = {}
    for network in timed:
        for work, ms in zip(network.works, network.layers_ms, strict=True):
            if ms is not None:
                rows.setdefault(work.kind, []).append((work.features, ms))
    kinds = {kind: _fitted(found) for kind, found in sorted(rows.items())}
    table = LayerTable(precision, kinds, machine=machine)
    sums = [sum(table.layer_ms(work) for work in network.works) for network in timed]
    totals = np.array([network.total_ms for network in timed])
    scale, offset = _relative(np.array([[each, 1.0] for each in sums]), totals)
    return LayerTable(precision, kinds, float(scale), float(offset), machine)


def _fitted(rows: Sequence[tuple[tuple[float, ...], float]]) -> tuple[float, ...]:
    """Factors that are none below 0; layers that another process disturbed weigh nothing."""
    features, ms = np.array([f for f, _ in rows]), np.array([t for _, t in rows])
    factors = _relative(features, ms)
    usual = np.abs(features @ factors / ms - 1) < 0.7
    if usual.sum() >= len(FEATURES):
        factors = _relative(features[usual], ms[usual])
    return tuple(map(float, factors))


def _relative(features: npt.NDArray[Any], ms: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Least squares of relative errors; a factor that would fall below 0 is 0, the worst first."""
    factors, used = np.zeros(features.shape[1]), list(range(features.shape[1]))
    scales = np.maximum(features.max(axis=0), 1e-12)
    while used:
        columns = features[:, used] / scales[used] / ms[:, None]
        best = np.linalg.lstsq(columns, np.ones(len(ms)), rcond=None)[0]
        if best.min() >= 0:
            factors[used] = best / scales[used]
            break
        used.pop(int(best.argmin()))
    return factors
