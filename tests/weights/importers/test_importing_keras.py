"""Keras' own networks, saved in each of its forms, answer as the converted files do."""

import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from foreign import assert_close

from inception.errors import InputError
from inception.weights.importers.convert import convert
from inception.weights.importers.keras_file import read_h5
from inception.weights.model_file import build_model, load_model, save_model

CLASSES = 9
# Keras reads its own arrays in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def keras_model(name: str, size: int, **options: Any) -> Any:
    os.environ["KERAS_BACKEND"] = "torch"  # read once, when it is imported
    import keras

    create = getattr(keras.applications, name)
    if not options:
        options = {"classes": CLASSES, "classifier_activation": None}
    return create(weights=None, input_shape=(size, size, 3), **options)


def randomise(model: Any) -> None:
    random = np.random.default_rng(0)
    for variable in model.weights:
        shape, kind = tuple(variable.shape), variable.path.rpartition("/")[2]
        if kind in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            value = random.normal(0, 0.1, shape)
        else:
            fan_in = np.prod(shape[:2] if "depthwise" in kind else shape[:-1])
            value = random.normal(0, np.sqrt(2 / fan_in), shape)
        variable.assign(value.astype(np.float32))


def save(model: Any, path: Path) -> Path:
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


@pytest.mark.parametrize(
    ("model", "name", "ending", "sizes"),
    [
        ("inception_v3", "InceptionV3", ".weights.h5", (75, 107)),
        ("inception_resnet_v2", "InceptionResNetV2", ".h5", (75, 107)),
        ("xception", "Xception", ".keras", (71, 110)),
    ],
)
def test_keras_answers_as_the_converted_file(
    model: str, name: str, ending: str, sizes: tuple[int, int], tmp_path: Path
) -> None:
    theirs = {size: keras_model(name, size) for size in sizes}
    randomise(theirs[sizes[0]])
    theirs[sizes[1]].set_weights(theirs[sizes[0]].get_weights())
    # of the later one, whose unnamed layers go on counting
    converted = convert(save(theirs[sizes[1]], tmp_path / f"theirs{ending}"), model=model)
    save_model(tmp_path / "ours.safetensors", converted.weights, converted.info)
    ours = load_model(tmp_path / "ours.safetensors").network
    for size in sizes:
        x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size))
        with torch.no_grad():
            reference = theirs[size](x.permute(0, 2, 3, 1).contiguous(), training=False)
            assert_close(ours(x), reference)


def without_names(path: Path) -> Path:
    """An archive as Keras 3.0 to 3.3 wrote it: layers are named in its config alone."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    inside = path.with_suffix(".h5")
    inside.write_bytes(members["model.weights.h5"])
    with h5py.File(inside, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)
    members["model.weights.h5"] = inside.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="module")
def transfer() -> tuple[Any, Any]:
    """Keras' own Xception without its classifier, and as a layer of a model with another."""
    backbone = keras_model("Xception", 71, include_top=False, pooling="avg")
    randomise(backbone)
    import keras

    x = keras.Input((71, 71, 3))
    hidden = keras.layers.Dense(5)(backbone(x))
    return backbone, keras.Model(x, keras.layers.Dense(CLASSES)(hidden))


@pytest.mark.parametrize("ending", [".keras", "3.3.keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("within", [False, True], ids=["alone", "within"])
def test_a_model_without_its_classifier_is_a_backbone(
    ending: str, within: bool, transfer: tuple[Any, Any], tmp_path: Path
) -> None:
    path = save(transfer[within], tmp_path / f"theirs{ending}")
    converted = convert(without_names(path) if "3.3" in ending else path, model="xception")
    assert converted.info.classes == ("no class: a backbone",)
    assert any("beside it, not read: 4, such as dense" in n for n in converted.notes) == within
    ours = build_model(converted.info, converted.weights)
    x = torch.randn(1, 3, 71, 71, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reference = transfer[0](x.permute(0, 2, 3, 1).contiguous(), training=False)
        assert_close(ours.embed(x), reference)


def test_a_classifier_of_another_name_is_read_and_said_so(
    transfer: tuple[Any, Any], tmp_path: Path
) -> None:
    import keras

    backbone = transfer[0]
    tuned = keras.Model(backbone.input, keras.layers.Dense(3, name="beans")(backbone.output))
    converted = convert(save(tuned, tmp_path / "theirs.keras"), model="xception")
    assert "beans/kernel is read as predictions/kernel" in converted.notes
    x = torch.randn(1, 3, 71, 71, generator=torch.Generator().manual_seed(0))
    ours = build_model(converted.info, converted.weights)
    with torch.no_grad():
        assert_close(ours(x), tuned(x.permute(0, 2, 3, 1).contiguous(), training=False))


def write_old_form(path: Path, layers: dict[str, dict[str, np.ndarray]]) -> Path:
    """As Keras 1 and 2 wrote, ``conv2d_7/conv2d_7/kernel:0``."""
    with h5py.File(path, "w") as file:
        for layer, parts in layers.items():
            for part, value in parts.items():
                file[f"{layer}/{layer}/{part}:0"] = value
    return path


def test_unnamed_layers_are_counted_from_0_in_the_order_they_were_made(tmp_path: Path) -> None:
    layers = {
        f"conv2d_{n}": {"kernel": np.full((1, 1, 1, 1), n, np.float32)} for n in (100, 9, 12, 10)
    }
    layers["block1_conv1"] = {"kernel": np.zeros((1, 1, 1, 1), np.float32)}
    tensors = read_h5(write_old_form(tmp_path / "old.h5", layers))
    values = {name: int(tensor.item()) for name, tensor in tensors.items()}
    assert values == {
        "conv2d/kernel": 9,
        "conv2d_1/kernel": 10,
        "conv2d_2/kernel": 12,
        "conv2d_3/kernel": 100,
        "block1_conv1/kernel": 0,
    }


def test_a_lost_and_a_strange_layer_are_named(tmp_path: Path) -> None:
    path = write_old_form(tmp_path / "old.h5", {"dense": {"kernel": np.zeros((2, 2), np.float32)}})
    with pytest.raises(InputError, match=r"keras's xception: missing .* more; extra dense/kernel"):
        convert(path, model="xception")


def test_what_lies_outside_the_file_is_not_read(tmp_path: Path) -> None:
    secret = write_old_form(tmp_path / "secret.h5", {"a": {"kernel": np.ones(3, np.float32)}})
    (tmp_path / "raw.bin").write_bytes(b"\0" * 12)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["conv2d"] = h5py.ExternalLink(secret, "/a")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["conv2d"] = h5py.SoftLink("/conv2d")
    with h5py.File(tmp_path / "external.h5", "w") as file:
        outside = [(str(tmp_path / "raw.bin"), 0, 12)]
        file.create_dataset("conv2d/kernel:0", (3,), np.float32, external=outside)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((3,), np.float32)
        layout[:] = h5py.VirtualSource(secret, "a/a/kernel:0", (3,))
        file.create_virtual_dataset("conv2d/kernel:0", layout)
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("conv2d/kernel:0", (1 << 40,), np.float32, chunks=(1024,))
    with h5py.File(tmp_path / "loop.h5", "w") as file:
        group = file.create_group("conv2d")
        group["again"] = group
    for name, reason in {
        "link": "is a link to elsewhere",
        "soft": "is a link to elsewhere",
        "external": "does not lie in the file",
        "virtual": "does not lie in the file",
        "huge": "does not lie in the file",
        "loop": "is there twice",
    }.items():
        with pytest.raises(InputError, match=reason):
            convert(tmp_path / f"{name}.h5", model="xception")


def test_damaged_and_packed_files_are_one_line(tmp_path: Path) -> None:
    whole = write_old_form(tmp_path / "a.h5", {"a": {"kernel": np.ones((99, 99), np.float32)}})
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(InputError, match="a damaged HDF5 file"):
        convert(tmp_path / "cut.h5", model="xception")
    for name, packing in (("bomb", zipfile.ZIP_DEFLATED), ("plain", zipfile.ZIP_STORED)):
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w", packing) as archive:
            archive.writestr("model.weights.h5", b"\0" * 100_000)
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("config.json", b"{}")
    for name, reason in {
        "bomb": "packed; unpack it",
        "plain": "a damaged HDF5 file",
        "empty": "no Keras archive",
    }.items():
        with pytest.raises(InputError, match=reason):
            convert(tmp_path / f"{name}.keras", model="xception")


def test_without_h5py_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_old_form(tmp_path / "a.h5", {"a": {"kernel": np.ones(3, np.float32)}})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match="h5py is not installed: pip install h5py"):
        convert(path, model="xception")
