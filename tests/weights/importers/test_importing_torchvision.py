"""torchvision's files become our models, whole or not at all."""

from pathlib import Path

import pytest
import torch
from foreign import assert_close, randomise
from torch import nn

from inception.benchmark import import_torchvision
from inception.errors import InputError
from inception.weights.importers.convert import convert
from inception.weights.model_file import load_model, save_model

torchvision_models = import_torchvision().models


@pytest.fixture(scope="module")
def googlenet() -> nn.Module:
    with torch.device("meta"):
        network = torchvision_models.googlenet(aux_logits=True, init_weights=False, num_classes=9)
    network = network.to_empty(device="cpu").eval()
    randomise(network)
    return network


@pytest.fixture
def googlenet_file(googlenet: nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "googlenet.pth"
    torch.save(googlenet.state_dict(), path)
    return path


def test_the_converted_file_answers_as_torchvision_does(
    googlenet: nn.Module, googlenet_file: Path, tmp_path: Path
) -> None:
    converted = convert(googlenet_file, model="googlenet_tv")
    save_model(tmp_path / "ours.safetensors", converted.weights, converted.info)
    ours = load_model(tmp_path / "ours.safetensors").network
    for size in (64, 97):
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.no_grad():
            assert_close(ours(x), googlenet(x))


def test_leftovers_are_named_and_counted(googlenet_file: Path) -> None:
    weights = torch.load(googlenet_file, weights_only=True)
    del weights["conv1.bn.bias"]
    weights["fc.weight"] = torch.zeros(9, 7)
    weights |= {f"extra{i}": torch.zeros(1) for i in range(8)}
    torch.save(weights, googlenet_file)
    with pytest.raises(InputError, match="read as torchvision's googlenet_tv") as raised:
        convert(googlenet_file, model="googlenet_tv")
    message = str(raised.value)
    assert "missing conv1.bn.bias" in message
    assert "extra extra0, extra1, extra2, extra3, extra4 and 3 more" in message
    assert "misshapen fc.weight (9x7 for our 9x1024)" in message
