"""Model repositories as the servers they are for describe them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from inception import InputError, create_model
from inception.cli.export import export
from inception.export.layouts import describe, place_in
from inception.runtime import create_engine
from inception.weights.model_file import ModelInfo, save_model

CLASSES = ("a cat", 'a "dog"', "Käfer\n图")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = create_model("googlenet_small", num_classes=3)
    path = tmp_path / 'Käfer "3".safetensors'
    save_model(path, network.state_dict(), ModelInfo(network.spec, CLASSES))
    return path


@pytest.mark.parametrize(("format", "backend"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_triton_s_own_reader_takes_the_config(
    tmp_path: Path, model: Path, format: str, backend: str
) -> None:
    assert export(str(model), format, tmp_path / "models", layout="triton", quiet=True) == 0
    folder = tmp_path / "models" / model.stem
    config = text_format.Parse((folder / "config.pbtxt").read_text("utf-8"), ModelConfig())
    assert (config.name, config.backend) == (model.stem, backend)
    assert config.max_batch_size == 32 and config.HasField("dynamic_batching")
    file = folder / "1" / config.default_model_filename
    engine = create_engine(file)
    size = config.input[0].dims[0]
    told = engine.run(np.zeros((5, *config.input[0].dims), np.uint8))  # any batch, as declared
    assert told[config.output[0].name].shape == (5, *config.output[0].dims)
    assert config.input[0].name == "pictures" and config.input[0].data_type == DataType.TYPE_UINT8
    labels = (folder / config.output[0].label_filename).read_text("utf-8").splitlines()
    assert labels == ["a cat", 'a "dog"', "Käfer 图"]
    assert json.loads(config.parameters["preprocessing"].string_value)["size"] == size


def test_ovms_gets_a_list_of_models_that_grows(tmp_path: Path, model: Path) -> None:
    repository = tmp_path / "models"
    other = tmp_path / "other.safetensors"
    other.write_bytes(model.read_bytes())
    for path in (model, other, model):
        assert export(str(path), "openvino", repository, layout="ovms", quiet=True) == 0
    entries = json.loads((repository / "config.json").read_text("utf-8"))["model_config_list"]
    assert [entry["config"]["name"] for entry in entries] == ["other", model.stem]
    for entry in entries:
        folder = repository / entry["config"]["base_path"]
        assert sorted(p.name for p in (folder / "1").iterdir()) == ["model.bin", "model.xml"]


def test_what_a_server_does_not_load_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="triton loads openvino and onnx; got --format pt2"):
        place_in(tmp_path, "triton", "pt2", str(model))
    with pytest.raises(InputError, match="did you mean 'triton'"):
        place_in(tmp_path, "tritn", "onnx", str(model))
    file = place_in(tmp_path, "ovms", "openvino", str(model))
    (tmp_path / "config.json").write_text("[]")
    export(str(model), "openvino", file, quiet=True)
    with pytest.raises(InputError, match="is no configuration of OpenVINO Model Server"):
        describe(file, "ovms")
