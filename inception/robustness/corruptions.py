"""What happens to pictures, at five strengths each: noise, blur, JPEG, brightness.

The strengths are those of ImageNet-C (Hendrycks and Dietterich, arXiv:1903.12261), which its
authors give for squares of 224 px: a blur grows with the square. As there, it is the square that
the network is shown which is changed.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from inception.data.images import Picture

BASE = 224
STRENGTHS = 5

NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # deviation, of the range from black to white
BLUR_PX = (1, 2, 3, 4, 6)  # deviation, of a square of ``BASE``
QUALITY = (25, 18, 15, 10, 7)  # of a JPEG file
LIGHTER = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to a colour's value


def corrupted(square: Picture, kind: str, strength: int, rng: np.random.Generator) -> Picture:
    """The square changed, ``uint8 [side, side, 3]``; ``strength`` is from 1 to 5."""
    return _KINDS[kind](square, strength - 1, rng)


def _noise(square: Picture, at: int, rng: np.random.Generator) -> Picture:
    added = square + 255 * NOISE[at] * rng.standard_normal(square.shape)
    return added.round().clip(0, 255).astype(np.uint8)


def _blur(square: Picture, at: int, rng: np.random.Generator) -> Picture:
    radius = BLUR_PX[at] * len(square) / BASE
    return np.asarray(Image.fromarray(square).filter(ImageFilter.GaussianBlur(radius)))


def _jpeg(square: Picture, at: int, rng: np.random.Generator) -> Picture:
    file = io.BytesIO()
    Image.fromarray(square).save(file, "JPEG", quality=QUALITY[at])
    return np.asarray(Image.open(file).convert("RGB"))


def _brightness(square: Picture, at: int, rng: np.random.Generator) -> Picture:
    """Hue and saturation stay; value, the largest of red, green and blue, grows."""
    x = square.astype(np.float64) / 255
    value = x.max(axis=2, keepdims=True)
    lighter = np.minimum(value + LIGHTER[at], 1)
    scaled = np.where(value > 0, x * lighter / np.maximum(value, 1e-9), lighter)
    made: Picture = (255 * scaled).round().clip(0, 255).astype(np.uint8)
    return made


_KINDS: dict[str, Callable[[Picture, int, np.random.Generator], Picture]] = {
    "noise": _noise,
    "blur": _blur,
    "jpeg": _jpeg,
    "brightness": _brightness,
}
CORRUPTIONS = tuple(_KINDS)
