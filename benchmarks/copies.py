"""Copies told from other pictures: how many changed ones are found, how many others are named."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from setting import DATA, Own, arguments, show

from inception.cli.output import percent
from inception.data.datasets import open_data
from inception.embedding.copies import LIKE, Onlooker, pairs_alike

PICTURES, COPIED = 600, 100
OPTIONS = (
    Own("--model", "imagenette", "a MODEL"),
    Own("--data", str(DATA / "imagenette"), "a data set"),
    Own("--threads", None, "as many as there are cores by default"),
)


def cut(picture: Image.Image) -> Image.Image:
    """Without a twentieth of each side."""
    width, height = picture.size
    across, down = width // 20, height // 20
    return picture.crop((across, down, width - across, height - down))


def encoded(picture: Image.Image) -> Image.Image:
    """As JPEG of quality 40."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda p: p.resize((2 * p.width // 3, 2 * p.height // 3)),
    "JPEG": encoded,
    "cut": cut,
    "brighter": lambda p: p.point(lambda value: min(255, round(1.3 * value))),
}


def written(pictures: list[Image.Image], folder: Path) -> list[str]:
    """Their files."""
    folder.mkdir()
    files = [str(folder / f"{number}.png") for number in range(len(pictures))]
    for picture, file in zip(pictures, files, strict=True):
        picture.convert("RGB").save(file)
    return files


def main() -> None:
    options = arguments(__doc__, *OPTIONS)
    dataset = open_data(options.data).for_evaluation().limited(PICTURES, seed=0)
    originals = [Image.fromarray(dataset.read(i)) for i in range(len(dataset))]
    onlooker = Onlooker(options.model, threads=options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        whole = onlooker.see(written(originals, Path(folder, "all"))).vectors
        for name, change in CHANGES.items():
            files = written([change(p) for p in originals[:COPIED]], Path(folder, name))
            vectors = np.concatenate([whole, onlooker.see(files).vectors])
            named = {(first, second) for first, second, _ in pairs_alike(vectors)}
            found = sum((i, len(whole) + i) in named for i in range(len(files)))
            others = sum(second < len(whole) for _, second in named)
            rows.append([name, percent(found / len(files)), str(others)])
    shown = f"{len(originals)} pictures of {options.data}"
    show(
        f"{options.model}, {shown}, from {LIKE} on",
        ["copies", "found", "other pairs named"],
        rows,
    )


if __name__ == "__main__":
    main()
