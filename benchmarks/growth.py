"""Cost as a set grows: seconds, memory and open files of listing, packing, beginning, predicting.

Sets of each size are made of one small picture, as hard links in folders and as shards. Each job
runs in a process of its own; the exponent is of its processor time between the last two sizes,
what the smallest costs taken off. Usage: growth.py [--sizes 1000 10000 ...] [--jobs list ...]
"""

import argparse
import importlib
import io
import json
import math
import os
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from inception.cluster import Job, here, predict_parts
from inception.data.datasets import open_data
from inception.data.packing import Packing, pack
from inception.data.tar_index import HEADER
from inception.machine import peak_memory_mb
from inception.models import create_model
from inception.training.config import TrainConfig
from inception.training.loop import Training
from inception.weights.model_file import ModelInfo, save_model

PER_FOLDER, PER_SHARD, CLASSES = 1000, 10_000, 10


def picture() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    made = io.BytesIO()
    Image.fromarray(noise).save(made, "PNG")
    return made.getvalue()


def make_folders(root: Path, count: int) -> Path:
    """``count`` hard links; a file has at most 65,000, so each folder has a file of its own."""
    for number in range(count):
        split = "val" if number % 100 == 0 else "train"
        group = number // CLASSES // PER_FOLDER
        folder = root / split / f"class{number % CLASSES}" / f"{group}"
        first = root / f".{split}-{number % CLASSES}-{group}"
        if not folder.exists():
            folder.mkdir(parents=True)
            first.write_bytes(picture())
        os.link(first, folder / f"{number}.png")
    return root


def make_shards(root: Path, count: int) -> Path:
    """Tars with the index that ``data pack`` writes."""
    root.mkdir()
    (root / "classes.txt").write_text("".join(f"class{n}\n" for n in range(CLASSES)))
    content = picture()
    for split, total in (("train", count - count // 100), ("val", count // 100)):
        for first in range(0, total, PER_SHARD):
            numbers = range(first, min(first + PER_SHARD, total))
            make_shard(root / f"{split}-{first // PER_SHARD:05d}.tar", numbers, content)
    return root


def make_shard(path: Path, numbers: range, content: bytes) -> None:
    index: dict[str, Any] = {"plan": "growth", "keys": [], "labels": [], "offsets": [],
                             "sizes": [], "headers": []}  # fmt: skip
    with path.open("wb") as file:
        for number in numbers:
            label = b"%d" % (number % CLASSES)
            for name, data in ((f"{number:09d}.png", content), (f"{number:09d}.cls", label)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                header = info.tobuf(tarfile.USTAR_FORMAT)
                if name.endswith("png"):
                    values = (name, str(number % CLASSES), file.tell() + HEADER, len(data),
                              zlib.crc32(header))  # fmt: skip
                    columns = ("keys", "labels", "offsets", "sizes", "headers")
                    for column, value in zip(columns, values, strict=True):
                        index[column].append(value)
                file.write(header + data + bytes(-len(data) % 512))
        file.write(bytes(1024))
        index["bytes"] = file.tell()
    path.with_suffix(".json").write_text(json.dumps(index))


class _Begun(Exception):
    """The first step is about to be made."""


def begin(data: Path, out: Path) -> None:
    """All that happens before a run's first step, reading pictures for 20 s aside."""
    from inception.training import readable
    from inception.training.run import train

    def stop(self: Training, batch: Any) -> None:
        raise _Begun

    readable.look.__kwdefaults__["longest_s"] = 0.0  # type: ignore[index]
    Training._train_step = stop  # type: ignore[method-assign]
    config = TrainConfig(model="lenet5", image_size=32, epochs=1, threads=1, device="cpu")
    try:
        train(data, config, out=out)
    except _Begun:
        return


def predict(data: Path, out: Path) -> None:
    """By a network that takes next to no time, so that what is measured is all the rest."""
    model = out.with_suffix(".safetensors")
    network = create_model("lenet5")
    save_model(model, network.state_dict(), ModelInfo(network.spec, tuple("0123456789")))
    job = Job(str(model), (str(data / "train"),), str(out), threads=1, batch_size=64)
    predict_parts(job, here)


JOBS: dict[str, tuple[str, int, Callable[[Path, Path], object]]] = {  # of which set, up to how many
    "list folders": ("folders", 10**6, lambda data, out: open_data(data)),
    "list shards": ("shards", 10**6, lambda data, out: open_data(data)),
    "begin, folders": ("folders", 10**6, begin),
    "begin, shards": ("shards", 10**6, begin),
    "pack": ("folders", 10**5, lambda d, o: pack(open_data(d), o, Packing(PER_SHARD), threads=1)),
    "predict": ("folders", 10**5, predict),
}


def measured(act: Callable[[Path, Path], object], data: Path, out: Path) -> dict[str, float]:
    """What a job takes, in a process of its own."""
    read, write = os.pipe()
    if not (process := os.fork()):
        began, processor = time.monotonic(), time.process_time()
        files = 0
        try:
            act(data, out)
            files = len(os.listdir("/proc/self/fd"))
        finally:
            told = {"seconds": time.monotonic() - began, "memory": peak_memory_mb(),
                    "processor": time.process_time() - processor, "files": files}  # fmt: skip
            os.write(write, json.dumps(told).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        values: dict[str, float] = json.loads(answer.read())
    os.waitpid(process, 0)
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    options = parser.parse_args()
    importlib.import_module("inception.training.run")  # once for all that begin

    os.environ["INCEPTION_CACHE"] = "/nonexistent"
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in options.jobs}
    print("| job | pictures | seconds | of the processor | memory | files open |")
    print("|---|---:|---:|---:|---:|---:|")
    with TemporaryDirectory(prefix="growth-") as folder:
        for size in options.sizes:
            place = Path(folder)
            sets = {"folders": make_folders, "shards": make_shards}
            made: dict[str, Path] = {}
            for name in options.jobs:
                kind, most, act = JOBS[name]
                if size > most:
                    continue
                if kind not in made:
                    made[kind] = sets[kind](place / f"{kind}{size}", size)
                told = measured(act, made[kind], place / f"{name}{size}")
                found[name][size] = told
                print(f"| {name} | {size:,} | {told['seconds']:.1f} | {told['processor']:.2f} | "
                      f"{told['memory']:.0f} MB | {told['files']:.0f} |", flush=True)  # fmt: skip
    for name, rows in found.items():
        if len(rows) > 2:
            print(f"{name}: exponent {exponent(rows):.2f}")


def exponent(rows: dict[int, dict[str, float]]) -> float:
    """Of processor time above the smallest's, between the last two sizes."""
    least = rows[min(rows)]["processor"]
    (a, b) = sorted(rows)[-2:]
    above = [max(rows[size]["processor"] - least, 1e-9) for size in (a, b)]
    return math.log(above[1] / above[0]) / math.log((b - min(rows)) / (a - min(rows)))


if __name__ == "__main__":
    main()
