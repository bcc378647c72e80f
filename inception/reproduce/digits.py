"""The handwritten digits that come with scikit-learn: a real set that needs no download."""

from __future__ import annotations

from pathlib import Path

# Every fifth picture validates, every fifth tests, the rest is learnt from
SPLITS = ("train", "train", "train", "val", "test")
SETTINGS = (
    "model=googlenet_small",
    "image_size=16",
    "epochs=8",
    "batch_size=32",
    "eval_crop=1.0",
    "area=0.6,1.0",
    "mirror=false",  # a mirrored digit is no digit
)


def write_digits(folder: Path) -> int:
    """Writes scikit-learn's digits as ``folder/split/digit/number.png``; how many there are."""
    from PIL import Image

    from inception.errors import not_installed

    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise not_installed("scikit-learn") from error
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        place = folder / SPLITS[number % len(SPLITS)] / str(label)
        place.mkdir(parents=True, exist_ok=True)
        pixels = (image * (255 / 16)).round().astype("uint8")  # they come as 0 to 16, ink high
        Image.fromarray(255 - pixels).save(place / f"{number:04d}.png")
    return len(digits.images)
