"""Batch norm over all processes is one process's over the whole batch, gradients included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colours import write_colours
from processes import launch, values
from test_group import assert_same_run, of_spec, spec, train_cases
from torch import Tensor, nn

from inception.models.spec import Norm
from inception.training.exchange import SyncedNorm, synchronised, take_part
from inception.training.group import Group, joined

SHAPES = {"maps": (7, 5, 4, 3), "vectors": (7, 5)}


def batch_norm(shape: tuple[int, ...], *, scale: bool) -> tuple[nn.Module, Tensor, Tensor]:
    """A norm of drawn parameters, its input, far from zero, and weights of its output's sum."""
    torch.manual_seed(0)
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], eps=1e-3, momentum=0.2)
    nn.init.uniform_(norm.weight, 0.5, 2)
    nn.init.uniform_(norm.bias)
    if not scale:
        norm.register_parameter("weight", None)
    x = torch.randn(shape) * torch.arange(1, shape[1] + 1).view(1, -1, *[1] * (len(shape) - 2)) + 20
    return norm, x, torch.randn(shape)


def passed(norm: nn.Module, x: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Output, gradients and statistics after two steps."""
    x = x.clone().requires_grad_()
    for _ in range(2):
        made = norm(x)
        torch.autograd.backward((made * weights).sum() + (made**3 * weights).sum())
    assert x.grad is not None
    told = {"made": made.detach(), "x": x.grad}
    told |= {name: p.grad for name, p in norm.named_parameters() if p.grad is not None}
    return told | {name: buffer.clone() for name, buffer in norm.named_buffers()}


Told = dict[str, np.ndarray[Any, Any]]
Case = tuple[str, bool, tuple[int, ...]]  # kind, scaled, where the shares are cut
SHARES: list[Case] = [
    (kind, scale, cuts)
    for kind in SHAPES
    for scale in (True, False)
    for cuts in ((0, 4, 7), (0, 6, 7), (0, 7, 7))
]


def take_shares() -> list[Told]:
    """What a process comes to with its rows of each case's input."""
    with joined() as group:
        return [share(group, *case) for case in SHARES]


def share(group: Group, kind: str, scale: bool, cuts: tuple[int, ...]) -> Told:
    norm, x, weights = batch_norm(SHAPES[kind], scale=scale)
    network = nn.Sequential(norm)
    (synced,) = synchronised(network, group)
    rows = slice(cuts[group.rank], cuts[group.rank + 1])
    x, weights = x[rows], weights[rows]
    take_part([synced], present=len(x) > 0)
    if not len(x):  # a stand-in
        x, weights = torch.ones(1, *SHAPES[kind][1:]), torch.zeros(1, *SHAPES[kind][1:])
    told = {name: tensor.numpy() for name, tensor in passed(network[0], x, weights).items()}
    if not synced.counts:
        assert not told.pop("x").any()  # nothing depends on it
        del told["made"]
    return told


@pytest.fixture(scope="module")
def shares() -> list[list[Told]]:
    """By process and case."""
    return values(launch(2, take_shares))


@pytest.mark.parametrize("number", range(len(SHARES)), ids=lambda number: str(SHARES[number]))
def test_shares_come_to_what_the_whole_does(number: int, shares: list[list[Told]]) -> None:
    kind, scale, _ = SHARES[number]
    for name, wanted in passed(*batch_norm(SHAPES[kind], scale=scale)).items():
        parts = [each[number][name] for each in shares if name in each[number]]
        if name in ("made", "x"):
            found = np.concatenate(parts)
        elif name in ("weight", "bias"):
            found = np.sum(parts, axis=0)
        else:  # statistics, which all have
            assert len(parts) == 2 and np.array_equal(*parts)
            found = parts[0]
        most = float(wanted.abs().max())
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-5 * most)


def test_one_process_alone_computes_as_torch_does() -> None:
    norm, x, weights = batch_norm(SHAPES["maps"], scale=True)
    synced = SyncedNorm(norm, Group())
    assert synced.state_dict().keys() == norm.state_dict().keys()
    wanted = passed(batch_norm(SHAPES["maps"], scale=True)[0], x, weights)
    for name, found in passed(synced, x, weights).items():
        torch.testing.assert_close(found, wanted[name], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(synced.eval()(x), norm.eval()(x))


CASES: dict[str, dict[str, Any]] = {
    "whole batches": {"steps": 20},
    "activations computed twice": {
        "steps": 6, "checkpoint_activations": True, "optimiser": "adamw", "lr": 1e-3,
    },
    "fewer pictures than processes, some unreadable": {"batch_size": 2, "steps": 12},
}  # fmt: skip


@pytest.mark.parametrize("size", [2, 3])
def test_processes_train_as_one_does(size: int, tmp_path: Path) -> None:
    data = write_colours(tmp_path / "colours")
    for number in (0, 3):
        (data / "train" / "red" / f"{number}.png").write_bytes(b"no picture")
    base = replace(of_spec(tmp_path, spec(Norm())), sync_norm=True, lr=0.02)
    cases = {name: replace(base, **case) for name, case in CASES.items()}
    train_cases(data, cases, tmp_path / "one")
    values(launch(size, train_cases, data, cases, tmp_path / "several"))
    for name in cases:
        assert_same_run(tmp_path / "one" / name, tmp_path / "several" / name, within=1e-5)
