"""Every layer kind, dialect and odd size gives in each engine what the plain network gives."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from inception import create_model
from inception.models import MODELS
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import (
    CLASSES,
    Activation,
    Conv,
    Dropout,
    Flatten,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    Spec,
    branches,
    separable,
)
from inception.preprocessing import Preprocessing
from inception.runtime import create_engine
from inception.weights.model_file import ModelInfo, save_model

ENGINES = ("torch", "openvino", "onnx")
NORM = Norm(eps=1e-3)
CONV = Conv(6, kernel=3)

LAYERS: dict[str, Layers] = {
    "strides": Conv(5, kernel=3, stride=2),
    "pairs": Conv(5, kernel=(1, 7), padding=(0, 3), stride=(1, 2)),
    "even kernel": Conv(5, kernel=4),
    "same": {"a": Conv(5, kernel=3, stride=2, padding="same"), "b": Conv(4, 4, padding="same")},
    "groups": {"a": CONV, "b": Conv(6, kernel=3, groups=3)},
    "depthwise": {"a": Conv(kernel=3, multiplier=2, norm=NORM), "b": separable(5, norm=NORM)},
    "norm": {"a": Conv(5, norm=NORM), "b": Conv(5, 3, norm=Norm(scale=False), bias=True)},
    "tanh": {"a": Conv(5, activation="tanh"), "b": Activation("sigmoid")},
    "ceil": Pool("max", kernel=3, stride=2, ceil=True),
    "ceil, dropped window": Pool("max", kernel=1, stride=2, padding=0, ceil=True),
    "max, padded": Pool("max", kernel=3, stride=2, padding=1),
    "max, same": Pool("max", kernel=3, stride=2, padding="same"),
    "average, counted": Pool("average", kernel=3, stride=1, padding=1),
    "average, not counted": Pool("average", kernel=3, padding=1, count_pad=False),
    "average, ceil": Pool("average", kernel=3, stride=2, ceil=True),
    "average, ceil, counted": Pool("average", kernel=3, stride=2, padding=1, ceil=True),
    "average, ceil, not counted": Pool("average", 3, 2, padding=1, ceil=True, count_pad=False),
    "grid": Pool("average", grid=4),
    "grid, max": Pool("max", grid=3),
    "grid, more than there is": Pool("average", grid=23),
    "grid by its windows": Pool("average", kernel=5, stride=3, grid=4),
    "lrn": {"a": CONV, "b": LocalResponseNorm(alpha=0.5)},
    "lrn, even, another power": {"a": CONV, "b": LocalResponseNorm(4, alpha=2, beta=0.5, k=2)},
    "branches": branches(
        a=Conv(3),
        b={"reduce": Conv(2, norm=NORM), "conv": Conv(3, kernel=3)},
        c=Conv(4, activation=None),
        d={"reduce": {"conv": Conv(2)}, "inner": branches(x=Conv(2), y=Conv(1))},
        e=Pool("max", kernel=3, padding=1),
    ),
    "residual": {
        "a": CONV,
        "b": Residual({"conv": Conv(6, activation=None)}, scale=0.17),
        "c": Residual(Conv(3), {"proj": Conv(3, activation=None)}, activation=None),
    },
    "flat": {"flatten": Flatten(), "hidden": Linear(8, norm=Norm(), activation="relu")},
}
HEAD: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "dropout": Dropout(0.5),
    "logits": Linear(CLASSES),
}


def spec_of(layers: Layers, size: int, **how: Any) -> Spec:
    flat = isinstance(layers, Mapping) and "flatten" in layers
    classifier = {"logits": Linear(CLASSES)} if flat else HEAD
    how = {"mean": (120.0, 110.0, 100.0), "std": (60.0, 50.0, 40.0)} | how
    channels = 1 if how.get("channel_order") == "grey" else 3
    return Spec(
        "own",
        {"first": layers},
        classifier,
        aux={} if flat else {"first": HEAD},
        num_classes=4,
        in_channels=channels,
        preprocessing=Preprocessing(size=size, **how),
    )


def network_of(spec: Spec) -> InceptionNet:
    """Fresh weights, statistics of batch norm as after training, biases that are not 0."""
    torch.manual_seed(0)
    network = create_model(spec).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
        if isinstance(bias := getattr(module, "bias", None), torch.Tensor):
            nn.init.normal_(bias, std=0.1)
    return network


def pictures_of(size: int, count: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def plain_answers(network: InceptionNet, pictures: Any, temperature: float) -> dict[str, Any]:
    """What the network of ``models.build`` gives for every output."""
    with torch.inference_mode():
        x = Normalise(network.spec.preprocessing)(torch.from_numpy(pictures))
        features = network.features(x)
        logits, heads = network(x, aux=True)
        answers = {"probabilities": (logits / temperature).softmax(1), "logits": logits}
        answers |= {f"features:{name}": value for name, value in features.items()}
        answers |= {f"aux:{name}": value.softmax(1) for name, value in heads.items()}
        answers |= {f"aux_logits:{name}": value for name, value in heads.items()}
    return {name: value.numpy() for name, value in answers.items()}


def save(network: InceptionNet, path: Path, temperature: float = 1.0) -> Path:
    classes = tuple(f"class {i}" for i in range(network.spec.num_classes))
    info = ModelInfo(network.spec, classes, temperature=temperature)
    save_model(path, network.state_dict(), info)
    return path


def check(spec: Spec, engine: str, path: Path, temperature: float = 1.0) -> None:
    """All outputs agree to 1e-5 of the largest value: engines sum in another order."""
    network, pictures = network_of(spec), pictures_of(spec.image_size)
    wanted = plain_answers(network, pictures, temperature)
    file = save(network, path / "m.safetensors", temperature)
    got = create_engine(file, engine, device="cpu", outputs=list(wanted)).run(pictures)
    assert list(got) == list(wanted)
    for name, values in wanted.items():
        assert got[name].dtype == np.float32
        atol = 1e-5 * max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(got[name], values, atol=atol, rtol=0, err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("case", LAYERS)
def test_every_layer_gives_what_torch_gives(
    case: str, size: int, engine: str, tmp_path: Path
) -> None:
    check(spec_of(LAYERS[case], size), engine, tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ["rgb", "bgr", "grey"])
def test_preprocessing_and_temperature_are_in_the_graph(
    order: str, engine: str, tmp_path: Path
) -> None:
    how = {"mean": (99.0,), "std": (7.0,)} if order == "grey" else {}
    check(spec_of(CONV, 9, channel_order=order, **how), engine, tmp_path, temperature=2.5)


@pytest.mark.parametrize("engine", ENGINES)
def test_layers_may_have_the_names_of_inputs_and_outputs(engine: str, tmp_path: Path) -> None:
    names = ("pictures", "normalised", "probabilities", "logits", "softmax", "shared", "told")
    stages: dict[str, Layers] = dict.fromkeys(names, CONV) | {"same": Dropout(0.5)}
    stages["shared"] = branches(shared=CONV, conv=CONV)
    head = {"pool": Pool("average", grid=1), "flatten": Flatten(), "softmax": Linear(CLASSES)}
    aux = dict.fromkeys(names, head)
    check(replace(spec_of(CONV, 9), stages=stages, classifier=head, aux=aux), engine, tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name", ["googlenet", "googlenet_bn", *(name for name in MODELS if name.endswith("_small"))]
)
def test_networks_of_the_family_agree(name: str, engine: str, tmp_path: Path) -> None:
    spec = MODELS[name]
    size = 32 if name.endswith("_small") else 97
    how = replace(spec.preprocessing, size=size)
    check(replace(spec, preprocessing=how, num_classes=5), engine, tmp_path)
