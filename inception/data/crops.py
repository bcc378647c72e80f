"""The squares of a picture that a network is shown in evaluation: one, or the ten of the paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from PIL import Image

from inception.data.images import Picture
from inception.errors import InputError
from inception.preprocessing import Interpolation, Preprocessing

FILTERS: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
COUNTS = (1, 10)


@dataclass(frozen=True)
class Crop:
    """A square of the picture after it was resized as a whole.

    Attributes:
        resized: ``(height, width)`` of the whole picture after the resize.
        top: rows above the square.
        left: columns to its left.
        size: its side in pixels.
        mirror: whether left and right are swapped.
    """

    resized: tuple[int, int]
    top: int
    left: int
    size: int
    mirror: bool = False


def check_crops(count: int) -> None:
    """Raises ``InputError`` where crops of that number are not defined."""
    if count not in COUNTS:
        raise InputError(f"crops are {' or '.join(map(str, COUNTS))}; got {count}")


def crops(height: int, width: int, preprocessing: Preprocessing, count: int = 1) -> list[Crop]:
    """Where the crops of a picture of ``height`` by ``width`` pixels lie.

    One is the centre; ten are the four corners and the centre, then the same mirrored.

    Raises:
        InputError: any other count.
    """
    check_crops(count)
    resized = resized_shape(height, width, preprocessing)
    size = preprocessing.size
    bottom, right = resized[0] - size, resized[1] - size
    centre = Crop(resized, round(bottom / 2), round(right / 2), size)
    if count == 1:
        return [centre]
    corners = [Crop(resized, top, left, size) for top in (0, bottom) for left in (0, right)]
    five = [*corners, centre]
    return five + [Crop(c.resized, c.top, c.left, c.size, mirror=True) for c in five]


def resized_shape(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """``(height, width)`` to which the whole picture is brought before the crop."""
    if preprocessing.resize == "central":
        return preprocessing.size, preprocessing.size
    side = preprocessing.resized
    if preprocessing.resize == "squash":
        return side, side
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side


def cut(picture: Picture, where: Sequence[Crop], preprocessing: Preprocessing) -> Picture:
    """The crops, ``uint8 [crops, size, size, 3]``; whichever resizes fewer pixels is done.

    That is the whole picture once, or each crop by itself, which also keeps a picture of
    1000:1 from becoming a huge one.
    """
    if preprocessing.resize == "central":
        picture = _central(picture, preprocessing.crop)
    image = Image.fromarray(picture)
    kernel = FILTERS[preprocessing.interpolation]
    out = []
    for resized, group in groupby(where, key=lambda crop: crop.resized):
        same = list(group)
        if math.prod(resized) >= sum(c.size**2 for c in same):
            out += [_mirrored(_resized_crop(image, c, kernel), c) for c in same]
            continue
        whole = np.asarray(image.resize(resized[::-1], kernel))
        for c in same:
            out.append(_mirrored(whole[c.top : c.top + c.size, c.left : c.left + c.size], c))
    return np.stack(out)


def views(picture: Picture, preprocessing: Preprocessing, count: int = 1) -> Picture:
    """A picture as a network is shown it: ``uint8 [count, size, size, 3]``."""
    where = crops(picture.shape[0], picture.shape[1], preprocessing, count)
    return cut(picture, where, preprocessing)


def _resized_crop(image: Image.Image, crop: Crop, kernel: Image.Resampling) -> Picture:
    """Only what the crop keeps is resized; the same pixels as resizing all and cutting."""
    down, across = image.height / crop.resized[0], image.width / crop.resized[1]
    box = (
        crop.left * across,
        crop.top * down,
        min((crop.left + crop.size) * across, image.width),
        min((crop.top + crop.size) * down, image.height),
    )
    return np.asarray(image.resize((crop.size, crop.size), kernel, box=box))


def _mirrored(picture: Picture, crop: Crop) -> Picture:
    return picture[:, ::-1] if crop.mirror else picture


def _central(picture: Picture, share: float) -> Picture:
    height, width = picture.shape[:2]
    top, left = int((height - height * share) / 2), int((width - width * share) / 2)
    return picture[top : height - top, left : width - left]
