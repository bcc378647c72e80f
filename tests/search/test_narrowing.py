"""Channels taken out: what stays computes as before where what goes said nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inception.errors import InputError
from inception.models import create_model, get_spec
from inception.models.cost import cost
from inception.models.network import InceptionNet
from inception.models.variants import wider
from inception.search.narrowing import Mask, narrowed, prunable

FAMILY = (
    "googlenet_small",
    "inception_v3_small",
    "inception_v4_small",
    "xception_small",
    "nin_small",
)
RESIDUAL = ("inception_resnet_v2_small", "xception_small")


def network_of(name: str) -> InceptionNet:
    spec = replace(wider(get_spec(name), 0.25), num_classes=3, aux={})
    network = create_model(spec).eval()
    torch.manual_seed(0)
    for path, tensor in network.state_dict().items():
        if path.endswith(("running_mean", "norm.bias", "conv.bias")):
            tensor.copy_(0.2 * torch.randn(tensor.shape))
    return network


def masks_of(network: InceptionNet, share: float) -> dict[str, Mask]:
    rng = np.random.default_rng(0)
    masks = {}
    for path, conv in prunable(network.spec).items():
        mask = rng.random(int(conv.width or 0)) < share
        mask[0] = True
        masks[path] = mask
    return masks


def silence(network: InceptionNet, masks: dict[str, Mask]) -> None:
    """Makes the channels that go say nothing: zero before the activation, and so after ReLU."""
    for path, mask in masks.items():
        layer = network.get_submodule(path)
        gone = torch.from_numpy(~mask)
        for part in (layer.norm,) if layer.norm is not None else (layer.conv,):
            part.weight.data[gone] = 0
            part.bias.data[gone] = 0


@pytest.mark.parametrize("name", [*FAMILY, "inception_resnet_v2_small", "lenet5"])
def test_without_channels_that_say_nothing_the_answer_is_the_same(name: str) -> None:
    network = network_of(name)
    masks = masks_of(network, 0.6)
    silence(network, masks)
    left = narrowed(network.spec, network.state_dict(), masks)
    smaller = create_model(left.spec).eval()
    missing = smaller.load_state_dict(left.weights, strict=False).missing_keys
    assert [n for n in missing if not n.endswith("num_batches_tracked")] == []
    pictures = torch.randn(2, network.spec.in_channels, *[network.spec.image_size] * 2)
    with torch.no_grad():
        torch.testing.assert_close(smaller(pictures), network(pictures), atol=1e-4, rtol=1e-4)
    assert cost(left.spec).parameters < cost(network.spec).parameters


def test_a_branch_that_keeps_nothing_is_gone_with_its_weights() -> None:
    spec = replace(get_spec("googlenet_small"), num_classes=3, aux={})
    nothing = {"inception_3a.conv5x5.reduce": np.zeros(16, bool)}
    left = narrowed(spec, create_model(spec).state_dict(), nothing)
    assert list(left.spec.stages["inception_3a"].branches) == ["conv1x1", "conv3x3", "pool"]
    assert left.weights["inception_3b.conv1x1.conv.weight"].shape[1] == 256 - 32
    assert not [name for name in left.weights if name.startswith("inception_3a.conv5x5")]


def test_a_module_of_which_nothing_is_left_is_refused() -> None:
    spec = replace(get_spec("googlenet_small"), num_classes=3)
    of_3a = [path for path in prunable(spec) if path.startswith("inception_3a")]
    nothing = {path: np.zeros(prunable(spec)[path].width, bool) for path in of_3a}
    with pytest.raises(InputError, match="nothing would be left of inception_3a"):
        narrowed(spec, {}, nothing)


@pytest.mark.parametrize("name", RESIDUAL)
def test_what_is_added_to_a_shortcut_keeps_its_channels(name: str) -> None:
    paths = set(prunable(get_spec(name)))
    assert paths
    assert all(".body." in path for path in paths)


def test_convolutions_in_groups_are_refused() -> None:
    with pytest.raises(InputError, match="convolves in groups"):
        prunable(get_spec("alexnet"))
