"""Our networks beside torchvision's, on the same random weights."""

import pytest
import torch
from torch import Tensor, nn

from inception.benchmark import import_torchvision
from inception.models import create_model
from inception.models.network import InceptionNet

torchvision_models = import_torchvision().models
TOLERANCE = 1e-5  # of the scale of the logits, float32
BRANCHES = {
    "conv1x1": "branch1",
    "conv3x3.reduce": "branch2.0",
    "conv3x3.conv": "branch2.1",
    "conv5x5.reduce": "branch3.0",
    "conv5x5.conv": "branch3.1",
    "pool.proj": "branch4.1",
}
STEM = {"conv1": "conv1", "conv2.reduce": "conv2", "conv2.conv": "conv3"}


def googlenet_name(ours: str) -> str:
    """torchvision's name of one of our GoogLeNet's parameters."""
    layer, part, value = ours.rsplit(".", 2)
    layer = layer.replace("aux.inception_4a", "aux1").replace("aux.inception_4d", "aux2")
    if part == "linear":
        return f"{GOOGLENET_LINEAR[layer]}.{value}"
    part = "bn" if part == "norm" else part
    if layer.endswith(".reduce") and layer.startswith("aux"):
        return f"{layer.split('.')[0]}.conv.{part}.{value}"
    if layer in STEM:
        return f"{STEM[layer]}.{part}.{value}"
    stage, branch = layer.split(".", 1)
    return f"{stage.replace('_', '')}.{BRANCHES[branch]}.{part}.{value}"


GOOGLENET_LINEAR = {
    "classifier.logits": "fc",
    "aux1.hidden": "aux1.fc1",
    "aux1.logits": "aux1.fc2",
    "aux2.hidden": "aux2.fc1",
    "aux2.logits": "aux2.fc2",
}


def randomise(network: nn.Module) -> None:
    """Weights and statistics that leave no part of the network without effect."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    scale = float(theirs.abs().max())
    assert float((ours - theirs).abs().max()) <= TOLERANCE * scale


@pytest.fixture(scope="module")
def googlenets() -> tuple[InceptionNet, nn.Module]:
    theirs = torchvision_models.googlenet(aux_logits=True, init_weights=False, num_classes=1000)
    randomise(theirs)
    ours = create_model("googlenet_tv")
    weights = theirs.state_dict()
    ours.load_state_dict({name: weights[googlenet_name(name)] for name in ours.state_dict()})
    for network in (ours, theirs):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return ours, theirs


def test_the_name_map_of_googlenet_is_a_bijection(
    googlenets: tuple[InceptionNet, nn.Module],
) -> None:
    ours, theirs = googlenets
    assert sorted(map(googlenet_name, ours.state_dict())) == sorted(theirs.state_dict())


@pytest.mark.parametrize("size", [224, 225, 256])
def test_googlenet_tv_equals_torchvision_in_eval_mode(
    googlenets: tuple[InceptionNet, nn.Module], size: int
) -> None:
    ours, theirs = (network.eval() for network in googlenets)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
    with torch.no_grad():
        assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("size", [224, 225, 256])
def test_googlenet_tv_and_its_heads_equal_torchvision_in_train_mode(
    googlenets: tuple[InceptionNet, nn.Module], size: int
) -> None:
    ours, theirs = (network.train() for network in googlenets)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
    with torch.no_grad():
        logits, aux = ours(x, aux=True)
        reference = theirs(x)
    assert_close(logits, reference.logits)
    assert_close(aux["inception_4a"], reference.aux_logits1)
    assert_close(aux["inception_4d"], reference.aux_logits2)


@pytest.mark.parametrize("size", [224, 225, 256])
def test_vgg16_equals_torchvision(size: int) -> None:
    with torch.device("meta"):
        theirs = torchvision_models.vgg16(init_weights=False)
    theirs = theirs.to_empty(device="cpu").eval()
    randomise(theirs)
    ours = create_model("vgg16").eval()
    # both list the convolutions, then the linear layers, in the order of the forward pass
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    with torch.no_grad():
        for mine, other in pairs:
            mine.copy_(other)
        x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size))
        assert_close(ours(x), theirs(x))
        for network in (ours, theirs):
            for module in network.train().modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
        assert_close(ours(x), theirs(x))
