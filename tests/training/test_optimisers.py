"""Optimisers, rates and averages, against arithmetic by hand."""

import math

import pytest
import torch
from torch import nn

from inception.models import create_model
from inception.training.config import TrainConfig
from inception.training.optimisers import (
    RMSPropTF,
    WeightAverage,
    create_optimiser,
    rate_at,
    set_rate,
)


def test_rmsprop_puts_epsilon_inside_the_root_and_starts_at_one() -> None:
    w = nn.Parameter(torch.tensor([2.0]))
    optimiser = RMSPropTF([w], 0.1, decay=0.9, momentum=0.9, eps=1.0)
    mean_square, momentum, expected = 1.0, 0.0, 2.0
    for grad in (3.0, -1.0, 0.5):
        w.grad = torch.tensor([grad])
        optimiser.step()
        mean_square += (grad**2 - mean_square) * 0.1
        momentum = 0.9 * momentum + 0.1 * grad / math.sqrt(mean_square + 1.0)
        expected -= momentum
        assert float(w.detach()) == pytest.approx(expected, rel=1e-6)


def test_weight_decay_is_for_weights_not_for_biases_and_norms() -> None:
    network = create_model("googlenet_bn", num_classes=3)
    optimiser = create_optimiser(network, TrainConfig(weight_decay=0.01, bias_lr=2.0))
    decayed = {id(p) for g in optimiser.param_groups if g["weight_decay"] for p in g["params"]}
    for name, p in network.named_parameters():
        matrix = name.endswith("weight") and ".norm." not in name
        assert (id(p) in decayed) == matrix, name
    set_rate(optimiser, 0.1)
    assert sorted(g["lr"] for g in optimiser.param_groups) == [0.1, 0.1, 0.2]


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon", "rmsprop"])
def test_every_optimiser_lowers_a_loss(name: str) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 1)
    config = TrainConfig(optimiser=name, lr=0.05, weight_decay=0.0)
    optimiser = create_optimiser(layer, config)
    x = torch.randn(32, 4)
    y = x.sum(dim=1, keepdim=True)
    losses = []
    for _ in range(60):
        loss = (layer(x) - y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


def rates(steps: int = 100, per_epoch: int = 10, **settings: object) -> list[float]:
    config = TrainConfig(lr=1.0, **settings)
    return [rate_at(config, step, steps, per_epoch) for step in range(steps)]


def test_one_cycle_rises_to_its_peak_and_falls_to_nearly_nothing() -> None:
    r = rates(schedule="one_cycle", warmup=0.3)
    assert r[0] == pytest.approx(1 / 25)
    assert max(r) == r[30] == 1.0
    assert r[65] == pytest.approx(0.5, abs=0.01)
    assert r[-1] < 2e-3
    assert r[:31] == sorted(r[:31])
    assert r[30:] == sorted(r[30:], reverse=True)


def test_step_falls_in_stairs_and_exponential_smoothly() -> None:
    stairs = rates(schedule="step", gamma=0.96, step_epochs=8)
    smooth = rates(schedule="exponential", gamma=0.96, step_epochs=8)
    assert stairs[0] == stairs[79] == 1.0
    assert stairs[80] == smooth[80] == pytest.approx(0.96)
    assert smooth[40] == pytest.approx(0.96**0.5)


def test_poly_is_caffe_s_quick_solver() -> None:
    r = rates(schedule="poly", power=0.5)
    assert r[0] == 1.0
    assert r[75] == pytest.approx(0.5)


def test_cosine_without_warm_up_starts_at_the_peak() -> None:
    r = rates(schedule="cosine", warmup=0.0)
    assert r[0] == 1.0
    assert r[50] == pytest.approx(0.5)


def averaged(config: TrainConfig, values: list[float]) -> list[float]:
    network, mean = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    for norm in (network, mean):
        norm.running_mean.fill_(1.0)  # as the weight, so that both averages can be compared
    average = WeightAverage(network, mean, config)
    seen = []
    for step, value in enumerate(values):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(value)
        average.update(step, len(values))
        assert float(mean.running_mean) == pytest.approx(float(mean.weight.detach()))
        seen.append(float(mean.weight.detach()))
    return seen


def test_polyak_is_the_mean_since_its_start() -> None:
    values = [1.0, 5.0, 2.0, 4.0, 9.0, 3.0]
    seen = averaged(TrainConfig(average="polyak", average_start=0.5), values)
    assert seen[3:] == pytest.approx([4.0, 6.5, 16 / 3])


def test_ema_warms_up_as_tensorflow_s() -> None:
    values = [1.0, 5.0, 2.0]
    mean, expected = 1.0, []  # a norm's weight starts at 1
    for step, value in enumerate(values):
        decay = min(0.999, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * value
        expected.append(mean)
    mine = averaged(TrainConfig(average="ema", average_decay=0.999), values)
    assert mine == pytest.approx(expected)


def test_no_average_follows_the_weights() -> None:
    assert averaged(TrainConfig(average="none"), [1.0, 5.0, 2.0]) == [1.0, 5.0, 2.0]
