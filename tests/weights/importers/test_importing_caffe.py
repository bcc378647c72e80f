"""Caffe's networks, run by OpenCV from the same files and pictures, answer as ours do."""

from pathlib import Path

import caffe_nets
import cv2
import numpy as np
import pytest
import torch
from foreign import assert_close, message

from inception.errors import InputError
from inception.models import MODELS
from inception.models.build import build_empty
from inception.models.network import Normalise
from inception.weights.importers import IMPORTERS
from inception.weights.importers.convert import convert
from inception.weights.model_file import Model, load_model, save_model

CLASSES = 9
TOLERANCE = 1e-4  # of the logits' scale; OpenCV computes otherwise, by Winograd's way for instance


def converted(path: Path, model: str) -> Model:
    result = convert(path, model=model)
    save_model(path.with_suffix(".safetensors"), result.weights, result.info)
    return load_model(path.with_suffix(".safetensors"))


NETS = {
    ("googlenet", "new"): (caffe_nets.googlenet(CLASSES), "loss3/classifier"),
    ("googlenet", "old"): (caffe_nets.googlenet(CLASSES, heads=True), "loss3/classifier"),
    ("alexnet", "new"): (caffe_nets.alexnet(CLASSES), "fc8"),
    ("nin", "old"): (caffe_nets.nin(CLASSES), "pool4"),
}
WRITERS = {"new": caffe_nets.caffemodel, "old": caffe_nets.old_caffemodel}
HEADS = {"inception_4a": "loss1/classifier", "inception_4d": "loss2/classifier"}


@pytest.mark.parametrize("case", NETS, ids="-".join)
def test_opencv_answers_as_the_converted_file(case: tuple[str, str], tmp_path: Path) -> None:
    (model, form), (net, output) = case, NETS[case]
    (tmp_path / "deploy.prototxt").write_text(net.prototxt)
    path = tmp_path / "weights.caffemodel"
    path.write_bytes(WRITERS[form](net))
    ours = converted(path, model)
    theirs = cv2.dnn.readNetFromCaffe(str(tmp_path / "deploy.prototxt"), str(path))
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (net.size, net.size, 3), dtype=np.uint8)  # blue first
    theirs.setInput(cv2.dnn.blobFromImage(picture, mean=(104, 117, 123)))
    rgb = torch.from_numpy(picture[None, :, :, ::-1].copy())
    with torch.no_grad():
        logits, heads = ours.network(Normalise(ours.preprocessing)(rgb), aux=True)
    assert set(heads) == (set(HEADS) if form == "old" and model == "googlenet" else set())
    outputs = [output, *(HEADS[stage] for stage in heads)]
    for mine, reference in zip([logits, *heads.values()], theirs.forward(outputs), strict=True):
        assert_close(mine, torch.from_numpy(reference).flatten(1), TOLERANCE)


@pytest.mark.parametrize("model", ["vgg16", "vgg19"])
def test_layers_of_vgg_have_the_names_of_oxford(model: str) -> None:
    (importer,) = [i for i in IMPORTERS if (i.dialect, i.model) == ("caffe", model)]
    names = [importer.name(ours) for ours in build_empty(MODELS[model]).state_dict()]
    last = {"vgg16": 3, "vgg19": 4}[model]
    stages = ((1, 2), (2, 2), (3, last), (4, last), (5, last))
    layers = [f"conv{n}_{i}" for n, depth in stages for i in range(1, depth + 1)]
    layers += ["fc6", "fc7", "fc8"]
    assert names == [f"{layer}/{part}" for layer in layers for part in ("weight", "bias")]


def test_a_lost_and_a_strange_layer_are_named(tmp_path: Path) -> None:
    net = caffe_nets.nin(CLASSES)
    net.blobs["mystery"] = net.blobs.pop("cccp3")
    (tmp_path / "weights.caffemodel").write_bytes(caffe_nets.caffemodel(net))
    with pytest.raises(InputError, match="read as caffe's nin: missing cccp3/weight, cccp3/bias"):
        convert(tmp_path / "weights.caffemodel", model="nin")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x00\xff\xff", "an integer breaks off|no layer with weights|damaged"),
        (message((100, message((1, "conv1"), (7, b"")))), "0 bytes for a shape"),
        (
            message((100, message((1, "c"), (7, message((1, 1 << 60), (5, b"1234"))))), (2, b"")),
            "4 bytes",
        ),
        (message((1, "just a name")), "no layer with weights"),
        (message((100, b"12345678"))[:-4], "8 bytes are promised where 4 are left"),
        (b"\xa2\x06\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "are promised where 0 are left"),
        (message((100, 7)), "a number stands where a message should"),
    ],
)
def test_damaged_files_are_one_line(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.caffemodel"
    path.write_bytes(data)
    with pytest.raises(InputError, match=reason):
        convert(path, model="nin")
