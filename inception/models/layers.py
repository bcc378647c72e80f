"""The torch modules that layer kinds are built into. Which layer becomes which is in ``build``."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.models.kinds import ActivationKind, Norm, Padding, Pair, Pool
from inception.models.shapes import Windows, own_windows, paddings, pair

ACTIVATIONS: dict[ActivationKind, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activation(kind: ActivationKind | None, *, own: bool = False) -> nn.Module:
    """The module of an activation; the identity for none.

    ``own``: what it is given was computed for it alone and no gradient needs it, so that a ReLU
    may write over it. Of batch norm's results only its input and the ReLU's output are ever read.
    """
    if own and kind == "relu":
        return nn.ReLU(inplace=True)
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
        (top, bottom), (left, right) = paddings(
            self.kernel_size,  # type: ignore[arg-type]
            "same",
            self.stride,  # type: ignore[arg-type]
            input.shape[2:],
        )
        return super().forward(F.pad(input, (left, right, top, bottom)))


class LinearLayer(nn.Module):
    """Linear layer, norm, activation; ``[N, C, 1, 1]`` is read as ``[N, C]``."""

    def __init__(self, linear: nn.Linear, norm: nn.Module | None, act: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.norm = norm
        self.activation = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x.flatten(1))
        return self.activation(x if self.norm is None else self.norm(x))  # type: ignore[no-any-return]


class PoolLayer(nn.Module):
    """Windows of a fixed size, or a fixed output grid, as the layer says."""

    def __init__(self, layer: Pool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        layer, own = self.layer, own_windows(self.layer, x.shape[2:])
        if own is not None:
            return pool(x, layer.kind, own, count_pad=layer.counts_pad)
        side = layer.grid or 1
        if layer.kind == "max":
            return F.adaptive_max_pool2d(x, side)
        return F.adaptive_avg_pool2d(x, side)

    def extra_repr(self) -> str:
        return str(self.layer)


def pool(x: Tensor, kind: Literal["max", "average"], at: Windows, *, count_pad: bool) -> Tensor:
    """Maximum or average over windows; by torch's own padding where both ends have the same."""
    (top, bottom), (left, right) = at.pads
    ceil = at.over != (0, 0)
    if (top, left) == (bottom - at.over[0], right - at.over[1]):
        if kind == "max":
            return F.max_pool2d(x, at.kernel, at.strides, (top, left), ceil_mode=ceil)
        return F.avg_pool2d(x, at.kernel, at.strides, (top, left), ceil, count_pad)
    sides = (left, right, top, bottom)
    if kind == "max":
        return F.max_pool2d(F.pad(x, sides, value=float("-inf")), at.kernel, at.strides)
    means = F.avg_pool2d(F.pad(x, sides), at.kernel, at.strides)
    if count_pad:
        return means
    filled = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), sides), at.kernel, at.strides)
    return means / filled


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
    padding: Padding,
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
