"""What is done to copies of pictures, for tests and for benchmarks/copies.py."""

import io
from collections.abc import Callable

from PIL import Image


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
