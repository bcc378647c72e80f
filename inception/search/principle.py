"""Widths by the paper's own principle: from how the units of a trained network correlate.

After Arora et al. (arXiv:1310.6343), on whom section 3 of the paper leans: units that fire together
are clustered, and each cluster becomes a unit of the next layer. Section 4 adds that clusters of
one place need 1x1, those spread over neighbours larger kernels. Numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inception.models.googlenet import Widths

Maps = npt.NDArray[np.floating[Any]]  # [N, C, H, W]
GRID: Final = 8
TOGETHER: Final = 0.5  # correlation from which two units are one cluster
SPREAD: Final = 0.5  # share of its correlation that a cluster must keep a place further on
RADII: Final = (0, 1, 2)  # of 1x1, 3x3 and 5x5


@dataclass(frozen=True)
class Cluster:
    """Units that fire together, and how far around a place they do.

    Attributes:
        units: channels, the one they gathered around first.
        radius: 0, 1 or 2: of the kernel that covers it.
    """

    units: tuple[int, ...]
    radius: int


def correlations(maps: Maps, radius: int) -> npt.NDArray[np.float64]:
    """``[C, C]``: of each unit with each unit ``radius`` places off, mean size over directions."""
    _, c, h, w = maps.shape
    steps = {(dy, dx) for dy in (-radius, 0, radius) for dx in (-radius, 0, radius)}
    total = np.zeros((c, c))
    counted = [step for step in steps if radius == 0 or step != (0, 0)]
    for dy, dx in counted:
        here = maps[:, :, max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)]
        there = maps[:, :, max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)]
        total += np.abs(_standard(here) @ _standard(there).T)
    result: npt.NDArray[np.float64] = total / len(counted)
    return result


def _standard(maps: Maps) -> npt.NDArray[np.float64]:
    """``[C, samples]``, each row of mean 0 and length 1; of dead units 0."""
    rows = np.moveaxis(maps, 1, 0).reshape(maps.shape[1], -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: npt.NDArray[np.float64] = np.divide(
        rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-9
    )
    return result


def clusters(maps: Maps) -> list[Cluster]:
    """The clusters of what stands before a module; dead units are in none.

    The unit that correlates most with those left gathers all that do so by ``TOGETHER``, again and
    again. A cluster reaches as far as its own unit, that many places off, still correlates with it
    by ``SPREAD`` of what it does in place.
    """
    most = min(RADII[-1], (min(maps.shape[2:]) - 1) // 2)
    by_radius = [correlations(maps, radius) for radius in RADII[: most + 1]]
    near = by_radius[0]
    left = np.diag(near) > 0.5  # 1 but for dead units
    found = []
    while left.any():
        weight = np.where(left, (near * left).sum(axis=1), -1)
        leader = int(weight.argmax())
        units = np.flatnonzero(left & (near[leader] >= TOGETHER))
        units = units if leader in units else np.append(units, leader)
        ordered = (leader, *(int(u) for u in units if u != leader))
        reach = [float(np.mean(each[leader, units])) for each in by_radius]
        radius = max(r for r, value in enumerate(reach) if value >= SPREAD * reach[0])
        found.append(Cluster(ordered, radius))
        left[units] = False
    return found


def effective_rank(maps: Maps, units: Sequence[int] | None = None) -> float:
    """How many directions the units really use: the exponential of their spectrum's entropy."""
    chosen = maps if units is None else maps[:, list(units)]
    rows = _standard(chosen)
    values = np.linalg.eigvalsh(rows @ rows.T)
    shares = values.clip(min=0) / max(values.sum(), 1e-12)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def proposed(maps: Maps, outputs: int, pool_proj: int) -> Widths:
    """The six widths of a module on these maps, of as many outputs, its pool's as given.

    Outputs are shared among the kernels as clusters are among their radii; a reduction has the
    effective rank of the units of its kernel's clusters. All in eights, 8 at the least.
    """
    found = clusters(maps)
    counts = [sum(c.radius == radius for c in found) for radius in RADII]
    rest = outputs - pool_proj
    wide = [_grid(rest * count / max(len(found), 1)) for count in counts[1:]]
    units = [[u for c in found if c.radius == radius for u in c.units] for radius in RADII[1:]]
    ranks = [effective_rank(maps, each) if each else 0.0 for each in units]
    conv1x1 = max(GRID, rest - sum(wide))
    return Widths(conv1x1, _grid(ranks[0]), wide[0], _grid(ranks[1]), wide[1], pool_proj)


def _grid(width: float) -> int:
    return GRID * max(1, round(width / GRID))
