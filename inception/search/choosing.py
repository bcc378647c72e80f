"""Which channels and branches a network keeps, by what they are worth and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from inception.errors import InputError
from inception.models.cost import cost
from inception.models.spec import Branches, Spec
from inception.search.narrowing import Mask, branch_ends, narrowed, prunable

GRID: Final = 8  # channels are kept in multiples of it, as engines compute them
Worth = Mapping[str, npt.NDArray[np.float64]]


def choose(spec: Spec, scores: Worth, share: float) -> dict[str, Mask]:
    """The channels to keep so that at most ``share`` of the multiply-adds is left.

    Channels go in the order of their score for each multiply-add they cost; of a module's branches
    one is left at least, of everything else ``GRID`` channels.

    Args:
        spec: the network.
        scores: of every convolution of ``prunable``, a number a channel.
        share: of the network's multiply-adds, above 0 and below 1.

    Raises:
        InputError: so little cannot be reached.
    """
    check_share(share)
    limit = share * cost(spec).multiply_adds
    worth = {path: scores[path] / costs for path, costs in channel_costs(spec).items()}
    cuts = np.unique(np.concatenate(list(worth.values())))
    low, high = 0, len(cuts)  # the lowest cut that is enough lies between
    while low < high:
        middle = (low + high) // 2
        if _left(spec, _above(spec, worth, cuts[middle])) <= limit:
            high = middle
        else:
            low = middle + 1
    if low == len(cuts):
        least = _left(spec, _above(spec, worth, np.inf)) / cost(spec).multiply_adds
        raise InputError(f"--keep {share:g} is less than can be left: {least:.3f} at the least")
    return _above(spec, worth, cuts[low])


def check_share(share: float) -> None:
    """Raises ``InputError`` where a share is none that can be kept."""
    if not 0 < share < 1:
        raise InputError(f"--keep is a share of the multiply-adds, between 0 and 1; got {share:g}")


def channel_costs(spec: Spec) -> dict[str, float]:
    """By path the multiply-adds that one channel costs, in the layers that read it too."""
    whole = cost(spec).multiply_adds
    costs = {}
    for path, conv in prunable(spec).items():
        mask = np.arange(int(conv.width or 0)) > 0
        without = narrowed(spec, {}, {path: mask}).spec if mask.any() else None
        costs[path] = float(max(whole - cost(without).multiply_adds, 1)) if without else np.inf
    return costs


def _left(spec: Spec, masks: Mapping[str, Mask]) -> int:
    return cost(narrowed(spec, {}, masks).spec).multiply_adds


def _above(spec: Spec, worth: Worth, cut: float) -> dict[str, Mask]:
    """The channels worth at least the cut, to the grid; branches without half a grid are gone."""
    masks = {path: _best(values, cut) for path, values in worth.items()}
    for branches in _modules(spec):
        ends = {b: [p for p in found if p in worth] for b, found in branches.items()}
        faint = [
            branch
            for branch, found in ends.items()
            if found and all((worth[p] >= cut).sum() < GRID / 2 for p in found)
        ]
        if len(faint) == len(branches):  # the best stays
            faint.remove(max(faint, key=lambda b: max(worth[p].max() for p in ends[b])))
        for path in (p for branch in faint for p in ends[branch]):
            masks[path] = np.zeros_like(masks[path])
    return masks


def _best(values: npt.NDArray[np.float64], cut: float) -> Mask:
    count = GRID * max(1, round((values >= cut).sum() / GRID))
    mask = np.zeros(len(values), bool)
    mask[np.argsort(-values, kind="stable")[:count]] = True
    return mask


def _modules(spec: Spec) -> Iterator[dict[str, set[str]]]:
    """Of every module the convolutions that each branch ends in."""
    for name, layers in spec.stages.items():
        if isinstance(layers, Branches):
            named = layers.branches.items()
            yield {branch: branch_ends(each, f"{name}.{branch}") for branch, each in named}
