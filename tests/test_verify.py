"""Our networks are held against another package's, with the same weights, from the command line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inception.benchmark.peers import PEERS, verify
from inception.benchmark.usual_way import import_torchvision
from inception.cli import app
from inception.errors import InputError
from inception.models import MODELS, create_model
from inception.weights.importers import importers_for
from inception.weights.model_file import ModelInfo, read_info, save_model

NAMES = tuple(f"class {i}" for i in range(5))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's GoogLeNet with five classes, heads and random weights, as torch saves it."""
    torch.manual_seed(0)
    network = import_torchvision().models.googlenet(num_classes=5, init_weights=False)
    path = tmp_path_factory.mktemp("published") / "googlenet.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = create_model("googlenet_tv", num_classes=5)
    path = tmp_path_factory.mktemp("ours") / "model.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, NAMES))
    return path


def test_a_published_file_equals_what_its_publisher_makes_of_it(
    published: Path, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = str(real_data / "imagenet-sample")
    command = ["weights", "verify", str(published), "--as", "googlenet_tv"]
    options = ["--against", "torchvision", "--pictures", pictures]
    assert app([*command, *options], standalone_mode=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and f"on 8 of {pictures}" in lines[0]
    assert lines[1] == "equal to 1e-05 of that"


def test_a_model_of_ours_goes_to_the_peer_under_the_peer_s_names(
    ours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["weights", "verify", str(ours), "--against", "torchvision", "--json", "-"]
    assert app(command, standalone_mode=False) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] and found["real_difference"] is None and found["scale"] > 0


def test_another_function_of_the_same_weights_is_found_out(
    ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = read_info(ours)
    other = tmp_path / "other.safetensors"
    torch.manual_seed(0)
    network = create_model("googlenet_tv", num_classes=5)
    spec = replace(MODELS["googlenet_tv"], num_classes=5)
    changed = dict(spec.stages)
    changed["pool3"] = replace(changed["pool3"], kind="average")  # type: ignore[type-var]
    save_model(other, network.state_dict(), replace(info, spec=replace(spec, stages=changed)))
    command = ["weights", "verify", str(other), "--against", "torchvision"]
    assert app(command, standalone_mode=False) == 1
    assert "they differ by more than 1e-05 of that" in capsys.readouterr().out


def test_what_no_peer_has_is_refused(ours: Path, published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="timm has no googlenet_tv; it can be held against"):
        verify(ours, against="timm")
    with pytest.raises(InputError, match="no peer named 'keras'"):
        verify(ours, against="keras")
    with pytest.raises(InputError, match="no such model"):
        verify(tmp_path / "none.safetensors", against="timm")


def test_every_peer_is_one_that_some_importer_reads() -> None:
    for against, models in PEERS.items():
        for model in models:
            assert importers_for(model, against)[0].kind == "torch"
