"""What processes that train together exchange in a step: gradients, and batch norm's statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inception.data.loading import Batch
from inception.training.group import Group
from inception.training.losses import precise
from inception.training.trained import training_norms


@torch.no_grad()
def exchange(network: nn.Module, group: Group, weight: float) -> None:
    """Makes gradients those of the whole batch, and batch norm's statistics means over shares.

    Not DistributedDataParallel's, which needs every process to have some of every batch and keeps
    the first one's statistics: with 13 million parameters there is little to overlap. ``weight`` is
    this process's share of the batch.
    """
    if group.size == 1:
        return
    trained = [p for p in network.parameters() if p.requires_grad]
    for p in trained:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    statistics = [t for norm in training_norms(network) for t in norm.buffers()]
    statistics = [t.mul_(weight) for t in statistics if t.is_floating_point()]
    group.add_up([*(p.grad for p in trained if p.grad is not None), *statistics])


class SyncedNorm(nn.BatchNorm2d):
    """Batch norm over what all processes see of a batch, ``[N, C]`` or ``[N, C, H, W]``.

    Torch's ``SyncBatchNorm`` refuses the CPU, and needs every process to have a share. Here one
    without any sees a stand-in that does not ``count``. All must call it equally often.
    """

    def __init__(self, own: nn.BatchNorm1d | nn.BatchNorm2d, group: Group) -> None:
        super().__init__(own.num_features, own.eps, own.momentum)
        self.weight, self.bias = own.weight, own.bias
        for name, buffer in own.named_buffers():
            self.register_buffer(name, buffer)
        self.group, self.counts = group, True

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # vectors as well as maps

    def forward(self, input: Tensor) -> Tensor:
        """By all processes' statistics in training, else by the running ones."""
        if not self.training:
            return super().forward(input)
        mean, variance, total = self._statistics(input.detach())
        self._remember(mean, variance, total)
        scale = torch.rsqrt(variance + self.eps)
        made: Tensor = _Normalised.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, mean, scale, total, self.counts, self.group
        )
        return made

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, float]:
        """Mean and variance of each channel over all processes, and how many numbers it has.

        Sums of squares are added up in float64, where taking the mean's from them costs nothing.
        """
        variance, mean = torch.var_mean(x.float(), _axes(x), correction=0)
        variance, mean = precise(variance), precise(mean)
        here = x.numel() // x.shape[1] if self.counts else 0
        sums = torch.cat([mean, variance + mean**2, torch.ones_like(mean[:1])]) * here
        if not self.counts:
            sums = torch.zeros_like(sums)
        self.group.add_up([sums])
        total = sums[-1].item()
        mean, squares = (sums[:-1] / total).chunk(2)
        spread = (squares - mean**2).clamp(min=0)
        return mean.to(x.device, torch.float32), spread.to(x.device, torch.float32), total

    def _remember(self, mean: Tensor, variance: Tensor, total: float) -> None:
        """Moves the running statistics, as ``nn.BatchNorm2d`` does."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        unbiased = variance * (total / max(total - 1, 1))
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)


class _Normalised(torch.autograd.Function):
    """``(x - mean) * scale * weight + bias``, where mean and scale follow from all processes' x."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor,
        mean: Tensor,
        scale: Tensor,
        total: float,
        counts: bool,
        group: Group,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.total, ctx.counts, ctx.group = total, counts, group
        own = scale if weight is None else scale * weight
        centred = x.float() - _wide(mean, x)
        return (centred * _wide(own, x) + _wide(bias, x)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight, mean, scale = ctx.saved_tensors
        gradient = gradients[0].float()
        normed = (x.float() - _wide(mean, x)) * _wide(scale, x)
        of_bias, of_weight = gradient.sum(_axes(x)), (gradient * normed).sum(_axes(x))
        sums = torch.stack([of_bias, of_weight])
        ctx.group.add_up([sums])  # the statistics are all processes', so their gradients are too
        first, second = (_wide(each / ctx.total, x) for each in sums)
        own = scale if weight is None else scale * weight
        through = first + normed * second if ctx.counts else 0.0  # the statistics, if x is in them
        of_x = (gradient - through) * _wide(own, x)
        of_weight = None if weight is None else of_weight
        return of_x.to(x.dtype), of_weight, of_bias, None, None, None, None, None


def synchronised(network: nn.Module, group: Group) -> list[SyncedNorm]:
    """Makes a network's batch norms synchronised ones, with the same parameters; and gives them."""
    found = []
    for module in list(network.modules()):
        for name, inner in module.named_children():
            if isinstance(inner, nn.BatchNorm1d | nn.BatchNorm2d):
                found.append(SyncedNorm(inner, group).train(inner.training))
                module.add_module(name, found[-1])
    return found


def take_part(norms: Iterable[SyncedNorm], present: bool) -> None:
    """Whether what this process shows the norms counts."""
    for norm in norms:
        norm.counts = present


def stand_in(batch: Batch, count: int) -> Batch:
    """Black pictures in place of a batch of none."""
    pictures = np.zeros((count, *batch.pictures.shape[1:]), np.uint8)
    return replace(batch, pictures=pictures, labels=np.zeros(count, np.int64))


def _axes(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


def _wide(values: Tensor, x: Tensor) -> Tensor:
    """A number a channel, shaped to go with ``x``."""
    return values.view(1, -1, *[1] * (x.ndim - 2))
