"""Muon's update against its definition, and against torch's own where that takes the weights."""

import copy

import pytest
import torch
from torch import nn

from inception.training.config import TrainConfig
from inception.training.muon import A, B, C, Muon, orthogonal
from inception.training.optimisers import create_optimiser

SHAPES = [(8, 40), (40, 8), (16, 16), (1, 5), (5, 1)]


def iterated(matrix: torch.Tensor) -> torch.Tensor:
    """Newton and Schulz as they are written down."""
    x = matrix.double()
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        x = A * x + (B * (x @ x.T) + C * (x @ x.T) @ (x @ x.T)) @ x
    return x.float()


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) * 1e-3
    found = orthogonal(matrix)
    assert torch.allclose(found, iterated(matrix), atol=1e-4)
    values = torch.linalg.svdvals(found)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.25
    assert torch.equal(orthogonal(torch.zeros(shape)), torch.zeros(shape))


def test_kernels_move_as_by_torchs_own_and_the_rest_as_by_adamw() -> None:
    torch.manual_seed(0)
    kernel, bias = nn.Parameter(torch.randn(16, 8, 1, 1)), nn.Parameter(torch.randn(16))
    start, matrix, vector = (p.detach().clone() for p in (kernel, kernel[:, :, 0, 0], bias))
    ours = Muon([kernel, bias], 0.02, weight_decay=0.1)
    muon = torch.optim.Muon([matrix], 0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW([vector], 0.02, weight_decay=0.1)
    for _ in range(4):
        kernel.grad, bias.grad = torch.randn_like(kernel), torch.randn_like(bias)
        matrix.grad, vector.grad = kernel.grad[:, :, 0, 0].clone(), bias.grad.clone()
        ours.step()
        muon.step()  # type: ignore[no-untyped-call]
        adamw.step()
    assert torch.equal(bias, vector)
    moved = kernel.detach() - start
    off = (start[:, :, 0, 0] + moved[:, :, 0, 0] - matrix).norm() / moved.norm()
    assert float(off) < 0.03  # torch's iterates in bfloat16


def test_channels_last_moves_the_same_and_biases_do_not_decay() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3))
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    config = TrainConfig(optimiser="muon", lr=0.01, weight_decay=0.1, device="cpu")
    for network in (plain, last):
        optimiser = create_optimiser(network, config)
        assert [group["weight_decay"] for group in optimiser.param_groups] == [0.1, 0.0]
        for seed in range(3):
            torch.manual_seed(seed)
            network(torch.randn(2, 3, 9, 9)).square().mean().backward()
            optimiser.step()
            optimiser.zero_grad()
    for mine, its in zip(plain.parameters(), last.parameters(), strict=True):
        assert torch.allclose(mine, its, atol=1e-5)
