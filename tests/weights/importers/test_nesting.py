"""A network's tensors are found whatever a training script put around and beside them."""

import argparse
import itertools
import pathlib
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inception.errors import InputError
from inception.weights.importers.nesting import nested
from inception.weights.importers.torch_file import read_pickle

NAMES = ("features.0.weight", "features.0.bias", "fc.weight", "fc.bias")
WRAPPERS = (
    "state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "weights",
    "ckpt",
    "params",
)
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "timm_model.", "generator.")
AVERAGES = ("model_ema", "state_dict_ema", "ema", "ema_model", "ema_state_dict", "swa_model")
BESIDE: tuple[dict[str, Any], ...] = (
    {"epoch": 3, "best_acc": 0.5, "arch": "googlenet"},
    {"n_averaged": torch.tensor(7)},
    {"optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}},
    {"args": argparse.Namespace(lr=0.1, out=pathlib.PosixPath("runs"))},
    {"config": SimpleNamespace(depth=3), "best": np.float64(0.9)},
    {"criterion": {"weight": torch.ones(5)}, "hyper_parameters": {"lr": 0.1}},
)


def network(value: float) -> dict[str, Tensor]:
    return {name: torch.full((2, 2), value) for name in NAMES}


def drawn(seed: int) -> tuple[dict[str, Any], bool]:
    """A checkpoint as a script may write it, its good weights 1, and whether others are beside."""
    draw = random.Random(seed)
    tree: Any = network(1.0)
    for prefix in draw.sample(PREFIXES, draw.randint(0, 3)):
        tree = {f"{prefix}{name}": tensor for name, tensor in tree.items()}
    if middle := draw.random() < 0.3:  # compiled within
        tree = {n.replace("features.", "features._orig_mod."): t for n, t in tree.items()}
    averaged = draw.random() < 0.4
    if averaged:
        raw = {name: torch.zeros_like(tensor) for name, tensor in tree.items()}
        tree = {draw.choice(WRAPPERS): raw, draw.choice(AVERAGES): tree}
    elif middle or draw.random() < 0.7:
        tree = {draw.choice(WRAPPERS): tree}
    for more in draw.sample(BESIDE, draw.randint(0, 3)):
        tree |= more
    return tree, averaged


@pytest.mark.parametrize("seed", range(40))
def test_drawn_checkpoints_give_their_network(seed: int, tmp_path: Path) -> None:
    tree, averaged = drawn(seed)
    torch.save(tree, tmp_path / "checkpoint.pth")
    found = nested(read_pickle(tmp_path / "checkpoint.pth"), NAMES)
    inside = {n: t for n, t in found.tensors.items() if n in NAMES}
    assert set(inside) == set(NAMES)
    assert all(bool((tensor == 1).all()) for tensor in inside.values())
    if averaged:
        assert any(name.endswith("fc.weight") for name in found.beside)


def tied() -> Iterator[dict[str, Tensor]]:
    for one, other in itertools.combinations(("student.", "teacher.", ""), 2):
        yield {f"{p}{n}": t for p in (one, other) for n, t in network(1.0).items()}
    yield {f"{p}{n}": t for p in ("ema.", "model_ema.") for n, t in network(1.0).items()}


@pytest.mark.parametrize("tensors", list(tied()), ids=lambda tensors: next(iter(tensors)))
def test_several_networks_are_not_chosen_from(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(InputError, match=r"several times .*save one state_dict\(\)"):
        nested(tensors, NAMES)


def test_what_is_no_network_stays_as_it_is() -> None:
    strange = {"model.conv.weight": torch.ones(1), "model.fc.weight": torch.ones(1)}
    found = nested(strange, NAMES)
    assert dict(found.tensors) == strange and (found.place, found.beside) == ("", ())


class Fires:
    """Would leave a trace, were it built."""

    trace: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return pathlib.Path.touch, (self.trace,)


def test_strangers_are_named_and_never_run(tmp_path: Path) -> None:
    Fires.trace = tmp_path / "ran"
    cases = {
        "whole": (nn.Sequential(nn.Linear(3, 2)), "torch.nn.modules.container.Sequential"),
        "fires": ({"model": network(1.0), "args": Fires()}, "touch|getattr"),
        "list": ([torch.ones(2)], "not tensors by name"),
        "one": (torch.ones(2), "not tensors by name"),
    }
    for name, (value, reason) in cases.items():
        torch.save(value, tmp_path / f"{name}.pth")
        with pytest.raises(InputError, match=reason) as refused:
            read_pickle(tmp_path / f"{name}.pth")
        assert "torch.save(network.state_dict(), FILE)" in str(refused.value)
    assert not Fires.trace.exists()
