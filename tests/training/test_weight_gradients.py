"""Weights' gradients by products of matrices are those that torch computes."""

import random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.models import MODELS
from inception.models.build import build
from inception.training import weight_gradients
from inception.training.weight_gradients import cheap_weight_gradients, weight_gradient

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def slow_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The kernels whose gradients were computed as products."""
    kernels: list[tuple[int, ...]] = []

    def noted(x: Tensor, gradient: Tensor, kernel: Any, *how: Any) -> Tensor:
        kernels.append(tuple(kernel))
        return weight_gradient(x, gradient, kernel, *how)

    monkeypatch.setattr(weight_gradients, "weight_gradient", noted)
    return kernels


def drawn(seed: int) -> tuple[nn.Conv2d, Tensor]:
    """A convolution that is taken over, and what it is given."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    kernel = draw.choice([(1, 1), (3, 3), (1, 7), (7, 1), (1, 3), (3, 1), (2, 3)])
    larger = kernel != (1, 1)
    convolution = nn.Conv2d(
        draw.randint(128, 150) if larger else draw.randint(1, 40),
        draw.randint(1, 20),
        kernel,
        stride=(draw.randint(1, 3), draw.randint(1, 3)) if larger else 1,
        padding=(draw.randint(0, kernel[0] // 2), draw.randint(0, kernel[1] // 2)),
        bias=draw.random() < 0.5,
    )
    sides = [draw.randint(k, 12) for k in kernel]
    x = torch.randn(draw.randint(1, 9), convolution.in_channels, *sides)
    return convolution, x


def gradients(convolution: nn.Module, x: Tensor, *, of_x: bool) -> list[Tensor]:
    x = x.to(memory_format=torch.channels_last).clone().requires_grad_(of_x)
    convolution.zero_grad()
    out = convolution(x)
    torch.autograd.backward((out * torch.cos(torch.arange(out.numel()).view_as(out))).sum())
    found = [p.grad.clone() for p in convolution.parameters() if p.grad is not None]
    return found + ([x.grad] if x.grad is not None else [])


@pytest.mark.parametrize("block", [1, 5_000, 2**20])
@pytest.mark.parametrize("seed", range(40))
def test_gradients_are_those_of_torch(
    seed: int, block: int, computed: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_gradients, "PATCHES_BYTES", block)
    convolution, x = drawn(seed)
    expected = gradients(convolution, x, of_x=seed % 2 == 0)
    assert not computed
    with cheap_weight_gradients(CPU, "fp32"):
        found = gradients(convolution, x, of_x=seed % 2 == 0)
    assert computed == [convolution.kernel_size]
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_a_whole_network_learns_the_same(computed: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    network = build(MODELS["googlenet_bn"]).train()
    x = torch.randn(4, 3, 64, 64)

    def learnt() -> list[Tensor]:
        torch.manual_seed(0)  # dropout
        network.zero_grad()
        logits = network(x.to(memory_format=torch.channels_last))
        torch.autograd.backward(F.cross_entropy(logits, torch.arange(4)))
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    expected = learnt()
    with cheap_weight_gradients(CPU, "fp32"):
        found = learnt()
    assert computed.count((1, 1)) > 30 and computed.count((3, 3)) >= 10
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3 * float(other.abs().max()) + 1e-7, rtol=0)


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(128, 8, 5, padding=2),
        nn.Conv2d(8, 8, 3),
        nn.Conv2d(128, 128, 3, groups=2),
        nn.Conv2d(128, 8, 3, dilation=2),
        nn.Conv2d(128, 8, 3, padding="same"),
        nn.Conv2d(128, 8, 1, stride=2),
        nn.Conv2d(128, 8, 3).double(),
        nn.Conv2d(128, 8, 3).requires_grad_(False),
    ],
)
def test_other_convolutions_are_left_to_torch(
    convolution: nn.Conv2d, computed: list[tuple[int, ...]]
) -> None:
    x = torch.randn(2, convolution.in_channels, 9, 9, dtype=convolution.weight.dtype)
    with cheap_weight_gradients(CPU, "fp32"):
        gradients(convolution, x, of_x=True)
    assert not computed


def test_only_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def active(device: str = "cpu", precision: str = "fp32") -> bool:
        return isinstance(
            cheap_weight_gradients(torch.device(device), precision), weight_gradients._Mode
        )

    assert active()
    assert not active("cuda") and not active(precision="bf16")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not active()
