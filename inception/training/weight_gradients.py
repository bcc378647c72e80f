"""Gradients of convolutions' weights as products of matrices, where oneDNN's own are slower.

With AVX2 alone, oneDNN computes the gradients of weights at half the rate of a product of matrices.
Here a 1x1 convolution's are one product; a larger one's are the sum of many, each of a block of
pictures' rows, whose patches side by side are small enough for the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from inception.models.shapes import pair

SLOW = "AVX2"  # as torch calls the processors on which it is worth it
PATCHES_BYTES = 2**20  # of a block: what a core's second cache holds
MOST_TAPS = 9  # larger kernels have few channels in these networks, and oneDNN is as fast
LEAST_RUN = 128  # numbers that lie side by side in a patch, from which copying it is cheap


def cheap_weight_gradients(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """While it lasts, convolutions get such gradients, where they are faster on this processor."""
    slow = torch.backends.cpu.get_cpu_capability() == SLOW
    return _Mode() if device.type == "cpu" and precision == "fp32" and slow else nullcontext()


class _Mode(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.conv2d and not kwargs and len(args) == 7 and _is_cheaper(*args):
            x, weight, bias, stride, padding, _, _ = args
            return _Convolution.apply(x, weight, bias, pair(stride), pair(padding))  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


def _is_cheaper(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> bool:
    _, channels, height, width = weight.shape
    if not (weight.requires_grad and torch.is_grad_enabled() and groups == 1):
        return False
    if isinstance(padding, str) or pair(dilation) != (1, 1) or x.dtype != torch.float32:
        return False
    if not x.is_contiguous(memory_format=torch.channels_last):
        return False
    if (height, width) == (1, 1):
        return pair(stride) == (1, 1) and pair(padding) == (0, 0)
    return height * width <= MOST_TAPS and width * channels >= LEAST_RUN


class _Convolution(torch.autograd.Function):
    """``conv2d`` but for how the weights' gradients are computed."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        how = (ctx.stride, ctx.padding)
        return (
            _of_input(gradient, x, weight, *how) if of_x else None,
            weight_gradient(x, gradient, weight.shape[2:], *how) if of_weight else None,
            gradient.sum(dim=(0, 2, 3)) if of_bias else None,
            None,
            None,
        )


def _of_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: Any, padding: Any) -> Tensor:
    wanted = [True, False, False]
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], 1, wanted
    )
    return found[0]


def weight_gradient(
    x: Tensor,
    gradient: Tensor,
    kernel: Sequence[int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """``[out, in, *kernel]`` of a convolution without groups.

    Args:
        x: what it was given, ``[N, in, H, W]``, channels last.
        gradient: of what it gave, ``[N, out, h, w]``, channels last.
        kernel: height and width.
        stride: likewise.
        padding: likewise, with zeros on both sides.
    """
    channels, out = x.shape[1], gradient.shape[1]
    rows = gradient.permute(0, 2, 3, 1)
    if tuple(kernel) == (1, 1) and stride == (1, 1) and padding == (0, 0):
        inputs = x.permute(0, 2, 3, 1).reshape(-1, channels)
        return (rows.reshape(-1, out).t() @ inputs)[:, :, None, None]
    found = x.new_zeros(out, kernel[0] * kernel[1] * channels)
    for pictures, lines, patches in _patches(x, rows.shape[1:3], kernel, stride, padding):
        found.addmm_(rows[pictures, lines].reshape(-1, out).t(), patches)
    return found.view(out, *kernel, channels).permute(0, 3, 1, 2)


def _patches(
    x: Tensor,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Block by block: its pictures, its lines of the output, and the patches ``[rows, values]``."""
    count, channels, height, width = x.shape
    (down, across), (tall, wide) = padding, sides
    padded = x.new_zeros(count, height + 2 * down, width + 2 * across, channels)
    padded[:, down : down + height, across : across + width] = x.permute(0, 2, 3, 1)
    picture, line, place, _ = padded.stride()
    per_line = wide * kernel[0] * kernel[1] * channels * x.element_size()
    high = min(tall, max(1, PATCHES_BYTES // per_line))
    several = max(1, PATCHES_BYTES // (per_line * tall)) if high == tall else 1
    kept = x.new_empty(several, high, wide, kernel[0], kernel[1] * channels)
    for first in range(0, count, several):
        for top in range(0, tall, high):
            pictures = slice(first, min(first + several, count))
            lines = slice(top, min(top + high, tall))
            block = kept[: pictures.stop - first, : lines.stop - top]
            start = first * picture + top * stride[0] * line
            strides = (picture, line * stride[0], place * stride[1], line, 1)
            block.copy_(padded.as_strided(block.shape, strides, start))
            yield pictures, lines, block.reshape(-1, kernel[0] * kernel[1] * channels)
