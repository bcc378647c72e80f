"""Fixtures: the shared real pictures, and small sets made here."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATA = Path(os.environ.get("INCEPTION_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indices of tars are cached; a test must not read another run's."""
    monkeypatch.setenv("INCEPTION_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; where it is missing the test is skipped, in CI it fails."""
    if not DATA.is_dir():
        message = f"real pictures are missing: no folder {DATA} (set INCEPTION_DATA)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return DATA


def colour_picture(colour: tuple[int, int, int], seed: int, side: int = 24) -> Image.Image:
    """A noisy picture of one colour."""
    noise = np.random.default_rng(seed).integers(-40, 41, (side, side, 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A learnable set: red and green pictures, 24 to train and 8 to validate a class."""
    return write_colours(tmp_path / "colours")


def write_colours(root: Path) -> Path:
    """Writes that set, for fixtures that outlive a test."""
    for split, count in (("train", 24), ("val", 8)):
        for label, colour in (("green", (40, 180, 60)), ("red", (190, 50, 50))):
            folder = root / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                colour_picture(colour, seed=i + 1000 * (split == "val")).save(folder / f"{i}.png")
    return root
