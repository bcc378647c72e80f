"""Crops against plain Pillow: resize the whole picture, then cut, at places written by hand."""

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


@pytest.mark.parametrize(
    ("height", "width", "bottom", "right"),
    [(300, 400, 32, 117), (400, 300, 117, 32), (300, 300, 32, 32)],
)
def test_the_ten_crops_at_224_px_are_the_papers(
    height: int, width: int, bottom: int, right: int
) -> None:
    x = picture(height, width)
    big = whole(x, 256, "bilinear")  # 341 by 256: 117 beside the crop, 32 below
    middle = (round(bottom / 2), round(right / 2))
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), middle]
    five = [big[top : top + 224, left : left + 224] for top, left in places]
    expected = np.stack([*five, *(c[:, ::-1] for c in five)])
    assert np.array_equal(views(x, Preprocessing(size=224), 10), expected)


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
    plain, mirrored = cut(
        x, [Crop((32, 32), 1, 3, 28, 28), Crop((32, 32), 1, 3, 28, 28, True)], how
    )
    assert np.array_equal(mirrored, plain[:, ::-1])
    assert np.array_equal(plain, x[1:29, 3:31])


def test_crops_of_several_resizes_keep_their_order() -> None:
    x, how = picture(64, 64), Preprocessing(size=28)
    places = [((32, 32), 0), ((40, 40), 6), ((32, 32), 4)]
    where = [Crop(resized, place, place, 28, 28) for resized, place in places]
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


@pytest.mark.parametrize("count", [0, -1, 2, 11, 90])
def test_another_number_of_crops_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"crops are 1, 10, 12 or 144; got {count}"):
        crops(32, 32, Preprocessing(), count)


# offsets of the three squares of a scale along the long side, for a picture of 300 by 400
SQUARES_224 = {  # short side: (long side, offsets)
    256: (341, (0, 42, 85)),
    288: (384, (0, 48, 96)),
    320: (426, (0, 53, 106)),
    352: (469, (0, 58, 117)),
}
SQUARES_28 = {
    32: (42, (0, 5, 10)),
    36: (48, (0, 6, 12)),
    40: (53, (0, 6, 13)),
    44: (58, (0, 7, 14)),
}
SQUARES_299 = {  # the scales times 299/224
    342: (456, (0, 57, 114)),
    384: (512, (0, 64, 128)),
    427: (569, (0, 71, 142)),
    470: (626, (0, 78, 156)),
}
CENTRE_299 = {342: 22, 384: 42, 427: 64, 470: 86}  # halves go to the even pixel
CENTRE_224 = {256: 16, 288: 32, 320: 48, 352: 64}  # where the centre 224 of a square begins
CENTRE_28 = {32: 2, 36: 4, 40: 6, 44: 8}


def six_of(square: Pixels, size: int, begins: int) -> list[Pixels]:
    """Corners, centre, and the whole brought to the size, by plain Pillow."""
    end = begins + size
    small = Image.fromarray(square).resize((size, size), PILLOW["bilinear"])
    return [
        square[:size, :size],
        square[:size, -size:],
        square[-size:, :size],
        square[-size:, -size:],
        square[begins:end, begins:end],
        np.asarray(small),
    ]


def papers_144(
    x: Pixels, size: int, squares: dict[int, tuple[int, tuple[int, ...]]], begins: dict[int, int]
) -> list[Pixels]:
    """The protocol step by step; the picture is 300 by 400, 400 by 300 or square."""
    portrait, plain = x.shape[0] > x.shape[1], []
    for side, (long, offsets) in squares.items():
        if x.shape[0] == x.shape[1]:
            long, offsets = side, (0, 0, 0)
        across, down = (side, long) if portrait else (long, side)
        big = np.asarray(Image.fromarray(x).resize((across, down), PILLOW["bilinear"]))
        for o in offsets:
            square = big[o : o + side] if portrait else big[:, o : o + side]
            plain += six_of(square, size, begins[side])
    return plain + [p[:, ::-1] for p in plain]


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (300, 300)])
@pytest.mark.parametrize(
    ("size", "squares", "begins"),
    [
        (224, SQUARES_224, CENTRE_224),
        (28, SQUARES_28, CENTRE_28),
        (299, SQUARES_299, CENTRE_299),
    ],
)
def test_the_144_crops_are_the_papers(
    height: int, width: int, size: int, squares: Any, begins: Any
) -> None:
    x = picture(height, width)
    expected = papers_144(x, size, squares, begins)
    got = views(x, Preprocessing(size=size), 144)
    assert got.shape == (144, size, size, 3) and len(expected) == 144
    for number, (crop, wanted) in enumerate(zip(got, expected, strict=True)):
        if number % 6 == 5:  # the whole square, resized once more
            assert largest_difference(crop, wanted) <= 1
        else:
            assert np.array_equal(crop, wanted), number


@pytest.mark.parametrize(
    ("height", "width", "top", "left"), [(300, 400, 0, 42), (400, 300, 42, 0), (300, 300, 0, 0)]
)
def test_twelve_crops_are_six_of_the_centre_square_and_mirrored(
    height: int, width: int, top: int, left: int
) -> None:
    x = picture(height, width)
    square = whole(x, 256, "bilinear")[top : top + 256, left : left + 256]
    six = six_of(square, 224, 16)
    got = views(x, Preprocessing(), 12)
    for crop, wanted in zip(got, [*six, *(c[:, ::-1] for c in six)], strict=True):
        assert largest_difference(crop, wanted) <= 1
    assert np.array_equal(got[:5], np.stack(six[:5]))


@pytest.mark.parametrize(
    ("size", "sides"),
    [(224, [256, 288, 320, 352]), (299, [342, 384, 427, 470]), (32, [37, 41, 46, 50])],
)
def test_scales_follow_the_networks_input(size: int, sides: list[int]) -> None:
    found = crops(300, 400, Preprocessing(size=size), 144)
    assert list(dict.fromkeys(c.resized[0] for c in found)) == sides
    assert {c.side for c in found[5::6]} == set(sides) and {c.size for c in found} == {size}


def test_each_scale_is_resized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    resize = Image.Image.resize

    def counted(self: Image.Image, size: Any, *args: Any, **kwargs: Any) -> Image.Image:
        if self.size == (400, 300):
            shapes.append(size)
        return resize(self, size, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "resize", counted)
    views(picture(300, 400), Preprocessing(), 144)
    assert shapes == [(341, 256), (384, 288), (426, 320), (469, 352)]


def test_144_crops_of_a_very_thin_picture_take_little_memory() -> None:
    x = np.repeat(np.arange(200_000, dtype=np.uint32)[None, :, None] * 255 // 199_999, 3, axis=2)
    got = views(x.astype(np.uint8), Preprocessing(size=28), 144)  # whole: 44 by 8,800,000
    means = [float(crop.mean()) for crop in got[[5, 11, 17]]]  # left, centre and right square
    assert means == pytest.approx([0, 127, 255], abs=1)


@pytest.mark.parametrize("resize", ["squash", "central"])
def test_the_144_keep_proportions_whatever_the_networks_own_rule(resize: Any) -> None:
    x = picture(60, 90)
    own = views(x, Preprocessing(size=28, resize=resize), 144)
    assert np.array_equal(own, views(x, Preprocessing(size=28), 144))
