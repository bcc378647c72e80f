"""The squares of a picture that a network is shown in evaluation: 1, 10, 12, or the paper's 144."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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
COUNTS = (1, 10, 12, 144)
SCALES = (256, 288, 320, 352)  # short sides of the 144 (arXiv:1409.4842 §7) for inputs of BASE px
BASE = 224


@dataclass(frozen=True)
class Crop:
    """A square of the picture after it was resized as a whole.

    Attributes:
        resized: ``(height, width)`` of the whole picture after the resize.
        top: rows above the square.
        left: columns to its left.
        side: its side in pixels.
        size: the side to which it is then brought, the network's.
        mirror: whether left and right are swapped.
    """

    resized: tuple[int, int]
    top: int
    left: int
    side: int
    size: int
    mirror: bool = False


class Box(NamedTuple):
    """A rectangle in a picture's own pixels, from its edges; not always whole numbers."""

    left: float
    top: float
    right: float
    bottom: float


def check_crops(count: int) -> None:
    """Raises ``InputError`` where crops of that number are not defined."""
    if count not in COUNTS:
        *most, last = map(str, COUNTS)
        raise InputError(f"crops are {', '.join(most)} or {last}; got {count}")


def crops(height: int, width: int, preprocessing: Preprocessing, count: int = 1) -> list[Crop]:
    """Where the crops of a picture of ``height`` by ``width`` pixels lie.

    One is the centre. Ten are the four corners and the centre; 12 are, of the centre square of the
    resized picture, corners, centre and the whole; 144 are the same six of three squares along the
    long side at each of four scales. All are followed by their mirrored selves. The 144 keep the
    picture's proportions even where the network squashes.

    Raises:
        InputError: any other count.
    """
    check_crops(count)
    size, resized = preprocessing.size, resized_shape(height, width, preprocessing)
    five = _five(resized, size)
    if count == 1:
        return [five[-1]]
    if count == 10:
        return _and_mirrored(five)
    if count == 12:
        return _and_mirrored(_six(_squares(resized)[1], size))
    shapes = [_short_side(height, width, round(s * size / BASE)) for s in SCALES]
    squares = [square for shape in shapes for square in _squares(shape)]
    return _and_mirrored([crop for square in squares for crop in _six(square, size)])


def resized_shape(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """``(height, width)`` to which the whole picture is brought before the crop."""
    if preprocessing.resize == "central":
        return preprocessing.size, preprocessing.size
    side = preprocessing.resized
    if preprocessing.resize == "squash":
        return side, side
    return _short_side(height, width, side)


def largest_resize(preprocessing: Preprocessing, count: int = 1) -> int:
    """The most pixels to which the crops bring the short side of a picture."""
    size = preprocessing.size
    return max(preprocessing.resized, round(SCALES[-1] * size / BASE) if count == 144 else 0)


def cut(picture: Picture, where: Sequence[Crop], preprocessing: Preprocessing) -> Picture:
    """The crops, ``uint8 [crops, size, size, 3]``; whichever resizes fewer pixels is done.

    That is the whole picture once for each ``resized``, or each crop by itself, which also keeps a
    picture of 1000:1 from becoming a huge one. Mirrored crops are made from the plain ones.
    """
    image, kernel = Image.fromarray(picture), FILTERS[preprocessing.interpolation]
    plain = list(dict.fromkeys(replace(crop, mirror=False) for crop in where))
    made: dict[Crop, Picture] = {}
    for resized in dict.fromkeys(crop.resized for crop in plain):
        same = [crop for crop in plain if crop.resized == resized]
        made |= zip(same, _cut_resized(image, resized, same, kernel), strict=True)
    pictures = [made[replace(crop, mirror=False)] for crop in where]
    return np.stack([p[:, ::-1] if c.mirror else p for p, c in zip(pictures, where, strict=True)])


def views(picture: Picture, preprocessing: Preprocessing, count: int = 1) -> Picture:
    """A picture as a network is shown it: ``uint8 [count, size, size, 3]``."""
    if preprocessing.resize == "central" and count != 144:
        picture = _central(picture, preprocessing.crop)
    where = crops(picture.shape[0], picture.shape[1], preprocessing, count)
    return cut(picture, where, preprocessing)


def seen(height: int, width: int, preprocessing: Preprocessing) -> Box:
    """What a network is shown of a picture of that size by the one crop in the centre."""
    if preprocessing.resize == "central":
        top, left = _margins(height, width, preprocessing.crop)
        return Box(left, top, width - left, height - top)
    (crop,) = crops(height, width, preprocessing)
    return _box(height, width, crop)


def _short_side(height: int, width: int, side: int) -> tuple[int, int]:
    """``(height, width)`` with the short one brought to ``side``, in proportion."""
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side


def _squares(resized: tuple[int, int]) -> list[Crop]:
    """The squares of the short side at the start, middle and end of the long one."""
    side = min(resized)
    down, across = resized[0] - side, resized[1] - side
    places = [(0, 0), (down // 2, across // 2), (down, across)]
    return [Crop(resized, top, left, side, side) for top, left in places]


def _five(shape: tuple[int, int], size: int) -> list[Crop]:
    """Four corners and the centre."""
    bottom, right = shape[0] - size, shape[1] - size
    corners = [(top, left) for top in (0, bottom) for left in (0, right)]
    places = [*corners, (round(bottom / 2), round(right / 2))]
    return [Crop(shape, top, left, size, size) for top, left in places]


def _six(square: Crop, size: int) -> list[Crop]:
    """Four corners and the centre of a square, and the whole of it brought to ``size``."""
    five = [
        replace(c, resized=square.resized, top=square.top + c.top, left=square.left + c.left)
        for c in _five((square.side, square.side), size)
    ]
    return [*five, replace(square, size=size)]


def _and_mirrored(plain: list[Crop]) -> list[Crop]:
    return plain + [replace(crop, mirror=True) for crop in plain]


def _cut_resized(
    image: Image.Image, resized: tuple[int, int], same: Sequence[Crop], kernel: Image.Resampling
) -> list[Picture]:
    """Plain crops of one resize; the same pixels whether all is resized or each by itself."""
    if math.prod(resized) < sum(c.side**2 for c in same):
        whole = image.resize(resized[::-1], kernel)
        squares = [whole.crop((c.left, c.top, c.left + c.side, c.top + c.side)) for c in same]
    else:
        boxes = [_box(image.height, image.width, c) for c in same]
        squares = [
            image.resize((c.side, c.side), kernel, box=box)
            for c, box in zip(same, boxes, strict=True)
        ]
    return [
        np.asarray(square if c.size == c.side else square.resize((c.size, c.size), kernel))
        for square, c in zip(squares, same, strict=True)
    ]


def _box(height: int, width: int, crop: Crop) -> Box:
    """The crop in a picture of that size before the resize."""
    down, across = height / crop.resized[0], width / crop.resized[1]
    return Box(
        crop.left * across,
        crop.top * down,
        min((crop.left + crop.side) * across, width),
        min((crop.top + crop.side) * down, height),
    )


def _central(picture: Picture, share: float) -> Picture:
    height, width = picture.shape[:2]
    top, left = _margins(height, width, share)
    return picture[top : height - top, left : width - left]


def _margins(height: int, width: int, share: float) -> tuple[int, int]:
    """Rows above and columns beside the centre that keeps that share of both sides."""
    return int((height - height * share) / 2), int((width - width * share) / 2)
