"""Detectors and pictures small enough for tests: coloured squares, windows in place of search."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_detectors import SMALL

from inception.data.images import Picture
from inception.detection import engine, frozen, proposals, run
from inception.detection.proposals import Proposed, SelectiveSearch
from inception.models.build import build
from inception.weights.model_file import ModelInfo, save_model

COLOURS = {"red": (230, 30, 30), "green": (30, 200, 30)}
HEIGHT, WIDTH = 48, 64
COUNTS = {"train": 8, "val": 3}


def windows(picture: Picture, how: SelectiveSearch) -> Proposed:
    """A few sizes of squares all over a picture: Selective Search takes a second for one."""
    height, width = picture.shape[:2]
    boxes = [
        (x, y, x + side, y + side)
        for side in (16, 24)
        for y, x in itertools.product(range(0, height - side + 1, 8), range(0, width - side + 1, 8))
    ]
    return Proposed(np.array(boxes, np.float32), 0.01)


def by_torch(engine: str, *_: object) -> str:
    return "torch" if engine == "auto" else engine


@pytest.fixture
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Selective Search; networks run by torch, since OpenVINO takes seconds to compile."""
    monkeypatch.setattr(proposals, "_search", windows)
    for module in (engine, frozen, run):
        monkeypatch.setattr(
            module, "pick_engine", lambda name, *_: {"auto": "torch"}.get(name, name)
        )


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC folder: grey noise, on each picture a red and a green square; one has nothing."""
    place = tmp_path_factory.mktemp("squares")
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (place / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        names = [f"{split}{number}" for number in range(count)]
        for name in names:
            _write(place, name, rng, empty=name == "train0")
        (place / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return place


def _write(place: Path, name: str, rng: np.random.Generator, *, empty: bool) -> None:
    pixels = rng.integers(90, 160, (HEIGHT, WIDTH, 1)).repeat(3, axis=2).astype(np.uint8)
    objects = ""
    for half, (label, colour) in enumerate(COLOURS.items()):
        side = int(rng.integers(15, 25))
        x, y = 32 * half + int(rng.integers(0, 32 - side + 1)), int(rng.integers(0, HEIGHT - side))
        if empty:
            continue
        pixels[y : y + side, x : x + side] = colour
        edges = f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + side}</xmax>"
        box = f"<bndbox>{edges}<ymax>{y + side}</ymax></bndbox>"
        objects += f"<object><name>{label}</name>{box}</object>"
    Image.fromarray(pixels).save(place / "JPEGImages" / f"{name}.jpg", quality=95)
    text = f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>"
    (place / "Annotations" / f"{name}.xml").write_text(text)


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier's file with random weights."""
    import torch

    torch.manual_seed(0)
    network, path = build(SMALL), tmp_path_factory.mktemp("init") / "small.safetensors"
    save_model(path, network.state_dict(), ModelInfo(SMALL, ("x", "y", "z")))
    return path
