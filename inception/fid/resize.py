"""The ways in which FID programs bring a picture to the network's size: scores depend on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from inception.data.images import Picture
from inception.runtime import Floats


class Places(NamedTuple):
    """Between which two values of a row each new one lies, and how far from the first."""

    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    weight: Floats


class Resize(NamedTuple):
    """A way of resizing.

    Attributes:
        act: ``uint8 [H, W, 3]`` and a side to ``[side, side, 3]``, from 0 to 255, not rounded.
        about: whose it is.
        grey: what FID's own network takes for 0, and the distance from there to 1.
    """

    act: Callable[[Picture, int], Floats]
    about: str
    grey: float = 128.0


@lru_cache(maxsize=64)
def _places(length: int, wanted: int, *, centred: bool) -> Places:
    scale = np.float32(length / wanted)
    at = np.arange(wanted, dtype=np.float32)
    at = np.maximum((at + 0.5) * scale - 0.5, 0) if centred else at * scale
    low = np.minimum(at.astype(np.int64), length - 1)
    weight: Floats = (at - low).astype(np.float32)
    return Places(low, np.minimum(low + 1, length - 1), weight)


def _bilinear(picture: Picture, side: int, *, centred: bool) -> Floats:
    """Between two neighbours a side, whatever lies further away: no antialiasing."""
    height, width = picture.shape[:2]
    down, across = (_places(n, side, centred=centred) for n in (height, width))
    top, bottom = (picture[rows].astype(np.float32) for rows in (down.low, down.high))
    x = top + (bottom - top) * down.weight[:, None, None]  # [side, W, 3]
    left, right = x[:, across.low], x[:, across.high]
    made: Floats = left + (right - left) * across.weight[None, :, None]
    return made


def _bicubic(picture: Picture, side: int) -> Floats:
    """Pillow's, antialiased, in real numbers, channel by channel."""
    channels = [
        Image.fromarray(picture[..., c].astype(np.float32)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1).clip(0, 255)


RESIZES = {
    "pytorch": Resize(partial(_bilinear, centred=True), "pytorch-fid's", 127.5),
    "tensorflow": Resize(partial(_bilinear, centred=False), "TensorFlow 1's, torch-fidelity's"),
    "clean": Resize(_bicubic, "clean-fid's"),
}
