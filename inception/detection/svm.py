"""Linear SVMs that score regions in place of the softmax, as R-CNN's did."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inception.detection.detector import FAST
from inception.detection.frozen import FrozenSet, Seen
from inception.detection.learning import LearntPart
from inception.detection.regions import in_cells
from inception.detection.settings import DetectConfig
from inception.errors import InputError

# R-CNN's supplement, appendix B of arXiv:1311.2524, and its published code
NEGATIVE_IOU = 0.3  # with an object, below which a region is a negative; between, it is left out
NORM = 20.0  # that features have in the mean
COST = 1e-3  # of a sample on the wrong side of its margin
POSITIVE_WEIGHT = 2.0
ROUNDS = 200  # of L-BFGS, at most
SAMPLED = 0x73766D  # keeps these draws apart from those of batches


@torch.no_grad()
def fit_svms(part: LearntPart, data: FrozenSet, config: DetectConfig) -> None:
    """Puts one SVM a class into the rows of the last layer; the background's becomes 0.

    Positives are the objects themselves; negatives are regions that hardly overlap any, and the
    objects of other classes.

    Raises:
        InputError: the last layer is a convolution.
    """
    (last,) = part.network.logits_layers()
    if not isinstance(last, nn.Linear):
        raise InputError("SVMs are fitted to a linear last layer; this network's is a convolution")
    classes = len(part.detector.classes)
    features, labels = _samples(part, last, data, config)
    scale = NORM / max(float(features.norm(dim=1).mean()), 1e-12)
    for label in range(classes):
        weight, bias = fit_svm(features * scale, labels == label)
        last.weight[label] = weight * scale
        if last.bias is not None:
            last.bias[label] = bias
    last.weight[classes] = 0
    if last.bias is not None:
        last.bias[classes] = 0


def fit_svm(features: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Weight ``[D]`` and bias of ``|w|² / 2 + cost * sum of squared hinges`` at its least.

    Args:
        features: ``[N, D]``.
        positive: ``[N]``, on which side.
    """
    side = torch.where(positive, 1.0, -1.0).to(features)
    costs = torch.where(positive, COST * POSITIVE_WEIGHT, COST).to(features)
    weight = features.new_zeros(features.shape[1] + 1).requires_grad_()
    solver = torch.optim.LBFGS([weight], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        with torch.enable_grad():
            margins = side * (features @ weight[:-1] + weight[-1])
            hinges = (1 - margins).clamp_min(0).square()
            total = weight[:-1].square().sum() / 2 + (costs * hinges).sum()
        torch.autograd.backward(total)
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]
    found = weight.detach()
    return found[:-1], found[-1]


def _samples(
    part: LearntPart, last: nn.Linear, data: FrozenSet, config: DetectConfig
) -> tuple[Tensor, Tensor]:
    """What the last layer sees of the samples, ``[N, D]``, and their labels."""
    part.network.eval()
    kept: list[Tensor] = []
    labels = []

    def keep(_: nn.Module, given: tuple[Any, ...]) -> None:
        kept.append(given[0].detach())

    hook = last.register_forward_pre_hook(keep)
    for seen, values in zip(data.pictures, data.values, strict=True):
        rows = _rows(seen, len(part.detector.classes), config)
        if not len(rows):
            continue
        regions = seen.regions.at(rows)
        shown = values[:1] if part.detector.mode == FAST else values[rows]
        cells = in_cells(regions.boxes_xyxy * seen.scale, part.detector.origin)
        given = torch.from_numpy(np.ascontiguousarray(shown)).to(last.weight.device)
        part.outputs(given, [cells])
        labels.append(regions.labels)
    hook.remove()
    return torch.cat(kept), torch.from_numpy(np.concatenate(labels)).to(last.weight.device)


def _rows(seen: Seen, classes: int, config: DetectConfig) -> np.ndarray[Any, Any]:
    regions = seen.regions
    objects = np.flatnonzero(
        (regions.labels >= 0) & (regions.labels < classes) & (regions.best > 0.999)
    )
    others = np.flatnonzero((regions.labels == classes) & (regions.best < NEGATIVE_IOU))
    rng = np.random.default_rng([config.seed, seen.index, SAMPLED])
    return np.concatenate([objects, rng.permutation(others)[: config.kept_regions]])
