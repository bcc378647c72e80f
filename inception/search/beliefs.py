"""What the paper believes of good modules, asked of networks that a search found. No torch here.

Section 4 expects the share of 3x3 and 5x5 to rise with depth, since features there are spread
wider; section 5 puts 1x1 reductions before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inception.models.cost import Position, Shape, end, trace
from inception.models.spec import Branches, Conv, Spec, concrete
from inception.search.space import Genome, Module, decode


@dataclass(frozen=True)
class ModuleFacts:
    """One module: where its outputs come from and where its multiply-adds go.

    Attributes:
        wide_share: of the outputs that do not pass a pool unchanged, those of kernels above 1x1.
        reductions: channels of each reduction as a share of the module's input.
        wide_adds: share of the module's multiply-adds in kernels above 1x1.
    """

    name: str
    wide_share: float
    reductions: tuple[float, ...]
    wide_adds: float


@dataclass(frozen=True)
class Beliefs:
    """What the modules of one network say.

    Attributes:
        rise: rank correlation of the share of wide kernels with depth, -1 to 1.
        reduced: mean channels of reductions as a share of the modules' inputs.
        wide_adds: share of the modules' multiply-adds in kernels above 1x1.
    """

    modules: tuple[ModuleFacts, ...]
    rise: float
    reduced: float
    wide_adds: float


def beliefs(genome: Genome) -> Beliefs:
    """What a network of the space says; modules that halve the grid are left out."""
    spec = decode(genome)
    facts = _facts(spec, [m for stage in genome.stages for m in stage])
    ratios = [ratio for fact in facts for ratio in fact.reductions]
    return Beliefs(
        tuple(facts),
        rank_correlation(range(len(facts)), [fact.wide_share for fact in facts]),
        float(np.mean(ratios)) if ratios else 1.0,
        float(np.mean([fact.wide_adds for fact in facts])),
    )


def _facts(spec: Spec, modules: Sequence[Module]) -> list[ModuleFacts]:
    facts, left = [], list(modules)
    at = Position(Shape(spec.in_channels, spec.image_size, spec.image_size))
    for name, layers in spec.stages.items():
        layers = concrete(layers, spec.num_classes)
        if name.startswith("inception_") and isinstance(layers, Branches):
            module = left.pop(0)
            if not module.halves:
                facts.append(_fact(name, module, layers, at))
        at = end(layers, at)
    return facts


def _fact(name: str, module: Module, layers: Branches, at: Position) -> ModuleFacts:
    wide = sum(branch.width for branch in module.spatial)
    every = module.conv1x1 + wide + module.pool_proj
    rows = list(trace(layers, at))
    whole = sum(row.multiply_adds for row in rows)
    narrow = {n for n, conv in _convs(layers) if conv.kernel == 1 and conv.multiplier is None}
    adds = sum(row.multiply_adds for row in rows if row.name not in narrow)
    channels = at.shape.channels
    first = [layers.branches[b] for b in layers.branches]
    reductions = tuple(
        int(branch["reduce"].width or 0) / channels
        for branch in first
        if isinstance(branch, dict) and isinstance(branch.get("reduce"), Conv)
    )
    return ModuleFacts(name, wide / every, reductions, adds / max(whole, 1))


def _convs(layers: Branches) -> list[tuple[str, Conv]]:
    found = []
    for branch, inner in layers.branches.items():
        named = inner if isinstance(inner, dict) else {"": inner}
        for name, layer in named.items():
            if isinstance(layer, Conv):
                found.append((f"{branch}.{name}".rstrip("."), layer))
    return found


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's, from -1 to 1, equal values sharing their ranks; 0 where one never changes."""
    a, b = (_ranks(values) for values in (first, second))
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(values, dtype=np.float64)
    return np.array([(array < v).sum() + ((array == v).sum() - 1) / 2 for v in array])
