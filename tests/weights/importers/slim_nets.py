"""TF-slim's networks by their own names: its variables as it prints them, inception_v2 at work."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TABLE = Path(__file__).with_name("slim-variables.txt")
NORM = ("beta", "moving_mean", "moving_variance")
EPSILON = 1e-3  # of its batch norms
Shape = tuple[int, ...]


@cache
def variables(model: str) -> dict[str, Shape]:
    """Every variable of a network by name, in the order in which TF-slim makes them."""
    shapes: dict[str, Shape] = {}
    scope = ""
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith(("#", " ")):
            name, root = line.split()
            scope = root if name == model else ""
        elif scope and line:
            layer, *kernels, tail = line.split()
            for kernel in kernels:
                part, _, sides = kernel.rpartition("=")
                shapes[f"{scope}/{layer}/{part or 'weights'}"] = shape = _sides(sides)
            parts = [f"BatchNorm/{part}" for part in NORM] if tail == "norm" else [tail]
            shapes |= {f"{scope}/{layer}/{part}": shape[-1:] for part in parts}
    return shapes


def _sides(text: str) -> Shape:
    return tuple(int(side) for side in text.split("x"))


def arrays(model: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random values that leave no part of the network without effect."""
    random = np.random.default_rng(seed)

    def drawn(name: str, shape: Shape) -> np.ndarray:
        if name.endswith("moving_variance"):
            return random.uniform(0.5, 1.5, shape)
        if len(shape) == 1:
            return random.normal(0, 0.1, shape)
        fan_in = np.prod(shape[:2] if name.endswith("depthwise_weights") else shape[:-1])
        return random.normal(0, np.sqrt(2 / fan_in), shape)

    return {n: drawn(n, shape).astype(np.float32) for n, shape in variables(model).items()}


def inception_v2(values: dict[str, np.ndarray], x: Tensor) -> Tensor:
    """Logits of slim.nets.inception_v2, by its scopes and TensorFlow's SAME padding.

    Args:
        values: by its names.
        x: ``[N, 3, H, W]``.
    """

    def kernel(name: str) -> Tensor:
        return torch.from_numpy(values[f"InceptionV2/{name}"])

    def conv(x: Tensor, scope: str, stride: int = 1) -> Tensor:
        weights = kernel(f"{scope}/weights").permute(3, 2, 0, 1)
        x = F.conv2d(same(x, weights.shape[-1], stride), weights, stride=stride)
        beta, mean, var = (kernel(f"{scope}/BatchNorm/{part}") for part in NORM)
        return F.batch_norm(x, mean, var, bias=beta, eps=EPSILON).relu()

    def chain(x: Tensor, scope: str, *layers: str, stride: int = 1) -> Tensor:
        for layer in layers:
            x = conv(x, f"{scope}/Conv2d_{layer}", stride if layer is layers[-1] else 1)
        return x

    def maximum(x: Tensor, stride: int) -> Tensor:
        return F.max_pool2d(same(x, 3, stride, -torch.inf), 3, stride)

    def average(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)

    def keeps(x: Tensor, scope: str, pool: Callable[[Tensor], Tensor] = average) -> Tensor:
        branches = (
            chain(x, f"{scope}/Branch_0", "0a_1x1"),
            chain(x, f"{scope}/Branch_1", "0a_1x1", "0b_3x3"),
            chain(x, f"{scope}/Branch_2", "0a_1x1", "0b_3x3", "0c_3x3"),
            chain(pool(x), f"{scope}/Branch_3", "0b_1x1"),
        )
        return torch.cat(branches, 1)

    def halves(x: Tensor, scope: str) -> Tensor:
        branches = (
            chain(x, f"{scope}/Branch_0", "0a_1x1", "1a_3x3", stride=2),
            chain(x, f"{scope}/Branch_1", "0a_1x1", "0b_3x3", "1a_3x3", stride=2),
            maximum(x, 2),
        )
        return torch.cat(branches, 1)

    depthwise = kernel("Conv2d_1a_7x7/depthwise_weights").permute(2, 3, 0, 1)  # [C, M, H, W]
    pointwise = kernel("Conv2d_1a_7x7/pointwise_weights").permute(3, 2, 0, 1)
    x = F.conv2d(same(x, 7, 2), depthwise.flatten(0, 1).unsqueeze(1), stride=2, groups=3)
    x = F.conv2d(x, pointwise, kernel("Conv2d_1a_7x7/biases")).relu()
    x = conv(conv(maximum(x, 2), "Conv2d_2b_1x1"), "Conv2d_2c_3x3")
    x = maximum(x, 2)
    for scope in ("Mixed_3b", "Mixed_3c"):
        x = keeps(x, scope)
    x = halves(x, "Mixed_4a")
    for scope in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e"):
        x = keeps(x, scope)
    x = keeps(halves(x, "Mixed_5a"), "Mixed_5b")
    x = keeps(x, "Mixed_5c", lambda x: maximum(x, 1)).mean((2, 3), keepdim=True)
    logits = kernel("Logits/Conv2d_1c_1x1/weights").permute(3, 2, 0, 1)
    return F.conv2d(x, logits, kernel("Logits/Conv2d_1c_1x1/biases")).flatten(1)


def same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """TensorFlow's SAME: as many windows as strides begin, the odd pixel at the end."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)
