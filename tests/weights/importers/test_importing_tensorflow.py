"""TensorFlow's checkpoints and its frozen graph of 2014 become our models."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import slim_nets
import tensorflow_files
import torch
import torch.nn.functional as F
from foreign import assert_close
from slim_nets import variables

from inception.errors import InputError
from inception.models import MODELS
from inception.models.build import build_empty
from inception.models.network import Normalise
from inception.models.spec import LocalResponseNorm
from inception.weights.importers import IMPORTERS, importers_for
from inception.weights.importers.convert import convert
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.inception5h import local_response_norm
from inception.weights.importers.reading import Reading, lay_out, read_as
from inception.weights.model_file import COUNTERS, build_model, load_model, save_model

CLASSES = 9
SLIM = {  # variables without the heads and the classifier: published by tf-slim's own tests
    "googlenet_slim": 5_607_184,
    "inception_v2_slim": 10_173_112,
    "inception_v3": 21_802_784,
    "inception_v4": None,
    "inception_resnet_v2": None,
}


def read_meta(model: str) -> Reading:
    """The release's variables, without their values, as our network."""
    (importer,) = importers_for(model, "slim")
    with torch.device("meta"):
        tensors = {name: torch.empty(shape) for name, shape in variables(model).items()}
    return read_as(importer, ForeignFile("checkpoint", tensors))


@pytest.mark.parametrize("model", SLIM)
def test_every_variable_of_the_release_has_its_place(model: str) -> None:
    reading = read_meta(model)
    assert str(reading.fit) == "" and reading.ignored == ()
    assert reading.spec.num_classes == CLASSES
    assert set(reading.spec.aux) == set(MODELS[model].aux)


@pytest.mark.parametrize("model", SLIM)
def test_layers_come_in_the_order_in_which_the_release_makes_them(model: str) -> None:
    importer, ours = importers_for(model, "slim")[0], read_meta(model).weights
    named = [importer.name(name) for name in ours if not name.endswith(".norm.weight")]
    assert _trunk(named) == _trunk(list(variables(model)))


def _trunk(names: list[str]) -> list[str]:
    """Heads come last with us, and with the release before the classifier."""
    return [name for name in names if "/AuxLogits/" not in name and "/Logits/" not in name]


@pytest.mark.parametrize("model", [model for model, count in SLIM.items() if count])
def test_the_release_has_as_many_variables_as_its_own_tests_say(model: str) -> None:
    published = variables(model)
    counted = {name: math.prod(shape) for name, shape in published.items()}
    assert sum(counted[name] for name in _trunk(list(published))) == SLIM[model]
    ours = {n: w for n, w in read_meta(model).weights.items() if not n.endswith(".norm.weight")}
    trunk = [n for n in ours if not n.startswith(("aux.", "classifier."))]
    assert sum(ours[name].numel() for name in trunk) == SLIM[model]


def test_inception_v2_answers_as_tf_slim_does(tmp_path: Path) -> None:
    values = slim_nets.arrays("inception_v2_slim")
    path = write_checkpoint("index", values, tmp_path)
    converted = convert(path, model="inception_v2_slim")
    network = build_model(converted.info, converted.weights)
    for size in (224, 107):
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.no_grad():
            assert_close(network(x), slim_nets.inception_v2(values, x))


@pytest.fixture(scope="module")
def slim_v1() -> dict[str, np.ndarray]:
    """A network of 1001 outputs, the first of them the background, as TF-slim keeps it."""
    values, random = slim_nets.arrays("googlenet_slim"), np.random.default_rng(1)
    logits = "InceptionV1/Logits/Conv2d_0c_1x1"
    drawn = {f"{logits}/weights": (1, 1, 1024, 1001), f"{logits}/biases": (1001,)}
    return values | {n: random.standard_normal(s, dtype=np.float32) for n, s in drawn.items()}


def checksum(values: np.ndarray | torch.Tensor) -> float:
    """The same for the same numbers in any order."""
    return float(np.sort(np.asarray(values, np.float64), axis=None).sum())


def write_checkpoint(form: str, arrays: dict[str, np.ndarray], folder: Path) -> Path:
    prefix = folder / "model.ckpt"
    if form == "one file":
        prefix.write_bytes(tensorflow_files.first_form(arrays))
        return prefix
    index = tensorflow_files.second_form(arrays, prefix, shards=2 if "shards" in form else 1)
    names = {"prefix": prefix.name, "data": f"{prefix.name}.data-00000-of-00001"}
    return prefix.with_name(names.get(form, index.name))


@pytest.mark.parametrize("form", ["one file", "index", "prefix", "data", "two shards"])
def test_checkpoints_of_both_forms_round_trip(
    form: str, slim_v1: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = write_checkpoint(form, slim_v1, tmp_path)
    kept = convert(path, model="googlenet_slim", background="keep")
    trained = [w for n, w in kept.weights.items() if not n.endswith(".norm.weight")]
    assert len(trained) == len(slim_v1)
    assert sorted(map(checksum, trained)) == sorted(map(checksum, slim_v1.values()))
    kernel = slim_v1["InceptionV1/Conv2d_1a_7x7/weights"].transpose(3, 2, 0, 1)
    assert np.array_equal(kept.weights["conv1.conv.weight"].numpy(), kernel)
    assert kept.weights["conv1.norm.weight"].unique().tolist() == [1.0]
    assert kept.info.classes[:2] == ("background", "tench")


def test_the_background_is_dropped_and_said_so(
    slim_v1: dict[str, np.ndarray], tmp_path: Path
) -> None:
    converted = convert(write_checkpoint("one file", slim_v1, tmp_path), model="googlenet_slim")
    biases = slim_v1["InceptionV1/Logits/Conv2d_0c_1x1/biases"]
    assert np.array_equal(converted.weights["classifier.logits.linear.bias"], biases[1:])
    assert converted.info.classes[0] == "tench"
    assert "dropped 1 of 1001 outputs: the background" in converted.notes


def test_a_depthwise_kernel_keeps_its_channels_together() -> None:
    (importer,) = importers_for("inception_v2_slim", "slim")
    random = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(1, 9, 9, 3, generator=random), torch.randn(7, 7, 3, 8, generator=random)
    ours = lay_out(kernel, torch.Size([24, 1, 7, 7]), importer, "conv1.depthwise.conv.weight")
    # as TensorFlow defines it: output c * 8 + m is input c under kernel [:, :, c, m]
    expected = torch.einsum("hwcij,ijcm->hwcm", x[0].unfold(0, 7, 1).unfold(1, 7, 1), kernel)
    got = F.conv2d(x.permute(0, 3, 1, 2), ours, groups=3)
    assert_close(got[0].permute(1, 2, 0), expected.flatten(2))


def test_a_lost_and_a_strange_variable_are_named(
    slim_v1: dict[str, np.ndarray], tmp_path: Path
) -> None:
    arrays = dict(slim_v1)
    lost = arrays.pop("InceptionV1/Conv2d_1a_7x7/BatchNorm/beta")
    arrays |= {"InceptionV1/Else": lost, "InceptionV1/Conv2d_1a_7x7/weights/RMSProp": lost}
    with pytest.raises(InputError, match=r"missing InceptionV1/Conv2d_1a_7x7/BatchNorm/beta; extra "
                       r"InceptionV1/Else$"):  # fmt: skip
        convert(write_checkpoint("index", arrays, tmp_path), model="googlenet_slim")


def test_damaged_checkpoints_are_one_line(slim_v1: dict[str, np.ndarray], tmp_path: Path) -> None:
    small = dict(list(slim_v1.items())[:3])
    whole = tensorflow_files.first_form(small)
    index = tensorflow_files.second_form(small, tmp_path / "gone.ckpt")
    data = tmp_path / "gone.ckpt.data-00000-of-00001"
    cut = tensorflow_files.second_form(small, tmp_path / "cut.ckpt")
    (tmp_path / "cut.ckpt.data-00000-of-00001").write_bytes(data.read_bytes()[:100])
    data.unlink()
    packed = bytearray(whole)
    packed[_end_of_first_block(whole)] = 1
    cases = {
        index: "gone.ckpt.data-00000-of-00001 is missing beside it",
        cut: "bytes are promised where",
        _write(tmp_path / "a.ckpt", whole[1000:]): "damaged checkpoint",
        _write(tmp_path / "b.ckpt", whole[-48:]): "damaged checkpoint",
        _write(tmp_path / "c.ckpt", bytes(packed)): "compressed",
        _write(tmp_path / "d.ckpt", whole[:-9]): "not a file of weights",
    }
    for path, reason in cases.items():
        with pytest.raises(InputError, match=reason):
            convert(path, model="googlenet_slim")


def _end_of_first_block(data: bytes) -> int:
    """Where the first block's kind of compression stands: before its checksum."""
    return data.index(b"\0\0\0\0\1\0\0\0\0\0\0\0\0") + 8


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_opencv_answers_as_the_converted_graph(tmp_path: Path) -> None:
    path = _write(tmp_path / "graph.pb", tensorflow_files.inception5h(1008))
    converted = convert(path, model="googlenet_5h", background="keep")
    save_model(tmp_path / "ours.safetensors", converted.weights, converted.info)
    ours = load_model(tmp_path / "ours.safetensors")
    assert ours.network.spec.stages["conv2"]["norm"] == LocalResponseNorm(11, 11e-4, 0.5, 2.0)
    picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    with torch.no_grad():
        x = Normalise(ours.preprocessing)(torch.from_numpy(picture))
        logits, heads = ours.network(x, aux=True)
    theirs = cv2.dnn.readNetFromTensorflow(str(path))
    theirs.setInput(picture.transpose(0, 3, 1, 2).astype(np.float32) - 117)
    outputs = [f"softmax{i}_pre_activation/matmul" for i in (2, 0, 1)]  # with their biases
    for mine, reference in zip([logits, *heads.values()], theirs.forward(outputs), strict=True):
        assert_close(mine, torch.from_numpy(reference), 1e-4)


def test_the_norms_of_the_graph_count_not_those_we_remember(tmp_path: Path) -> None:
    path = _write(tmp_path / "graph.pb", tensorflow_files.inception5h(9, radius=4))
    spec = convert(path, model="googlenet_5h").info.spec
    assert spec.stages["pool1"]["norm"].size == 9
    defaults = local_response_norm({"alpha": 1e-4})  # TensorFlow leaves out its own defaults
    assert defaults == LocalResponseNorm(11, 11 * 1e-4, 0.5, 1.0)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    valid = _write(tmp_path / "valid.pb", tensorflow_files.inception5h(9, padding="VALID"))
    graph = tensorflow_files.Graph()
    graph.conv("conv2d0", "input", 3, 64, 7, 2)
    other = _write(tmp_path / "other.pb", graph.bytes)
    no_graph = _write(tmp_path / "no.pb", b"\xff\xff\xff")
    cases = {
        valid: "maxpool0 pads as VALID",
        other: "no node maxpool0",
        no_graph: "no frozen graph",
    }
    for path, reason in cases.items():
        with pytest.raises(InputError, match=reason):
            convert(path, model="googlenet_5h")


def test_a_constant_cannot_claim_a_size(tmp_path: Path) -> None:
    huge = np.zeros(1, np.float32)
    shape = tensorflow_files.shape_proto((1 << 30, 1 << 30))
    tensor = tensorflow_files.message((1, 1), (2, shape), (4, huge.tobytes()))
    graph = tensorflow_files.Graph()
    value = tensorflow_files.message((8, tensor))
    graph.add("conv2d0_w", "Const", [], value=value)
    with pytest.raises(InputError, match="a shape that no tensor has"):
        convert(_write(tmp_path / "huge.pb", graph.bytes), model="googlenet_5h")


def test_every_importer_names_every_tensor_once() -> None:
    states = {
        model: [n for n in build_empty(MODELS[model]).state_dict() if not n.endswith(COUNTERS)]
        for model in {importer.model for importer in IMPORTERS}
    }
    for importer in IMPORTERS:
        names = [importer.name(ours) for ours in states[importer.model]]
        named = [name for name in names if name is not None]
        assert len(set(named)) == len(named)
        heads = sum(ours.startswith("aux.") for ours in states[importer.model])
        assert len(names) - len(named) in (0, heads)
