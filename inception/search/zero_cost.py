"""What an untrained network promises, in one or two passes: first filters before any training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.models.build import build
from inception.models.cost import cost
from inception.models.network import InceptionNet
from inception.models.spec import Spec, replace
from inception.search.study import ScoreName

Score = Callable[[InceptionNet, Tensor, Tensor], float]


def score(name: ScoreName, spec: Spec, pictures: Tensor, labels: Tensor, *, seed: int = 0) -> float:
    """The larger, the more accurate a network should become; heads are left out.

    Args:
        name: of ``SCORES``.
        spec: the network; its weights are drawn afresh.
        pictures: ``[N, C, H, W]``, normalised.
        labels: ``[N]``.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        network = build(replace(spec, aux={}))
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return SCORES[name](network.train(), pictures, labels)


def multiply_adds(network: InceptionNet, pictures: Tensor, labels: Tensor) -> float:
    """What it computes: the score that every other one must beat."""
    return float(cost(network.spec, (pictures.shape[2], pictures.shape[3])).multiply_adds)


def parameters(network: InceptionNet, pictures: Tensor, labels: Tensor) -> float:
    """How many numbers it can learn."""
    return float(cost(network.spec).parameters)


def gradient_norm(network: InceptionNet, pictures: Tensor, labels: Tensor) -> float:
    """How hard the first batch pulls at the weights: their gradients' lengths, added up."""
    with torch.enable_grad():
        torch.autograd.backward(F.cross_entropy(network(pictures), labels))
    return sum(float(w.grad.norm()) for w in _weights(network) if w.grad is not None)


def synflow(network: InceptionNet, pictures: Tensor, labels: Tensor) -> float:
    """How much flows through all paths, of any pictures (Tanaka et al., arXiv:2006.05467).

    The logarithm of the sum of ``weight * gradient`` where all weights are positive and every
    value of the picture is 1; batch norms pass what they are given.
    """
    network = network.double().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    with torch.enable_grad():
        torch.autograd.backward(network(torch.ones_like(pictures[:1]).double()).sum())
    flow = sum(float((w.detach() * w.grad).sum()) for w in _weights(network) if w.grad is not None)
    return math.log(max(flow, 1e-300))


def activation_overlap(network: InceptionNet, pictures: Tensor, labels: Tensor) -> float:
    """How differently pictures switch its ReLUs (Mellor et al., arXiv:2006.04647, NASWOT).

    The logarithm of the determinant of the matrix of how many units two pictures have in common,
    over all of the network's ReLUs.
    """
    count = len(pictures)
    common = torch.zeros(count, count, dtype=torch.float64)

    def watch(module: nn.Module, given: object, output: Tensor) -> None:
        on = (output.detach() > 0).flatten(1).float()
        common.add_(on @ on.T + (1 - on) @ (1 - on).T)

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(watch)
    with torch.no_grad():
        network(pictures)
    return float(torch.linalg.slogdet(common).logabsdet)


def _weights(network: nn.Module) -> list[nn.Parameter]:
    """Of convolutions and linear layers: no biases, nothing of batch norms."""
    return [w for w in network.parameters() if w.dim() > 1]


SCORES: Final[Mapping[ScoreName, Score]] = {
    "multiply-adds": multiply_adds,
    "parameters": parameters,
    "gradient-norm": gradient_norm,
    "synflow": synflow,
    "activation-overlap": activation_overlap,
}
