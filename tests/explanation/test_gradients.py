"""Gradient methods against formulas of their own, and branches that add up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from thin import thin

from inception import create_model
from inception.data.crops import views
from inception.errors import InputError
from inception.explanation.branches import branch_shares
from inception.explanation.cam import ClassActivation
from inception.explanation.dream import dream, noise
from inception.explanation.gradients import Attributor
from inception.models import MODELS
from inception.models.layers import BranchesLayer
from inception.models.network import InceptionNet, Normalise
from inception.models.spec import Spec
from inception.weights.model_file import ModelInfo, save_model

BRANCHING = [
    name
    for name in MODELS
    if any(isinstance(m, BranchesLayer) for m in create_model(thin(MODELS[name])).modules())
]


def picture(height: int = 61, width: int = 83) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def network_of(spec: Spec) -> InceptionNet:
    torch.manual_seed(0)
    return create_model(spec).eval()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    spec = thin(MODELS["googlenet_small"])
    path = tmp_path / "m.safetensors"
    classes = tuple(f"class {i}" for i in range(spec.num_classes))
    save_model(path, network_of(spec).state_dict(), ModelInfo(spec, classes, temperature=2.0))
    return path


def score(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1]


@pytest.mark.parametrize("name", BRANCHING)
def test_branches_add_up_to_their_module(name: str) -> None:
    """The total as the score's slope along a factor on all of the module's values."""
    network = network_of(thin(MODELS[name]))
    x = torch.randn(1, 3, network.image_size, network.image_size)
    found = branch_shares(network, x, score)
    assert [s.module for s in found] == [
        n
        for n, m in network.named_modules()
        if isinstance(m, BranchesLayer) and not n.startswith("aux.")
    ]
    for of in found:
        assert sum(of.branches.values()) == pytest.approx(of.total, abs=1e-5 * abs(of.total))
        assert sum(of.shares.values()) == pytest.approx(1, abs=1e-5)
        factor, module = torch.ones((), requires_grad=True), network.get_submodule(of.module)
        with module.register_forward_hook(lambda _m, _i, y, f=factor: y * f):
            (slope,) = torch.autograd.grad(score(network(x)).sum(), factor)
        largest = max(abs(part) for part in of.branches.values())
        assert of.total == pytest.approx(float(slope), abs=1e-4 * largest)


def test_a_branch_that_gives_nothing_has_no_share() -> None:
    network = network_of(thin(MODELS["googlenet"]))
    for parameter in network.get_submodule("inception_4b.conv5x5").parameters():
        parameter.detach().zero_()
    size = network.image_size
    found = {s.module: s for s in branch_shares(network, torch.randn(1, 3, size, size), score)}
    assert found["inception_4b"].branches["conv5x5"] == 0
    assert all(found["inception_4b"].branches[b] != 0 for b in ("conv1x1", "conv3x3", "pool"))
    assert found["inception_4c"].branches["conv5x5"] != 0


def test_a_network_without_branches_is_refused() -> None:
    network = network_of(thin(MODELS["nin_small"]))
    size = network.image_size
    with pytest.raises(InputError, match="has no branches; take --method cam"):
        branch_shares(network, torch.randn(1, 3, size, size), score)


def test_grad_cam_is_the_jacobians_means_times_the_channels(model: Path) -> None:
    """By finite differences of what follows the stage, a channel at a time, in double."""
    attributor = Attributor(model)
    stages = list(attributor.network.spec.stages)
    stage = "inception_4c"
    told = attributor.grad_cam(picture(), ["class 2"], stage=stage)
    x = Normalise(attributor.preprocessing)(
        torch.from_numpy(views(picture(), attributor.preprocessing))
    )
    network = attributor.network.double()
    values = network.features(x.double())[stage]

    def after(values: torch.Tensor) -> torch.Tensor:
        for name in stages[stages.index(stage) + 1 :]:
            values = network.get_submodule(name)(values)
        return network.classifier(values)[0, 2]

    steps = torch.eye(values.shape[1])[:, None, :, None, None].double() * 1e-7
    cells = values[0, 0].numel()
    slopes = torch.stack([(after(values + s) - after(values - s)) / 2e-7 / cells for s in steps])
    expected = torch.relu((slopes[:, None, None] * values[0]).sum(0)).numpy()
    np.testing.assert_allclose(told.maps[0], expected, atol=1e-5 * expected.max())


def test_grad_cam_of_the_last_stage_is_the_activation_map(model: Path) -> None:
    """Where both are defined: clipped, and divided by the number of cells."""
    exact = ClassActivation(model, "torch").explain(picture(), [0, 4])
    attributor = Attributor(model)
    for number, index in enumerate((0, 4)):
        told = attributor.grad_cam(picture(), [index])
        clipped = np.maximum(exact.maps[number], 0) / exact.maps[number].size
        np.testing.assert_allclose(told.maps[0], clipped, atol=1e-5)
        np.testing.assert_allclose(told.probabilities, exact.probabilities, atol=1e-5)
        assert told.crop == exact.crop and told.grid == exact.grid


def test_integrated_gradients_add_up_to_the_rise_from_the_mean(model: Path) -> None:
    pytest.importorskip("captum")
    attributor = Attributor(model)
    told = attributor.integrated_gradients(picture(), [3, 1], steps=300)
    size = attributor.network.image_size
    with torch.inference_mode():
        grey = attributor.network(torch.zeros(1, 3, size, size))[0]
    rise = float(told.logits[3] - told.logits[1]) - float(grey[3] - grey[1])
    assert told.maps.sum() == pytest.approx(rise, abs=0.02 * abs(rise))


def test_occlusion_finds_the_only_place_that_matters(model: Path) -> None:
    """A grey picture with one bright square: hiding anything else changes nothing."""
    pytest.importorskip("captum")
    attributor = Attributor(model)
    how, size = attributor.preprocessing, attributor.network.image_size
    x = np.full((size, size, 3), np.rint(how.mean), np.uint8)
    attributor.preprocessing = replace(how, crop=1.0)
    half = size // 2
    x[:half, :half] = 255
    heat = np.abs(attributor.occlusion(x, [0]).maps[0])
    assert heat[:half, :half].sum() > 20 * heat[half + size // 8 :, half + size // 8 :].sum()


def test_two_classes_are_told_apart_by_the_difference(model: Path) -> None:
    exact = ClassActivation(model, "torch").compare(picture(), "class 0", "class 4")
    logits = exact.logits
    assert exact.biases is not None
    assert exact.maps[0].mean() + exact.biases[0] == pytest.approx(logits[0] - logits[4], abs=1e-5)


def test_an_exported_model_has_no_gradients(tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text("<net/>")
    with pytest.raises(InputError, match="take what it came from"):
        Attributor(tmp_path / "m.xml")


def test_a_dream_raises_what_it_wishes_for() -> None:
    network = network_of(thin(MODELS["googlenet_small"]))
    start = noise(40)
    for wish in ({"class_index": 2}, {"stage": "inception_4a"}):
        made = dream(network, start, octaves=2, steps=5, **wish)  # type: ignore[arg-type]
        assert made.shape == start.shape and made.dtype == np.uint8
        assert wished(network, made, **wish) > wished(network, start, **wish)
        np.testing.assert_array_equal(made, dream(network, start, octaves=2, steps=5, **wish))  # type: ignore[arg-type]


def wished(network: InceptionNet, x: np.ndarray, **wish: object) -> float:
    with torch.inference_mode():
        shown = Normalise(network.spec.preprocessing)(torch.from_numpy(x)[None])
        if "class_index" in wish:
            return float(network(shown)[0, wish["class_index"]])
        return float(network.features(shown)[str(wish["stage"])].square().mean())
