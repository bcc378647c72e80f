"""The model file: one metadata key, exact tensors, and every wrong file told in one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from inception import create_model, load
from inception.errors import InputError
from inception.models.network import InceptionNet
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec
from inception.weights.model_file import (
    KEY,
    ModelInfo,
    Transplant,
    load_model,
    load_weights,
    read_info,
    read_weights,
    save_model,
    transplant,
)

CLASS_NAMES = ("cat", "dog", "Schnabeltier 图")


def described(network: InceptionNet) -> ModelInfo:
    return ModelInfo(
        network.spec,
        CLASS_NAMES,
        metrics={"top1_accuracy": 0.75},
        training={"recipe": "own", "seed": 3},
        licence="CC0",
        parents=("mother",),
    )


def tiny() -> Spec:
    """A network of a dozen numbers."""
    return Spec(
        "tiny",
        stages={"conv": Conv(2), "pool": Pool("average", grid=1)},
        classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
        num_classes=3,
    )


@pytest.fixture(scope="module")
def network() -> InceptionNet:
    """A network with batch norm and heads whose statistics are no longer fresh."""
    torch.manual_seed(0)
    network = create_model("googlenet_small", num_classes=3)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 16, 16))
    return network.eval()


@pytest.fixture(scope="module")
def file(network: InceptionNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, network.state_dict(), described(network))
    return path


def stored(network: InceptionNet) -> dict[str, torch.Tensor]:
    return {n: t for n, t in network.state_dict().items() if "num_batches_tracked" not in n}


def test_the_file_has_one_metadata_key_that_holds_all(file: Path, network: InceptionNet) -> None:
    with safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    assert list(metadata) == ["inception"]
    values = json.loads(metadata["inception"])
    assert values["classes"] == list(CLASS_NAMES)
    assert values["preprocessing"]["size"] == 32
    assert values["spec"]["name"] == "googlenet_small"
    assert values["metrics"] == {"top1_accuracy": 0.75} and values["training"]["seed"] == 3
    assert values["licence"] == "CC0" and values["parents"] == ["mother"]
    assert read_info(file) == described(network)


@pytest.mark.parametrize("half", [False, True])
def test_weights_come_back_as_they_were_stored(
    network: InceptionNet, tmp_path: Path, half: bool
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, network.state_dict(), described(network), half=half)
    raw, own = load_file(path), stored(network)
    assert {t.dtype for t in raw.values()} == {torch.float16 if half else torch.float32}
    wanted = {n: t.half().float() if half else t for n, t in own.items()}
    loaded = load_model(path)
    for weights in (load_weights(path), stored(loaded.network)):
        assert weights.keys() == wanted.keys()
        assert all(torch.equal(weights[n], wanted[n]) for n in wanted)
    assert {t.dtype for t in stored(loaded.network).values()} == {torch.float32}


def test_a_loaded_network_gives_the_same_logits(file: Path, network: InceptionNet) -> None:
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    loaded = load(file)
    assert not loaded.network.training
    with torch.no_grad():
        (logits, heads), (again, heads_again) = network(x, aux=True), loaded.network(x, aux=True)
    assert torch.equal(logits, again)
    assert heads.keys() == heads_again.keys() == {"inception_4a", "inception_4d"}
    assert all(torch.equal(heads[n], heads_again[n]) for n in heads)
    assert loaded.classes == CLASS_NAMES and loaded.preprocessing == network.spec.preprocessing
    assert loaded.metadata["training"] == {"recipe": "own", "seed": 3}


def test_a_file_with_heads_loads_without_them(file: Path, network: InceptionNet) -> None:
    loaded = load_model(file, aux=False)
    assert not any(name.startswith("aux.") for name in loaded.network.state_dict())
    assert loaded.info.spec.aux == {} == loaded.network.spec.aux
    x = torch.ones(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded.network(x), network(x))


def test_a_file_without_heads_loads_as_a_network_without(
    network: InceptionNet, tmp_path: Path
) -> None:
    trunk = {n: t for n, t in network.state_dict().items() if not n.startswith("aux.")}
    save_model(tmp_path / "model.safetensors", trunk, described(network))
    loaded = load_model(tmp_path / "model.safetensors")
    assert (
        loaded.network.spec.aux == {}
        and stored(loaded.network).keys() == load_file(tmp_path / "model.safetensors").keys()
    )


def test_reading_what_a_file_says_imports_no_torch(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from inception.weights.model_file import read_info;"
        "print(read_info(Path(sys.argv[1])).classes[1], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.stdout == "dog False\n", done.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (read_info, load_model):
        with pytest.raises(InputError, match=r"no such model file: .*gone\.safetensors"):
            read(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff" * 100, b"\x10" + bytes(7) + b"{}"])
def test_a_file_of_another_kind_is_not_safetensors(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.safetensors: not a safetensors file"):
        read_info(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.bool])
def test_numbers_that_numpy_does_not_compute_with_are_one_line(
    network: InceptionNet, tmp_path: Path, kind: torch.dtype
) -> None:
    tensors = {n: t.to(kind) for n, t in network.state_dict().items()}
    metadata = {KEY: json.dumps(described(network).to_json())}
    save_file(tensors, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(InputError, match=r"^[^\n]*a\.safetensors: [^\n]*$"):
        read_weights(tmp_path / "a.safetensors")


def test_a_model_file_cut_short_is_not_safetensors(file: Path, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a safetensors file"):
        load_model(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "does not say which network it holds"),
        ({"format": "pt"}, "does not say which network it holds"),
        ({KEY: "{"}, r"a\.safetensors: Expecting"),
        ({KEY: "[]"}, r"a\.safetensors: not a model's description"),
        ({KEY: "null"}, r"a\.safetensors: not a model's description"),
        ({KEY: "{}"}, "not a model's description: 'spec' is missing"),
        ({KEY: '{"spec": {}, "preprocessing": {}, "classes": []}'}, "not a network"),
    ],
)
def test_a_foreign_file_is_refused_by_name(
    tmp_path: Path, metadata: dict[str, str] | None, message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_numpy({"x": np.zeros(3, np.float32)}, path, metadata=metadata)
    with pytest.raises(InputError, match=message):
        read_info(path)


MISFITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda w: w.pop("conv.conv.bias"), r"conv\.conv\.bias"),
    "extra": (lambda w: w.update(more=torch.zeros(1)), "more"),
    "shape": (lambda w: w.update({"conv.conv.bias": torch.zeros(5)}), r"conv\.conv\.bias"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_tensors_that_do_not_fit_their_description_are_named(tmp_path: Path, case: str) -> None:
    change, name = MISFITS[case]
    network = create_model(tiny())
    weights = dict(network.state_dict())
    change(weights)
    save_model(tmp_path / "a.safetensors", weights, described(network))
    with pytest.raises(InputError, match=f"a.safetensors: tensors that do not fit .*: {name}"):
        load_model(tmp_path / "a.safetensors")


def test_a_description_that_claims_a_huge_network_takes_no_memory(tmp_path: Path) -> None:
    hidden = {"wide": Linear(100_000), "narrow": Linear(9_000), "linear": Linear(CLASSES)}
    huge = replace(tiny(), classifier={"flatten": Flatten(), **hidden})
    metadata = {KEY: json.dumps(ModelInfo(huge, CLASS_NAMES).to_json())}
    save_file(create_model(tiny()).state_dict(), tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(InputError, match="do not fit"):  # 3.6 GB
        load_model(tmp_path / "a.safetensors")


def test_a_description_needs_a_name_for_every_class() -> None:
    with pytest.raises(InputError, match="2 class names for 3 classes"):
        ModelInfo(tiny(), ("a", "b"))


def test_transplant_tells_by_name_what_was_dropped_and_what_is_fresh(
    network: InceptionNet,
) -> None:
    torch.manual_seed(1)
    other = create_model(replace(network.spec, aux={}), num_classes=5)
    own = {n: t.clone() for n, t in stored(other).items()}
    weights = stored(network)
    result = transplant(other, weights)
    logits = {n for n in own if n.startswith("classifier.")}
    assert len(logits) == 2 and set(result.fresh) == logits
    assert set(result.dropped) == logits | {n for n in weights if n.startswith("aux.")}
    for name, tensor in stored(other).items():
        assert torch.equal(tensor, (own if name in logits else weights)[name])


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, [[6.0]]), (2, [[1.5, 3.0]]), (6, [[0.5, 1.0, 1.5, 0.5, 1.0, 1.5]])],
)
def test_transplant_adapts_the_first_kernel_to_other_input_channels(
    channels: int, expected: list[list[float]]
) -> None:
    colour = create_model("lenet5", in_channels=3)
    weights = {**stored(colour), "c1.conv.weight": torch.ones(6, 3, 5, 5)}
    weights["c1.conv.weight"] *= torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    other = create_model("lenet5", in_channels=channels)
    result = transplant(other, weights)
    assert result == Transplant(dropped=(), fresh=(), adapted=("c1.conv.weight",))
    kernel = other.get_parameter("c1.conv.weight").detach()
    assert kernel[:1, :, 2, 2].tolist() == expected


def test_transplant_leaves_a_first_kernel_of_another_network_alone(network: InceptionNet) -> None:
    other = create_model("lenet5")
    result = transplant(other, {"c1.conv.weight": torch.zeros(6, 3, 7, 7)})
    assert result.dropped == ("c1.conv.weight",) and result.adapted == ()
