"""TensorFlow's checkpoints and its frozen graph of 2014 become our models."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow_files
import torch
import torch.nn.functional as F
from foreign import assert_close, randomise

from inception.errors import InputError
from inception.models import MODELS, create_model
from inception.models.build import build_empty
from inception.models.network import Normalise
from inception.models.spec import LocalResponseNorm
from inception.weights.importers import IMPORTERS, importers_for
from inception.weights.importers.convert import convert
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.inception5h import local_response_norm
from inception.weights.importers.reading import lay_out, read_as
from inception.weights.model_file import COUNTERS, load_model, save_model

SLIM = [
    "googlenet_slim",
    "inception_v2_slim",
    "inception_v3",
    "inception_v4",
    "inception_resnet_v2",
]


def to_tensorflow(ours: str, tensor: torch.Tensor, theirs: str) -> torch.Tensor:
    """Our tensor as TF-slim lays it out, by the meaning of the axes."""
    if theirs.endswith("depthwise_weights"):  # ours is [C * M, 1, H, W], C the three colours
        return tensor.reshape(3, -1, *tensor.shape[2:]).permute(2, 3, 0, 1)
    if tensor.ndim == 4:
        return tensor.permute(2, 3, 1, 0)
    if tensor.ndim == 2:  # the first three classify by a 1x1 convolution
        connected = theirs.endswith(("Logits/Logits/weights", "Aux_logits/weights"))
        return tensor.t() if connected or "AuxLogits/Logits" in theirs else tensor.t()[None, None]
    return tensor


def slim_tensors(model: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    (importer,) = importers_for(model, "slim")
    names = {n: importer.name(n) for n in state if not n.endswith((COUNTERS, ".norm.weight"))}
    return {theirs: to_tensorflow(n, state[n], theirs) for n, theirs in names.items()}


@pytest.mark.parametrize("model", SLIM)
def test_every_variable_of_the_release_has_its_place(model: str) -> None:
    tensors = slim_tensors(model, build_empty(MODELS[model]).state_dict())
    (importer,) = importers_for(model, "slim")
    reading = read_as(importer, ForeignFile("checkpoint", tensors))
    assert str(reading.fit) == ""
    assert set(reading.spec.aux) == set(MODELS[model].aux)


PUBLISHED = {  # variables of the released checkpoints, slips included
    "googlenet_slim": {
        "InceptionV1/Mixed_5b/Branch_2/Conv2d_0a_3x3/weights": (3, 3, 32, 128),
        "InceptionV1/Logits/Conv2d_0c_1x1/biases": (1000,),
    },
    "inception_v2_slim": {
        "InceptionV2/Conv2d_1a_7x7/depthwise_weights": (7, 7, 3, 8),
        "InceptionV2/Conv2d_1a_7x7/pointwise_weights": (1, 1, 24, 64),
        "InceptionV2/Conv2d_1a_7x7/BatchNorm/beta": (64,),
        "InceptionV2/Mixed_5a/Branch_1/Conv2d_1a_3x3/weights": (3, 3, 256, 256),
    },
    "inception_v3": {
        "InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5/weights": (5, 5, 48, 64),
        "InceptionV3/Mixed_6a/Branch_0/Conv2d_1a_1x1/weights": (3, 3, 288, 384),
        "InceptionV3/Mixed_7b/Branch_1/Conv2d_0b_3x1/weights": (3, 1, 384, 384),
        "InceptionV3/Mixed_7c/Branch_1/Conv2d_0c_3x1/weights": (3, 1, 384, 384),
        "InceptionV3/AuxLogits/Conv2d_2b_1x1/weights": (1, 1, 768, 1000),
    },
    "inception_v4": {
        "InceptionV4/Mixed_4a/Branch_1/Conv2d_0c_7x1/weights": (7, 1, 64, 64),
        "InceptionV4/AuxLogits/Conv2d_2a/weights": (5, 5, 128, 768),
        "InceptionV4/AuxLogits/Aux_logits/weights": (768, 1000),
        "InceptionV4/Logits/Logits/weights": (1536, 1000),
    },
    "inception_resnet_v2": {
        "InceptionResnetV2/Repeat/block35_10/Conv2d_1x1/biases": (320,),
        "InceptionResnetV2/Block8/Conv2d_1x1/weights": (1, 1, 448, 2080),
        "InceptionResnetV2/Mixed_5b/Branch_0/Conv2d_1x1/weights": (1, 1, 192, 96),
    },
}


@pytest.mark.parametrize("model", SLIM)
def test_scopes_are_those_of_the_release(model: str) -> None:
    tensors = slim_tensors(model, build_empty(MODELS[model]).state_dict())
    published = PUBLISHED[model]
    assert {name: tuple(tensors[name].shape) for name in published} == published


@pytest.fixture(scope="module")
def slim_v1() -> dict[str, np.ndarray]:
    """A network of 1001 outputs, the first of them the background, as TF-slim keeps it."""
    network = create_model("googlenet_slim", num_classes=1001)
    randomise(network)
    state = network.state_dict()
    return {
        name: tensor.contiguous().numpy()
        for name, tensor in slim_tensors("googlenet_slim", state).items()
    }


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
    back = slim_tensors("googlenet_slim", dict(kept.weights))
    assert all(np.array_equal(back[name].numpy(), array) for name, array in slim_v1.items())
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
