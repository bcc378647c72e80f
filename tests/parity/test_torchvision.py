"""Our networks beside torchvision's, on the same random weights, in training mode and with heads.

Converted files of torchvision, timm and facenet-pytorch are compared with their sources in
``tests/weights/importers``.
"""

import pytest
import torch
from torch import Tensor, nn

from inception.benchmark import import_torchvision
from inception.models.build import build_empty
from inception.models.network import InceptionNet
from inception.weights.importers import importers_for
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.reading import read_as

torchvision_models = import_torchvision().models
TOLERANCE = 1e-5  # of the scale of the logits, float32
# torchvision 0.14.1, test/expect/ModelTester.test_googlenet_expect.pkl, in millionths
RECORDED = (
    11496, 21503, -13451, -9102, -19660, -28034, -27559, 10552, 20575, 19418, 14115, -30710, -19939,
    13359, -19802, -16249, -9817, -651, 15971, 25849, 22593, 14933, 21509, 14856, -21684, -25227,
    -18296, -4903, -29683, -10252, -20333, 29859, -14877, -27998, 16224, 19949, -7739, -4387, -8192,
    20439, -3312, -7098, -23014, -26324, -18318, 23926, -2850, 16863, 25338, 1417,
)  # fmt: skip


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


def ours_from(theirs: nn.Module, model: str) -> InceptionNet:
    """Our network on their tensors, and no chance in either."""
    (importer,) = importers_for(model, "torchvision")
    reading = read_as(importer, ForeignFile("torch", theirs.state_dict()))
    assert str(reading.fit) == ""
    ours = build_empty(reading.spec)
    ours.load_state_dict(reading.weights, strict=False, assign=True)
    for network in (ours, theirs):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return ours


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> None:
    scale = float(theirs.abs().max())
    assert float((ours - theirs).abs().max()) <= tolerance * scale


def pictures(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))


def both(name: str, model: str) -> tuple[InceptionNet, nn.Module]:
    theirs = getattr(torchvision_models, name)(aux_logits=True, init_weights=False)
    randomise(theirs)
    theirs.transform_input = False
    return ours_from(theirs, model), theirs


@pytest.fixture(scope="module")
def googlenets() -> tuple[InceptionNet, nn.Module]:
    return both("googlenet", "googlenet_tv")


@pytest.fixture(scope="module")
def inceptions() -> tuple[InceptionNet, nn.Module]:
    return both("inception_v3", "inception_v3_tv")


@pytest.mark.parametrize("size", [224, 225, 256])
@torch.no_grad()
def test_googlenet_tv_equals_torchvision_in_eval_mode(
    googlenets: tuple[InceptionNet, nn.Module], size: int
) -> None:
    ours, theirs = (network.eval() for network in googlenets)
    assert_close(ours(pictures(size)), theirs(pictures(size)))


@pytest.mark.parametrize("size", [224, 225, 256])
@torch.no_grad()
def test_googlenet_tv_and_its_heads_equal_torchvision_in_train_mode(
    googlenets: tuple[InceptionNet, nn.Module], size: int
) -> None:
    ours, theirs = (network.train() for network in googlenets)
    logits, aux = ours(pictures(size), aux=True)
    reference = theirs(pictures(size))
    assert_close(logits, reference.logits)
    assert_close(aux["inception_4a"], reference.aux_logits1)
    assert_close(aux["inception_4d"], reference.aux_logits2)


@pytest.mark.parametrize("size", [299, 331])
@torch.no_grad()
def test_inception_v3_tv_and_its_head_equal_torchvision_in_eval_mode(
    inceptions: tuple[InceptionNet, nn.Module], size: int
) -> None:
    ours, theirs = (network.eval() for network in inceptions)
    grids: list[Tensor] = []
    hook = theirs.Mixed_6e.register_forward_hook(lambda *parts: grids.append(parts[2]))
    reference = theirs(pictures(size))
    hook.remove()
    logits, aux = ours(pictures(size), aux=True)
    assert_close(logits, reference)
    assert_close(aux["mixed_6e"], theirs.AuxLogits(grids[0]))


@pytest.mark.parametrize("model", ["vgg16", "vgg16_bn", "vgg19", "vgg19_bn"])
@torch.no_grad()
def test_vgg_equals_torchvision(model: str) -> None:
    with torch.device("meta"):
        theirs = getattr(torchvision_models, model)(init_weights=False)
    theirs = theirs.to_empty(device="cpu")
    randomise(theirs)
    ours = ours_from(theirs, model)
    for size in (96, 224):
        assert_close(ours.eval()(pictures(size)), theirs.eval()(pictures(size)))
    assert_close(ours.train()(pictures(64)), theirs.train()(pictures(64)))


@torch.no_grad()
def test_googlenet_tv_gives_what_torchvisions_own_test_has_recorded() -> None:
    torch.manual_seed(0)  # then 50 classes and one picture of uniform noise, as that test does
    theirs = torchvision_models.googlenet(num_classes=50, init_weights=True).eval()
    x = torch.rand(1, 3, 224, 224)
    logits = ours_from(theirs, "googlenet_tv").eval()(x)
    assert_close(logits * 1e6, torch.tensor([RECORDED], dtype=torch.float32), 5e-5)
