"""The torch modules that layer kinds are built into. Which layer becomes which is in ``build``."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.models.cost import grid_fits, paddings, pair
from inception.models.spec import ActivationKind, Norm, Pair, Pool

ACTIVATIONS: dict[ActivationKind, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activation(kind: ActivationKind | None) -> nn.Module:
    """The module of an activation; the identity for none."""
    return nn.Identity() if kind is None else ACTIVATIONS[kind]()


class ConvLayer(nn.Module):
    """Convolution, norm, activation; ``norm`` is missing where the layer has none."""

    def __init__(self, conv: nn.Conv2d, norm: nn.Module | None, act: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.activation = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.activation(x if self.norm is None else self.norm(x))  # type: ignore[no-any-return]


class SamePadConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: the odd pixel goes to the bottom and right."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(_pad_same(input, self.kernel_size, self.stride, 0.0))  # type: ignore[arg-type]


class LinearLayer(nn.Module):
    """Linear layer, norm, activation; ``[N, C, 1, 1]`` is read as ``[N, C]``."""

    def __init__(self, linear: nn.Linear, norm: nn.Module | None, act: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.norm = norm
        self.activation = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return self.activation(x if self.norm is None else self.norm(x))  # type: ignore[no-any-return]


class PoolLayer(nn.Module):
    """Windows of a fixed size, or a fixed output grid, as the layer says."""

    def __init__(self, layer: Pool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        grid, (height, width) = self.layer.grid, x.shape[2:]
        if grid is None or (grid_fits(self.layer, height) and grid_fits(self.layer, width)):
            return self._windows(x)
        if self.layer.kind == "max":
            return F.adaptive_max_pool2d(x, grid)
        return F.adaptive_avg_pool2d(x, grid)

    def _windows(self, x: Tensor) -> Tensor:
        p = self.layer
        kernel, stride, padding = pair(p.kernel or 1), pair(p.stride), p.padding
        if padding == "same":
            x, padding = _pad_same(x, kernel, stride, float("-inf")), 0
        before = paddings(kernel, padding, stride, x.shape[2:])
        sides = (before[0][0], before[1][0])
        if p.kind == "max":
            return F.max_pool2d(x, kernel, stride, sides, ceil_mode=p.ceil)
        return F.avg_pool2d(x, kernel, stride, sides, p.ceil, p.count_pad)

    def extra_repr(self) -> str:
        return str(self.layer)


def _pad_same(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float) -> Tensor:
    (top, bottom), (left, right) = paddings(kernel, "same", stride, x.shape[2:])
    return F.pad(x, (left, right, top, bottom), value=value)


class MapsLayer(nn.Module):
    """Square maps again from their flattened values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        side = math.isqrt(x.shape[1] // self.channels)
        return x.reshape(-1, self.channels, side, side)


class BranchesLayer(nn.Module):
    """Every branch on the same input, channels concatenated in the order of the branches."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class ResidualLayer(nn.Module):
    """``activation(shortcut(x) + scale * body(x))``."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, scale: float, act: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.scale = scale
        self.activation = act

    def forward(self, x: Tensor) -> Tensor:
        added = self.shortcut(x) + self.scale * self.body(x)
        return self.activation(added)  # type: ignore[no-any-return]


class LocalResponseNormLayer(nn.LocalResponseNorm):
    """Computed in float32 whatever the autocast: squares of activations overflow sooner."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float())


def batch_norm(norm: Norm | None, width: int, axes: Literal[1, 2]) -> nn.Module | None:
    """Batch norm over vectors (1) or maps (2); γ stays 1 and untrained where ``scale`` is off."""
    if norm is None:
        return None
    kind = nn.BatchNorm2d if axes == 2 else nn.BatchNorm1d
    module = kind(width, eps=norm.eps, momentum=norm.momentum)
    if not norm.scale:
        del module.weight
        module.register_parameter("weight", None)
    return module


@contextmanager
def statistics_untouched(part: nn.Module) -> Iterator[None]:
    """While it lasts, batch norms in training use their batch but remember nothing of it."""
    norms = [m for m in part.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def conv2d(
    channels: int,
    width: int,
    kernel: Pair,
    stride: Pair,
    padding: Pair | str,
    groups: int,
    bias: bool,
) -> nn.Conv2d:
    """The convolution of a layer, with its padding rule."""
    if padding == "same":
        return SamePadConv2d(channels, width, pair(kernel), pair(stride), groups=groups, bias=bias)
    (top, _), (left, _) = paddings(kernel, padding, stride, (0, 0))
    return nn.Conv2d(
        channels, width, pair(kernel), pair(stride), (top, left), groups=groups, bias=bias
    )
