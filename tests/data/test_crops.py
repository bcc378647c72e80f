"""Crops against plain Pillow: resize the whole picture, then cut."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inception.data.crops import FILTERS, Crop, crops, cut, resized_shape, views
from inception.errors import InputError
from inception.preprocessing import Preprocessing

Pixels = npt.NDArray[np.uint8]
PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZES = [(60, 90), (90, 60), (64, 64), (200, 61), (20, 23), (16, 16)]


def picture(height: int, width: int) -> Pixels:
    """Smooth shapes and noise, so that a shift of a pixel shows."""
    rng = np.random.default_rng(height * 1000 + width)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), PILLOW["bicubic"]))
    return np.clip(smooth.astype(int) + rng.integers(-20, 21, smooth.shape), 0, 255).astype("uint8")


def whole(x: Pixels, side: int, interpolation: str, *, squash: bool = False) -> Pixels:
    """The picture with its short side (both, if squashed) brought to ``side``."""
    h, w = x.shape[:2]
    down, across = (side, side) if squash else (side * h // min(h, w), side * w // min(h, w))
    return np.asarray(Image.fromarray(x).resize((across, down), PILLOW[interpolation]))


def centre(x: Pixels, size: int) -> Pixels:
    top, left = round((x.shape[0] - size) / 2), round((x.shape[1] - size) / 2)
    return x[top : top + size, left : left + size]


def largest_difference(a: Pixels, b: Pixels) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_every_interpolation_is_pillows_of_the_same_name() -> None:
    assert FILTERS == PILLOW


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "area", "lanczos"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_centre_crop_is_resize_then_cut(height: int, width: int, interpolation: Any) -> None:
    x = picture(height, width)
    how = Preprocessing(size=28, crop=0.875, interpolation=interpolation)
    expected = centre(whole(x, 32, interpolation), 28)
    got = views(x, how)
    assert got.shape == (1, 28, 28, 3) and got.dtype == np.uint8
    assert largest_difference(got[0], expected) <= 1  # the box's edges are rounded once more


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_nearest_takes_pixels_of_the_place(height: int, width: int) -> None:
    rows, columns = np.indices((height, width))
    x = np.dstack([rows, columns, 0 * rows])
    how = Preprocessing(size=28, crop=0.875, interpolation="nearest")
    got = views(x.astype(np.uint8), how)[0]
    expected = centre(whole(x.astype(np.uint8), 32, "nearest"), 28)
    assert largest_difference(got, expected) <= 1  # a tie may fall to the next pixel


@pytest.mark.parametrize(("height", "width"), [*SIZES, (30, 900)])
def test_ten_crops_are_corners_and_centre_then_mirrored(height: int, width: int) -> None:
    x = picture(height, width)
    big = whole(x, 32, "bilinear")
    corners = [big[:28, :28], big[:28, -28:], big[-28:, :28], big[-28:, -28:]]
    five = [*corners, centre(big, 28)]
    got = views(x, Preprocessing(size=28, crop=0.875), 10)
    for crop, expected in zip(got, [*five, *(c[:, ::-1] for c in five)], strict=True):
        assert largest_difference(crop, expected) <= 1


@pytest.mark.parametrize("count", [1, 10])
def test_squash_brings_both_sides_to_one_length(count: int) -> None:
    x = picture(40, 90)
    how = Preprocessing(size=28, crop=0.875, resize="squash")
    expected = centre(whole(x, 32, "bilinear", squash=True), 28)
    assert largest_difference(views(x, how, count)[4 if count == 10 else 0], expected) <= 1


def test_central_keeps_the_middle_share_and_squashes_it() -> None:
    x = picture(80, 120)
    how = Preprocessing(size=28, crop=0.5, resize="central")
    middle = Image.fromarray(x[20:60, 30:90])
    assert np.array_equal(views(x, how)[0], np.asarray(middle.resize((28, 28), PILLOW["bilinear"])))


def test_a_picture_of_the_very_size_is_left_alone() -> None:
    x = picture(16, 16)
    assert np.array_equal(views(x, Preprocessing(size=16, crop=1.0))[0], x)


def test_a_mirrored_crop_swaps_left_and_right() -> None:
    x, how = picture(32, 32), Preprocessing(size=28, crop=0.875)
    plain, mirrored = cut(x, [Crop((32, 32), 1, 3, 28), Crop((32, 32), 1, 3, 28, True)], how)
    assert np.array_equal(mirrored, plain[:, ::-1])
    assert np.array_equal(plain, x[1:29, 3:31])


def test_crops_of_several_resizes_keep_their_order() -> None:
    x, how = picture(64, 64), Preprocessing(size=28)
    where = [Crop((32, 32), 0, 0, 28), Crop((40, 40), 6, 6, 28), Crop((32, 32), 4, 4, 28)]
    for crop, got in zip(where, cut(x, where, how), strict=True):
        big = whole(x, crop.resized[0], "bilinear")
        expected = big[crop.top : crop.top + 28, crop.left : crop.left + 28]
        assert largest_difference(got, expected) <= 1


@pytest.mark.parametrize(("height", "width"), [*SIZES, (1, 1), (1, 1000), (1000, 1)])
@pytest.mark.parametrize("count", [1, 10])
def test_crops_lie_inside_the_resized_picture(height: int, width: int, count: int) -> None:
    how = Preprocessing(size=28, crop=0.875)
    found = crops(height, width, how, count)
    assert len(found) == count
    for c in found:
        assert c.resized == resized_shape(height, width, how)
        assert 0 <= c.top <= c.resized[0] - 28 and 0 <= c.left <= c.resized[1] - 28
    assert [c.mirror for c in found] == [False] * max(1, count // 2) + [True] * (count // 2)


def test_ten_crops_of_a_very_thin_picture_take_little_memory() -> None:
    x = np.repeat(np.arange(200_000, dtype=np.uint32)[None, :, None] * 255 // 199_999, 3, axis=2)
    got = views(x.astype(np.uint8), Preprocessing(size=224), 10)  # whole: 256 by 51,200,000
    means = [float(crop.mean()) for crop in got[[0, 4, 1]]]
    assert all(a < b for a, b in pairwise(means))
    assert means == pytest.approx([0, 127, 255], abs=1)


@pytest.mark.parametrize("count", [0, -1, 2, 144])
def test_another_number_of_crops_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"crops are 1 or 10; got {count}"):
        crops(32, 32, Preprocessing(), count)
