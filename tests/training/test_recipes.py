"""Recipes: their schedules and updates, worked by hand, and a step of each."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command_line import run
from safetensors.torch import load_file
from torch import Tensor

from inception.data.datasets import open_data
from inception.data.transforms import AUGMENTATIONS, augment
from inception.errors import InputError
from inception.models import create_model
from inception.models.cost import smallest_size
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import CLASSES, Conv, Flatten, Layers, Linear, Norm, Pool, Spec
from inception.training.config import TrainConfig
from inception.training.design import design
from inception.training.optimisers import create_optimiser, rate_at
from inception.training.recipes import RECIPES, recipe
from inception.training.run import train
from inception.weights.model_file import read_info

# learning rates after so many epochs, from the papers' rules by hand
RATES = {
    "googlenet-paper": {0: 0.01, 7.9: 0.01, 8: 0.0096, 15.9: 0.0096, 16: 0.009216},
    "googlenet-caffe": {7.9: 0.01, 8: 0.0096, 249.9: 0.01 * 0.96**31},
    "googlenet-caffe-quick": {0: 0.01, 15: 0.01 * 0.75**0.5, 45: 0.005, 58.5: 0.01 * 0.025**0.5},
    "bn-inception": {0: 0.045, 4: 0.045 * 0.96**3, 8: 0.045 * 0.96**6},
    "inception-v3": {0: 0.045, 1.9: 0.045, 2: 0.0423, 4: 0.039762},
    "inception-v4": {1.9: 0.045, 2: 0.0423},
    "xception": {1.9: 0.045, 2: 0.0423},
}  # fmt: skip
# BVLC/caffe, models/bvlc_googlenet: solver.prototxt, quick_solver.prototxt and train_val.prototxt
SOLVERS = {
    "googlenet-caffe": {"lr_policy": "step", "gamma": 0.96, "max_iter": 10_000_000},
    "googlenet-caffe-quick": {"lr_policy": "poly", "power": 0.5, "max_iter": 2_400_000},
}
STEPSIZE, IMAGENET_TRAIN = 320_000, 1_281_167
# and of the four steps, an epoch each, that are worked out below
WARM, FALL = 24 / 25, 1 - 1e-4
SHARES = (0.25, 0.5, 0.75)  # of the run, after the first step
ONE_CYCLE = [
    1 / 25,
    1 / 25 + WARM * (1 - math.cos(math.pi * 0.25 / 0.3)) / 2,
    1 - FALL * (1 - math.cos(math.pi * 0.2 / 0.7)) / 2,
    1 - FALL * (1 - math.cos(math.pi * 0.45 / 0.7)) / 2,
]
FOUR_RATES = {
    "default": [0.05 * share for share in ONE_CYCLE],
    "small-data": [0.001 * share for share in ONE_CYCLE],
    "few-pictures": [0.01 * share for share in ONE_CYCLE],
    "imagenette-5": [
        0.002 / 25,
        *(0.002 * (1 - FALL * (1 - math.cos(math.pi * (x - 0.15) / 0.85)) / 2) for x in SHARES),
    ],
    "imagenette-20": [
        0.003 / 25,
        *(0.003 * (1 - FALL * (1 - math.cos(math.pi * (x - 0.1) / 0.9)) / 2) for x in SHARES),
    ],
    "googlenet-paper": [0.01] * 4,
    "googlenet-caffe": [0.01] * 4,
    "googlenet-caffe-quick": [0.01, 0.01 * 0.75**0.5, 0.01 * 0.5**0.5, 0.005],
    "bn-inception": [0.045 * 0.96 ** (epoch * 6 / 8) for epoch in range(4)],
    "inception-v3": [0.045, 0.045, 0.0423, 0.0423],
    "inception-v4": [0.045, 0.045, 0.0423, 0.0423],
    "xception": [0.045, 0.045, 0.0423, 0.0423],
}
LAST: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "logits": Linear(CLASSES),
}
TINY = Spec(
    "tiny",
    stages={"conv1": Conv(6, kernel=3), "conv2": Conv(5, kernel=3, stride=2, norm=Norm())},
    classifier=LAST,
    aux={"conv1": LAST},
)


def begun_anew(name: str) -> TrainConfig:
    """A recipe's updates and schedule, from random weights, nothing frozen."""
    return replace(recipe(name), init=None, freeze="none", cut_after=None, cached_views=0)


@pytest.mark.parametrize("name", RATES)
def test_the_rate_follows_the_papers_rule(name: str) -> None:
    config, per_epoch = recipe(name), 1000
    for epoch, rate in RATES[name].items():
        step = round(epoch * per_epoch)
        assert rate_at(config, step, config.epochs * per_epoch, per_epoch) == pytest.approx(rate)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_builds_its_own_network_and_takes_a_step(name: str) -> None:
    config = begun_anew(name)
    size = smallest_size(design(config, 3)[0])
    torch.manual_seed(0)
    spec, _ = design(replace(config, image_size=size), 3)
    network = create_model(spec).train()
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    optimiser = create_optimiser(network, config)
    x, labels = torch.randn(3, 3, size, size), torch.tensor([0, 1, 2])
    logits, aux = network(x, aux=True)
    losses = [F.cross_entropy(out, labels) for out in (logits, *aux.values())]
    torch.autograd.backward(torch.stack(losses).sum())
    optimiser.step()
    after = dict(network.named_parameters())
    assert all(bool(p.isfinite().all()) for p in after.values())
    assert [n for n in before if n.startswith("conv1") and torch.equal(before[n], after[n])] == []


class Hand:
    """Four updates of a recipe's own, in float64, from the formulas of its papers."""

    def __init__(self, config: TrainConfig, network: InceptionNet) -> None:
        self.config = config
        self.w = {n: p.detach().double() for n, p in network.named_parameters()}
        self.mean = dict(self.w)
        zero = {n: torch.zeros_like(w) for n, w in self.w.items()}
        self.momentum, self.square = dict(zero), dict(zero)
        if config.optimiser == "rmsprop":
            self.square = {n: torch.ones_like(w) for n, w in self.w.items()}

    def step(self, t: int, rate: float, grads: dict[str, Tensor]) -> None:
        if (most := self.config.clip_norm) is not None:
            norm = math.sqrt(sum(float(g.square().sum()) for g in grads.values()))
            grads = {n: g * min(1.0, most / (norm + 1e-6)) for n, g in grads.items()}
        for name, g in grads.items():
            bias = name.endswith("bias") and ".norm." not in name
            own = rate * (self.config.bias_lr if bias else 1.0)
            decay = self.config.weight_decay if self.w[name].ndim > 1 else 0.0
            self.w[name] = self.update(name, t, own, g, decay)
        self.average(t)

    def update(self, name: str, t: int, rate: float, g: Tensor, decay: float) -> Tensor:
        w, mu = self.w[name], self.config.momentum
        if self.config.optimiser == "muon" and w.ndim == 4:  # Jordan's; length as in Moonlight's
            self.momentum[name] = m = 0.95 * self.momentum[name] + 0.05 * g
            rows = (0.05 * g + 0.95 * m).flatten(1)
            x = rows / (rows.norm() + 1e-7)
            for _ in range(5):
                x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
            return w * (1 - rate * decay) - rate * 0.2 * max(x.shape) ** 0.5 * x.reshape(w.shape)
        if self.config.optimiser in ("adamw", "muon"):
            self.momentum[name] = m = 0.9 * self.momentum[name] + 0.1 * g
            self.square[name] = s = 0.999 * self.square[name] + 0.001 * g**2
            m, s = m / (1 - 0.9 ** (t + 1)), s / (1 - 0.999 ** (t + 1))
            return w * (1 - rate * decay) - rate * m / (s.sqrt() + 1e-8)
        g = g + decay * w
        if self.config.optimiser == "rmsprop":  # epsilon, 1, inside the root
            self.square[name] = s = 0.9 * self.square[name] + 0.1 * g**2
            self.momentum[name] = v = mu * self.momentum[name] + rate * g / (s + 1.0).sqrt()
            return w - v
        self.momentum[name] = v = mu * self.momentum[name] + g
        return w - rate * (g + mu * v if self.config.nesterov else v)

    def average(self, t: int) -> None:
        kind, decay = self.config.average, self.config.average_decay
        if kind == "ema":
            share = 1 - min(decay, (1 + t) / (10 + t))
        else:  # the mean of the second half: steps 2 and 3
            share = 0.5 if kind == "polyak" and t == 3 else 1.0
        self.mean = {n: m + share * (self.w[n] - m) for n, m in self.mean.items()}


def gradients(
    hand: Hand, network: InceptionNet, pictures: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    names = list(hand.w)
    with torch.no_grad():
        for name, p in network.named_parameters():
            p.copy_(hand.w[name])
    logits, aux = network(pictures, aux=True)
    target = (
        torch.eye(2)[labels] * (1 - hand.config.label_smoothing) + hand.config.label_smoothing / 2
    )
    outputs = [(logits, 1.0), *((out, hand.config.aux_weight) for out in aux.values())]
    loss = sum(-share * (target * out.log_softmax(1)).sum(1).mean() for out, share in outputs)
    found = torch.autograd.grad(loss, list(network.parameters()))
    return {n: g.double() for n, g in zip(names, found, strict=True)}


@pytest.mark.parametrize("name", RECIPES)
def test_four_steps_are_those_worked_out_by_hand(name: str, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(TINY.to_json()))
    config = replace(
        begun_anew(name), model=str(tmp_path / "tiny.json"), image_size=16, epochs=4, batch_size=48,
        progressive=(), augment="none", area=None, photometric=None, dropout=None,
        precision="fp32", threads=1, seed=4,
    )  # fmt: skip
    train(colours, config, out=tmp_path / "run")
    torch.manual_seed(4)
    network = create_model(design(config, 2)[0]).train()
    pictures, labels = shown(colours, network)
    hand = Hand(config, network)
    for t, rate in enumerate(FOUR_RATES[name]):
        hand.step(t, rate, gradients(hand, network, pictures, labels))
    saved = load_file(tmp_path / "run" / "last.safetensors")
    for parameter in hand.w:
        for part, wanted in (("network", hand.w), ("averaged", hand.mean)):
            got = saved[f"{part}/{parameter}"].double()
            torch.testing.assert_close(got, wanted[parameter], rtol=1e-4, atol=2e-6)


def shown(data: Path, network: InceptionNet) -> tuple[Tensor, Tensor]:
    """All training pictures as the network is shown them: an epoch is one batch of them."""
    dataset = open_data(data).splits["train"]
    rng = np.random.default_rng(0)
    small = [augment(dataset.read(i), 16, AUGMENTATIONS["none"], rng) for i in range(len(dataset))]
    normalise = Normalise(network.spec.preprocessing)
    return normalise(torch.from_numpy(np.stack(small))), torch.from_numpy(dataset.labels)


def test_the_recipe_s_name_is_kept_with_its_settings(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(TINY.to_json()))
    config = recipe("inception-v3").with_settings([f"model={tmp_path / 'tiny.json'}", "steps=1"])
    train(colours, replace(config, image_size=16), out=tmp_path / "run")
    saved = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (saved["recipe"], saved["eps"], saved["clip_norm"]) == ("inception-v3", 1.0, 2.0)
    with pytest.raises(InputError, match="--recipe NAME"):
        config.with_settings(["recipe=xception"])


def test_few_pictures_get_a_classifier_on_an_early_stage_in_seconds(
    colours: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["--recipe", "few-pictures", "--set", "cached_views=1", "--epochs", "8"]
    done = run("train", str(colours), *words, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "dropped from imagenette: inception_4b, inception_4c, " in done.stdout
    info = read_info(out / "model.safetensors")
    assert [*info.spec.stages][-1] == "inception_4a"
    assert info.metrics["top1_accuracy"] == 1.0


@pytest.mark.parametrize("name", SOLVERS)
def test_caffes_recipes_have_the_numbers_of_its_solvers(name: str) -> None:
    solver, config = SOLVERS[name], RECIPES[name]
    assert (config.lr, config.momentum, config.weight_decay) == (0.01, 0.9, 0.0002)
    assert (config.batch_size, config.bias_lr, config.aux_weight) == (32, 2.0, 0.3)
    assert config.schedule == solver["lr_policy"]
    assert {
        k: getattr(config, k) for k in ("gamma", "power") if k in solver
    }.items() <= solver.items()
    epochs = config.batch_size / IMAGENET_TRAIN
    assert config.epochs == pytest.approx(solver["max_iter"] * epochs, rel=0.002)
    assert config.step_epochs == pytest.approx(STEPSIZE * epochs, rel=0.002)
