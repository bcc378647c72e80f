"""A small set that can be learnt: what several tests train on."""

from pathlib import Path

import numpy as np
from PIL import Image


def colour_picture(colour: tuple[int, int, int], seed: int, side: int = 24) -> Image.Image:
    """A noisy picture of one colour."""
    noise = np.random.default_rng(seed).integers(-40, 41, (side, side, 3))
    return Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def write_colours(root: Path) -> Path:
    """Red and green pictures, 24 to train and 8 to validate a class."""
    for split, count in (("train", 24), ("val", 8)):
        for label, colour in (("green", (40, 180, 60)), ("red", (190, 50, 50))):
            folder = root / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                colour_picture(colour, seed=i + 1000 * (split == "val")).save(folder / f"{i}.png")
    return root
