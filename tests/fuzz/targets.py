"""What is fuzzed: files of every kind we open, and what opens them. VOC and COCO have no reader."""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from inception.data.datasets import open_data
from inception.data.images import UnreadableImageError, read_image
from inception.data.packing import Packing, pack

sys.path.insert(0, str(Path(__file__).parents[1] / "weights" / "importers"))
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**63, 2**64, -1)


@dataclass(frozen=True)
class Target:
    """Files of one kind.

    Attributes:
        name: of the file, whose ending some readers look at.
        whole: what is damaged.
        read: opens it; must succeed or raise ``InputError``.
    """

    name: str
    whole: Callable[[], bytes]
    read: Callable[[Path], object]


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """One to four changes: bytes, written numbers, pieces cut out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(random.integers(1, 5)):
        reach = len(changed) if random.random() < 0.5 else min(len(changed), 400)
        at, few = int(random.integers(max(reach, 1))), random.bytes(int(random.integers(1, 9)))
        kind = random.integers(8)
        if kind == 0:
            del changed[at : at + int(random.integers(1, 1 + len(changed) // 4 + 1))]
        elif kind == 1:
            changed[at:at] = few
        elif kind == 2:
            changed[at : at + len(few)] = few
        elif kind == 3:
            changed[at:at] = changed[at : at + int(random.integers(1, 200))]
        elif kind == 4 and (digits := list(re.finditer(rb"\d+", bytes(changed[:4000])))):
            found = digits[int(random.integers(len(digits)))]
            changed[found.start() : found.end()] = str(random.choice(NUMBERS)).encode()
        elif kind == 5:
            order = random.choice(["little", "big"])
            changed[at : at + 4] = (int(random.choice(NUMBERS)) % 2**32).to_bytes(4, order)
        elif at < len(changed):
            changed[at] = random.choice([0, 1, 127, 128, 255, changed[at] ^ 1])
    return sealed(bytes(changed)) if random.random() < 0.8 else bytes(changed)


def sealed(data: bytes) -> bytes:
    """A PNG's checksums made right again, for decoders look no further where one is wrong."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    made, place = bytearray(data), 8
    while place + 12 <= len(made):
        end = place + 8 + int.from_bytes(made[place : place + 4], "big")
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(made)


def picture(kind: str, mode: str = "RGB", **options: object) -> Callable[[], bytes]:
    """An encoded picture of soft colours."""

    def make() -> bytes:
        noise = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize((45, 30), Image.Resampling.BICUBIC)
        image = Image.fromarray(np.asarray(image)[:, :, 0].astype(np.uint16) * 257) if (
            mode == "I;16"
        ) else image.convert(mode)  # fmt: skip
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return make


def read_all(path: Path) -> None:
    """Every picture of a labelled set."""
    for split in open_data(path).splits.values():
        for index in range(len(split)):
            try:
                split.read(index)
            except UnreadableImageError:
                continue


def tar(form: int) -> Callable[[], bytes]:
    """Two labelled pictures, one under a long name."""

    def make() -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as made:
            for name in ("a", "b" * 150):
                for ending, data in ((".png", picture("PNG")()), (".cls", b"1")):
                    member = tarfile.TarInfo(name + ending)
                    member.size = len(data)
                    made.addfile(member, io.BytesIO(data))
        return file.getvalue()

    return make


def parquet() -> bytes:
    """Four rows in the Hugging Face layout, with names of classes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {"bytes": picture("PNG")(), "path": "x"}
    made = pa.table({"image": pa.array([row] * 4), "label": [0, 1, 0, 1]})
    names = b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'
    file = io.BytesIO()
    pq.write_table(made.replace_schema_metadata({"huggingface": names}), file)
    return file.getvalue()


def csv() -> bytes:
    """Rows whose files are not there."""
    return (
        b'path,label,split\na.jpg,cat,train\ne.jpg,dog,train\n"b,c.jpg",dog,val\nd.jpg,cat,test\n'
    )


@cache
def run_files() -> dict[str, bytes]:
    """A model and a checkpoint, of one step of LeNet-5."""
    from inception import TrainConfig, train

    with TemporaryDirectory() as folder:
        for label, colour in (("a", "red"), ("b", "blue")):
            for split in ("train", "val"):
                place = Path(folder) / "data" / split / label
                place.mkdir(parents=True)
                Image.new("RGB", (28, 28), colour).save(place / "0.png")
        out = Path(folder) / "run"
        config = TrainConfig(model="lenet5", steps=1, batch_size=2, threads=1)
        train(Path(folder) / "data", config, out=out)
        return {
            name: (out / name).read_bytes() for name in ("model.safetensors", "last.safetensors")
        }


def read_model(path: Path) -> None:
    """A model file as every engine takes it."""
    from inception.runtime import create_engine
    from inception.weights.model_file import load_model

    load_model(path)
    create_engine(path, "onnx", threads=1)


def read_last(path: Path) -> None:
    """A checkpoint's state."""
    from inception.training.checkpoint import read_checkpoint

    read_checkpoint(path)


def read_foreign(path: Path) -> None:
    """A publisher's file."""
    from inception.weights.importers.files import open_file

    open_file(path)


def foreign(name: str) -> Callable[[], bytes]:
    """A small file of a publisher's form, as the tests of the importers make it."""

    def make() -> bytes:
        from test_damaged_files import WHOLE

        return WHOLE[name]()

    return make


PICTURES = {
    "jpeg": picture("JPEG"),
    "jpeg-progressive": picture("JPEG", progressive=True),
    "jpeg-grey": picture("JPEG", "L"),
    "jpeg-cmyk": picture("JPEG", "CMYK"),
    "png": picture("PNG"),
    "png-palette": picture("PNG", "P", transparency=3),
    "png-16": picture("PNG", "I;16"),
    "gif": picture("GIF", "P"),
    "webp": picture("WEBP"),
    "webp-lossless": picture("WEBP", "RGBA", lossless=True),
    "bmp": picture("BMP"),
    "ppm": picture("PPM"),
    "tga": picture("TGA", compression="tga_rle"),
    "tiff": picture("TIFF"),
    "tiff-lzw": picture("TIFF", compression="tiff_lzw"),
    "tiff-deflate": picture("TIFF", "I;16", compression="tiff_adobe_deflate"),
    "tiff-jpeg": picture("TIFF", compression="jpeg"),
    "jpeg2000": picture("JPEG2000"),
    "avif": picture("AVIF"),
}


@cache
def packed() -> dict[str, bytes]:
    """A shard and the index beside it."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "all.parquet").write_bytes(parquet())
        pack(open_data(place / "all.parquet"), place / "s", Packing(), threads=1)
        return {path.suffix: path.read_bytes() for path in (place / "s").glob("all-*")}


def read_beside(path: Path) -> None:
    """A shard whose index this is."""
    path.with_suffix(".tar").write_bytes(packed()[".tar"])
    read_all(path.with_suffix(".tar"))


FOREIGN = (
    *("new.caffemodel", "old.caffemodel", "one.ckpt", "graph.pb", "new.pth", "old.pth"),
    *("a.safetensors", "a.h5", "a.keras"),
)
TARGETS = (
    {name: Target(f"{name}.img", whole, read_image) for name, whole in PICTURES.items()}
    | {
        "tar-gnu": Target("all.tar", tar(tarfile.GNU_FORMAT), read_all),
        "tar-pax": Target("all.tar", tar(tarfile.PAX_FORMAT), read_all),
        "tar-index": Target("all.json", lambda: packed()[".json"], read_beside),
        "parquet": Target("all.parquet", parquet, read_all),
        "csv": Target("all.csv", csv, read_all),
        "model": Target("a.safetensors", lambda: run_files()["model.safetensors"], read_model),
        "checkpoint": Target("a.safetensors", lambda: run_files()["last.safetensors"], read_last),
    }
    | {name: Target(name, foreign(name), read_foreign) for name in FOREIGN}
)
