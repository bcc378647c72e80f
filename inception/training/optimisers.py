"""Optimisers, learning rates, and averages of the weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from inception.models.network import InceptionNet
from inception.training.config import TrainConfig
from inception.training.muon import Muon

FIRST_RATE = 1 / 25  # one-cycle and warm-up start at this share of the peak
LAST_RATE = 1e-4  # and one-cycle ends at this one


class RMSPropTF(torch.optim.Optimizer):
    """RMSProp as TensorFlow defines it: ε inside the root, the mean square starting at 1.

    torch's adds ε outside the root and starts at 0, which matters with ε = 1 (Inception-v3).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        decay: float = 0.9,
        momentum: float = 0.9,
        eps: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"decay": decay, "momentum": momentum, "eps": eps}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update. Weight decay is added to the gradient, the rate is inside the momentum."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)

    def _update(self, p: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["mean_square"] = torch.ones_like(p)
            state["momentum_buffer"] = torch.zeros_like(p)
        grad = p.grad.add(p, alpha=group["weight_decay"])  # type: ignore[union-attr]
        state["mean_square"].lerp_(grad.square(), 1 - group["decay"])
        scaled = grad / (state["mean_square"] + group["eps"]).sqrt()
        state["momentum_buffer"].mul_(group["momentum"]).add_(scaled, alpha=group["lr"])
        p.sub_(state["momentum_buffer"])


def create_optimiser(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The configured optimiser over all parameters that train; no decay on biases and norms."""
    groups = _groups(network, config)
    # In one pass over the weights; on a GPU torch's own choice, which does so too
    fused = True if config.device == "cpu" else None
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            groups, config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=fused
        )
    if config.optimiser == "adamw":
        return torch.optim.AdamW(groups, config.lr, eps=config.eps, fused=fused)
    if config.optimiser == "muon":
        return Muon(groups, config.lr, eps=config.eps, fused=fused)
    return RMSPropTF(
        groups, config.lr, decay=config.rms_decay, momentum=config.momentum, eps=config.eps
    )


def _groups(network: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameters that share weight decay and a scale of the rate, with both."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in network.named_parameters():
        if p.requires_grad:
            matrix = p.ndim > 1
            decay = config.weight_decay if matrix else 0.0
            bias = not matrix and ".norm." not in name
            scale = (config.bias_lr if bias else 1.0) * _depth_scale(network, name, config)
            groups.setdefault((decay, scale), []).append(p)
    return [
        {"params": params, "weight_decay": decay, "scale": scale}
        for (decay, scale), params in groups.items()
    ]


def _depth_scale(network: nn.Module, name: str, config: TrainConfig) -> float:
    """``layer_decay`` to the power of the stages between this parameter and the classifier."""
    stages = list(network.spec.stages) if isinstance(network, InceptionNet) else []
    stage = name.split(".")[0]
    return config.layer_decay ** (len(stages) - stages.index(stage)) if stage in stages else 1.0


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of every group, times the group's own scale."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


def rate_at(config: TrainConfig, step: int, total_steps: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over the whole run."""
    share, epoch = step / total_steps, step / steps_per_epoch
    match config.schedule:
        case "one_cycle" | "cosine":
            return config.lr * _risen_and_fallen(share, config)
        case "step":
            return float(config.lr * config.gamma ** math.floor(epoch / config.step_epochs))
        case "exponential":
            return float(config.lr * config.gamma ** (epoch / config.step_epochs))
        case "poly":
            return float(config.lr * (1 - share) ** config.power)
    return config.lr


def _risen_and_fallen(share: float, config: TrainConfig) -> float:
    last = LAST_RATE if config.schedule == "one_cycle" else 0.0
    if share < config.warmup:
        return FIRST_RATE + (1 - FIRST_RATE) * _cosine_rise(share / config.warmup)
    fallen = (share - config.warmup) / max(1 - config.warmup, 1e-12)
    return 1 - (1 - last) * _cosine_rise(fallen)


def _cosine_rise(share: float) -> float:
    return (1 - math.cos(math.pi * share)) / 2


class WeightAverage:
    """Keeps a copy of a network at the average of its weights, batch-norm statistics too."""

    def __init__(self, network: nn.Module, averaged: nn.Module, config: TrainConfig) -> None:
        self.kind, self.decay, self.start = (
            config.average,
            config.average_decay,
            config.average_start,
        )
        own, mean = network.state_dict(), averaged.state_dict()
        names = [name for name, tensor in own.items() if tensor.is_floating_point()]
        self._own = [own[name] for name in names]
        self._mean = [mean[name] for name in names]

    @torch.no_grad()
    def update(self, step: int, total_steps: int) -> None:
        """Takes in the weights after ``step``, counted from 0."""
        torch._foreach_lerp_(self._mean, self._own, self._share(step, total_steps))

    def _share(self, step: int, total_steps: int) -> float:
        """What the newest weights count for."""
        if self.kind == "ema":
            # TensorFlow's warm-up: short runs average over about a ninth of their steps
            return 1 - min(self.decay, (1 + step) / (10 + step))
        if self.kind == "polyak":
            return 1 / (1 + max(0, step - int(self.start * total_steps)))
        return 1.0
