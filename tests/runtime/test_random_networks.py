"""Networks by chance give in every engine what the torch network gives; pools what a loop gives."""

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from random_networks import KERNELS, STRIDES, random_spec
from test_engines import network_of, pictures_of, plain_answers

from inception.errors import InputError
from inception.models.check import check
from inception.models.cost import cost
from inception.models.layers import PoolLayer
from inception.models.shapes import TooSmallError, own_windows, pair
from inception.models.spec import CLASSES, Flatten, Linear, Pool, Spec, leaves
from inception.preprocessing import Preprocessing
from inception.runtime.lower import lower
from inception.runtime.onnx_engine import ONNXEngine
from inception.runtime.openvino_engine import OpenVINOEngine
from inception.runtime.torch_engine import TorchEngine, trained

NETWORKS, GROUP = 300, 25


@pytest.mark.parametrize("start", range(0, NETWORKS, GROUP))
def test_engines_equal_the_network_on_networks_by_chance(start: int) -> None:
    for seed in range(start, start + GROUP):
        spec = random_spec(seed)
        assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
        network, pictures = network_of(spec), pictures_of(spec.image_size, 2)
        wanted = plain_answers(network, pictures, temperature=1.0)
        for stage in cost(spec).stages[:-1]:
            assert wanted[f"features:{stage.name}"].shape[1:] == stage.end.shape, seed
        weights = {name: tensor.numpy() for name, tensor in trained(network).items()}
        program, outputs = lower(spec, weights, list(wanted)), list(wanted)
        for engine in (
            TorchEngine(network, outputs, device="cpu", threads=1),
            OpenVINOEngine(program, outputs, threads=1),
            ONNXEngine(program, outputs, threads=1),
        ):
            _equal(engine.run(pictures), wanted, f"seed {seed}, {engine.name}")


def _equal(got: dict[str, Any], wanted: dict[str, Any], where: str) -> None:
    """To 1e-4 of the largest value: engines sum in another order."""
    for name, values in wanted.items():
        assert np.isfinite(values).all(), (where, name)
        atol = 1e-4 * max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(got[name], values, atol=atol, rtol=0, err_msg=f"{where}, {name}")


def test_chance_draws_every_kind_of_layer() -> None:
    drawn = Counter(
        type(layer).__name__ for seed in range(100) for layer in leaves(random_spec(seed).stages)
    )
    kinds = {"Conv", "Pool", "LocalResponseNorm", "Activation", "Dropout"}
    assert kinds <= set(drawn)


def _axis(layer: Pool, axis: int, n: int) -> list[tuple[int, int, int]]:
    """The windows over ``n`` values, one after the other: start, stop, how many it divides by."""
    kernel, stride = pair(layer.kernel or 1)[axis], pair(layer.stride)[axis]
    if layer.padding == "same":
        outputs = -(-n // stride)
        before = max((outputs - 1) * stride + kernel - n, 0) // 2
        starts = [i * stride - before for i in range(outputs)]
        return [(s, s + kernel, min(s + kernel, n) - max(s, 0)) for s in starts]
    pad = (kernel - 1) // 2 if layer.padding == "half" else pair(layer.padding)[axis]  # type: ignore[arg-type]
    found, start = [], -pad
    while start + kernel <= n + pad or (layer.ceil and start < n):
        counted = min(start + kernel, n + pad) - start
        seen = min(start + kernel, n) - max(start, 0)
        found.append((start, start + kernel, counted if layer.count_pad else seen))
        if start + kernel >= n + pad:
            break
        start += stride
    return found


def _naive(layer: Pool, x: Any) -> Any:
    """A pool by three loops."""
    rows, columns = (_axis(layer, axis, n) for axis, n in enumerate(x.shape[1:]))
    out = np.zeros((len(x), len(rows), len(columns)))
    for i, (top, bottom, high) in enumerate(rows):
        for j, (left, right, wide) in enumerate(columns):
            seen = x[:, max(top, 0) : bottom, max(left, 0) : right].reshape(len(x), -1)
            out[:, i, j] = seen.max(1) if layer.kind == "max" else seen.sum(1) / (high * wide)
    return out


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("seed", range(60))
def test_a_pool_gives_what_a_loop_over_its_windows_gives(kind: Any, seed: int) -> None:
    chance = random.Random(seed)
    while True:
        padding = chance.choice(("half", "same", 0, 1, (1, 0), 2))
        layer = Pool(
            kind, chance.choice(KERNELS), chance.choice(STRIDES), padding,
            ceil=chance.random() < 0.5, count_pad=chance.random() < 0.5,
        )  # fmt: skip
        shape = (2, chance.randint(4, 12), chance.randint(4, 12))
        try:
            check(_around(layer))
            own_windows(layer, shape[1:])
        except (InputError, TooSmallError):
            continue
        break
    x = np.random.default_rng(seed).normal(size=shape)
    got = PoolLayer(layer)(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_allclose(got, _naive(layer, x), atol=1e-12, err_msg=f"{layer} {x.shape}")


@pytest.mark.parametrize("n", range(1, 24))
@pytest.mark.parametrize("kernel", [None, 3, 5, (5, 3)])
@pytest.mark.parametrize("padding", [0, 1, "same"])
def test_a_grid_is_always_as_asked(n: int, kernel: Any, padding: Any) -> None:
    for kind in ("max", "average"):
        layer = Pool(kind, kernel, 1 if kernel is None else 3, padding, grid=4)  # type: ignore[arg-type]
        assert PoolLayer(layer)(torch.zeros(1, 1, n, n)).shape[2:] == (4, 4)


def _around(layer: Pool) -> Spec:
    classifier = {"pool": Pool("max", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)}
    return Spec("x", {"pool": layer}, classifier, preprocessing=Preprocessing(size=12))
