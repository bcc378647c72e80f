"""Copies told from other pictures: how many changed ones are found, how many others are named."""

from __future__ import annotations

import tempfile
from pathlib import Path
from runpy import run_path

import numpy as np
from PIL import Image
from setting import DATA, ROOT, Own, arguments, show

from inception.cli.output import percent
from inception.data.datasets import open_data
from inception.embedding.copies import LIKE, Onlooker, pairs_alike

PICTURES, COPIED = 600, 100
OPTIONS = (
    Own("--model", "imagenette", "a MODEL"),
    Own("--data", str(DATA / "imagenette"), "a data set"),
    Own("--threads", None, "as many as there are cores by default"),
)
CHANGES = run_path(str(ROOT / "tests" / "embedding" / "changes.py"))["CHANGES"]


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
