"""FGSM and PGD beside a plain implementation; training against them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command_line import fails, run
from thin import thin
from torch import Tensor

from inception import InputError, create_model, load
from inception.data.crops import views
from inception.data.datasets import open_data
from inception.evaluation.request import Request
from inception.models import MODELS
from inception.models.network import Normalise
from inception.robustness.attacked import evaluate_attacked
from inception.robustness.attacks import Attack, parse_eps
from inception.training.adversary import adversarial
from inception.training.config import TrainConfig
from inception.training.run import train

PICTURES = 40


def plain_pgd(
    logits: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor, eps: float, steps: int
) -> Tensor:
    """Madry et al., algorithm in their section 2.1, on pictures ``[N, 3, H, W]`` from 0 to 1."""
    torch.manual_seed(1)
    changed = x + torch.empty_like(x).uniform_(-eps, eps)
    for _ in range(steps):
        leaf = changed.clamp(0, 1).clone().requires_grad_()
        F.cross_entropy(logits(leaf), labels).backward()
        assert leaf.grad is not None
        moved = leaf.detach() + 2.5 * eps / steps * leaf.grad.sign()
        changed = x + (moved - x).clamp(-eps, eps)
    return changed.clamp(0, 1)


@pytest.mark.parametrize(("kind", "steps"), [("fgsm", 1), ("pgd", 2)])
def test_as_many_pictures_are_fooled_as_by_a_plain_attack(
    real_data: Path, kind: str, steps: int
) -> None:
    """The two start elsewhere, so within 2 pictures; docs/robustness.md has 200 of them."""
    data, eps = real_data / "dogs-vs-cats", 0.5 / 255
    dataset = open_data(data).splits["val"].limited(PICTURES)
    network = load("cats-and-dogs").network.eval().requires_grad_(False)
    preprocessing = network.spec.preprocessing
    squares = np.concatenate([views(dataset.read(i), preprocessing) for i in range(PICTURES)])
    x = torch.from_numpy(squares).permute(0, 3, 1, 2) / 255
    labels = torch.from_numpy(dataset.labels)
    normalise = Normalise(preprocessing)

    def logits(pictures: Tensor) -> Tensor:
        return network(normalise(255 * pictures.permute(0, 2, 3, 1)))

    changed = plain_pgd(logits, x, labels, eps, steps)
    if kind == "fgsm":
        leaf = x.clone().requires_grad_()
        F.cross_entropy(logits(leaf), labels).backward()
        assert leaf.grad is not None
        changed = (x + eps * leaf.grad.sign()).clamp(0, 1)
    with torch.inference_mode():
        wanted = [(logits(p).argmax(1) == labels).sum().item() for p in (x, changed)]
    told = evaluate_attacked(
        "cats-and-dogs", data, Attack(kind, eps, steps), Request(limit=PICTURES)
    )
    got = [round(PICTURES * e.top1_accuracy) for e in (told.clean, told.robust)]
    assert got[0] == wanted[0]
    assert abs(got[1] - wanted[1]) <= (0 if kind == "fgsm" else 2)
    assert got[1] < got[0]


def test_no_value_changes_by_more_than_the_radius() -> None:
    torch.manual_seed(0)
    x = 255 * torch.rand(3, 8, 8, 3)
    x[0] = 0
    x[1] = 255
    weight = torch.randn(8 * 8 * 3, 4)

    def logits(pictures: Tensor) -> Tensor:
        return pictures.flatten(1) @ weight / 255

    labels = torch.tensor([0, 1, 2])
    start = 2 * torch.rand_like(x) - 1
    for attack in (Attack("fgsm", 4 / 255), Attack("pgd", 4 / 255, 3)):
        for begin in (None, start):
            changed = attack(logits, x, labels, begin)
            assert (changed - x).abs().max() <= 4.001
            assert changed.min() >= 0 and changed.max() <= 255
            assert F.cross_entropy(logits(changed), labels) > F.cross_entropy(logits(x), labels)


@pytest.mark.parametrize(
    ("text", "value"), [("2/255", 2 / 255), ("0.01", 0.01), (" 8 / 255", 8 / 255)]
)
def test_a_radius_is_read_as_it_is_typed(text: str, value: float) -> None:
    assert parse_eps(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "two", "1/0", "1/2/3", "nan"])
def test_what_is_no_radius_is_told(text: str) -> None:
    with pytest.raises(InputError, match="--eps is from 0 to 1, 2/255 for example; got"):
        parse_eps(text)


def test_training_leaves_the_network_as_it_found_it() -> None:
    """But for the pictures: statistics, gradients and mode are the step's own."""
    torch.manual_seed(0)
    network = create_model(thin(MODELS["googlenet_bn"])).train()
    config = TrainConfig(
        adversarial="pgd", adversarial_eps=8 / 255, adversarial_steps=2, precision="fp32"
    )
    x = (255 * torch.rand(2, network.image_size, network.image_size, 3)).byte()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    shares = torch.eye(5)[:2]  # as mixup gives labels
    changed = adversarial(network, Normalise(network.spec.preprocessing), x, shares, config)
    assert 0 < (changed - x.float()).abs().max() <= 8.001
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())
    plain = replace(config, adversarial="none")
    assert adversarial(network, Normalise(network.spec.preprocessing), x, shares, plain) is x


@pytest.mark.parametrize("kind", ["fgsm", "pgd"])
def test_a_run_learns_against_an_adversary(colours: Path, tmp_path: Path, kind: str) -> None:
    config = TrainConfig(
        model="lenet5", epochs=2, batch_size=16, adversarial=kind, adversarial_steps=2, threads=1
    )
    train(colours, config, out=tmp_path / "run")
    told = run(
        "evaluate", str(tmp_path / "run"), str(colours), "--attack", "pgd", "--eps", "8/255",
        "--attack-steps", "3", "--json", "-",
    )  # fmt: skip
    values = json.loads(told.stdout)
    assert values["attack"] == {"kind": "pgd", "eps": pytest.approx(8 / 255), "steps": 3}
    assert values["images"] == 16 and values["robust_accuracy"] <= values["clean_accuracy"]


def test_an_attack_is_told_by_class_and_in_a_line(colours: Path, tmp_path: Path) -> None:
    train(colours, TrainConfig(model="lenet5", epochs=1, threads=1), out=tmp_path / "run")
    words = ("evaluate", str(tmp_path / "run"), str(colours), "--attack", "fgsm")
    lines = run(*words).stdout.splitlines()
    assert [line.split()[0] for line in lines if line.split()][2:5] == ["green", "red", "all"]
    assert lines[-1].startswith("fgsm of 2/255: top-1 ") and " on 16 pictures (val); " in lines[-1]
    for more, told in (
        (("--eps", "0"), "--eps is above 0"),
        (("--attack-steps", "3"), "--attack fgsm is one step"),
        (("--corruptions",), "either --attack or --corruptions"),
        (("--grid",), "of one model and one crop"),
        (("--engine", "openvino"), "an attack needs gradients"),
        (("--plot", "a.png"), "are of --corruptions"),
    ):
        assert told in fails(*words, *more)
    assert "did you mean 'pgd'" in fails(*words[:4], "pg")
    assert "add --attack pgd" in fails(*words[:3], "--eps", "2/255")


def test_cached_features_know_no_adversary(colours: Path, tmp_path: Path) -> None:
    settings = ("--set", "cached_views=1", "--set", "adversarial=fgsm")
    told = fails(
        "train", str(colours), "--init", "cats-and-dogs", "--freeze", "backbone", *settings,
        "--out", str(tmp_path / "run"),
    )  # fmt: skip
    assert "adversarial changes pictures, not features" in told
