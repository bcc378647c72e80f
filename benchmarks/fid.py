"""FID of two folders beside pytorch-fid's, on the same random weights: equal, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from setting import DATA, ROOT, Own, arguments, show

from inception.data.datasets import open_data
from inception.fid.features import Extractor
from inception.fid.measure import compare, side_of
from inception.machine import available_cores, torch_threads
from inception.weights.importers.convert import convert
from inception.weights.model_file import save_model

SIDES = ("real", "fake")
OPTIONS = (
    Own("--pictures", 100, "of each kind"),
    Own("--side", 128, "of the pictures, in pixels"),
    Own("--threads", None, "as many as there are cores by default"),
)
Clock = Callable[[], float]


def main() -> None:
    options = arguments(__doc__, *OPTIONS)
    threads, clock = options.threads or available_cores(), options.clock
    with TemporaryDirectory() as folder:
        places = [_pictures(Path(folder), n, options.pictures, options.side) for n in SIDES]
        # the tests' own, so that what is timed is what is known to be equal
        write = run_path(str(ROOT / "tests" / "fid" / "random_inception.py"))["random_inception"]
        weights = write(Path(folder) / "pt_inception.pth")
        theirs, theirs_s = _pytorch_fid(places, weights, threads, clock)
        ours, ours_s = _ours(places, weights, threads, clock)
    rows = [
        ["pytorch-fid", f"{theirs:.6f}", f"{2 * options.pictures / theirs_s:.1f}"],
        ["inception fid", f"{ours:.6f}", f"{2 * options.pictures / ours_s:.1f}"],
    ]
    title = (
        f"2 x {options.pictures} pictures of {options.side} px, {threads} threads; FIDs differ by "
        f"{abs(ours / theirs - 1):.1e} of them; {theirs_s / ours_s:.2f} times the pictures a second"
    )
    show(title, ["program", "FID", "pictures/s, features alone"], rows)


def _pictures(folder: Path, name: str, count: int, side: int) -> str:
    """The real ones are imagenette's; the fake ones others, blurred by a detour over 32 px."""
    dataset = open_data(DATA / "imagenette").splits["val"]
    place = folder / name
    place.mkdir()
    first = 0 if name == "real" else count
    for index in range(first, first + count):
        picture = Image.fromarray(dataset.read(index % len(dataset)))
        if name == "fake":
            picture = picture.resize((32, 32))
        picture.resize((side, side)).save(place / f"{index:05d}.png")
    return str(place)


def _pytorch_fid(
    places: Sequence[str], weights: Path, threads: int, clock: Clock
) -> tuple[float, float]:
    """Its FID, and the seconds that it spent on features."""
    import pytorch_fid.fid_score as theirs
    import pytorch_fid.inception as network

    network.load_state_dict_from_url = lambda *_, **__: torch.load(weights, weights_only=True)
    model = network.InceptionV3([network.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    with torch_threads(threads):
        began = clock()
        told: list[Any] = [
            theirs.compute_statistics_of_path(place, model, 50, 2048, "cpu", 0) for place in places
        ]
        seconds = clock() - began
    return float(theirs.calculate_frechet_distance(*told[0], *told[1])), seconds


def _ours(places: Sequence[str], weights: Path, threads: int, clock: Clock) -> tuple[float, float]:
    model = weights.with_suffix(".safetensors")
    converted = convert(weights, model="inception_v3_fid", background="keep")
    save_model(model, converted.weights, converted.info)
    extractor = Extractor(model, "pytorch", threads=threads)
    extractor.see([np.zeros((299, 299, 3), np.uint8)])  # compiled before the clock runs
    began = clock()
    real, fake = (side_of(place, lambda: extractor) for place in places)
    seconds = clock() - began
    return compare(real, fake).fid, seconds


if __name__ == "__main__":
    main()
