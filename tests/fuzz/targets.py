"""What is fuzzed: files of every kind we open, and what opens them."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from boxes_fuzzed import BOXES
from damage import Target, damaged_json
from exports_fuzzed import EXPORTS
from PIL import Image
from runs_fuzzed import RUNS

from inception.data.datasets import open_data
from inception.data.images import UnreadableImageError, read_image
from inception.data.packing import Packing, pack

sys.path.insert(0, str(Path(__file__).parents[1] / "weights" / "importers"))


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
        "tar-index": Target("all.json", lambda: packed()[".json"], read_beside, damaged_json),
        "parquet": Target("all.parquet", parquet, read_all),
        "csv": Target("all.csv", csv, read_all),
    }
    | RUNS
    | EXPORTS
    | BOXES
    | {name: Target(name, foreign(name), read_foreign) for name in FOREIGN}
)
