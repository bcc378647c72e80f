"""``Preprocessing``: its numbers, its limits, and its way through JSON."""

import json
from typing import Any

import pytest

from inception.errors import InputError
from inception.preprocessing import Preprocessing


@pytest.mark.parametrize(
    ("size", "crop", "resized"),
    [(224, 0.875, 256), (299, 0.875, 342), (32, 1.0, 32), (16, 0.8, 20)],
)
def test_the_side_before_the_crop_is_size_divided_by_crop(
    size: int, crop: float, resized: int
) -> None:
    assert Preprocessing(size=size, crop=crop).resized == resized


def test_json_brings_back_the_same_numbers() -> None:
    own = Preprocessing(
        size=96,
        resize="central",
        crop=0.9,
        interpolation="area",
        channel_order="bgr",
        mean=(104.0, 117.0, 123.0),
        std=(1.0, 1.0, 1.0),
    )
    assert Preprocessing.from_json(json.loads(json.dumps(own.to_json()))) == own


def test_json_is_the_fields_by_name() -> None:
    assert Preprocessing(size=28, channel_order="grey", mean=(0.0,), std=(255.0,)).to_json() == {
        "size": 28,
        "resize": "short_side",
        "crop": 0.875,
        "interpolation": "bilinear",
        "channel_order": "grey",
        "mean": (0.0,),
        "std": (255.0,),
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size of a preprocessing must be a whole number from 1 to 8192; got 0"),
        ({"crop": 0.0}, r"from 0\.05 to 1; got 0\.0"),
        ({"crop": 1.5}, r"from 0\.05 to 1; got 1\.5"),
        ({"resize": "squish"}, "did you mean 'squash'"),
        ({"interpolation": "cubic"}, "did you mean 'bicubic'"),
        ({"channel_order": "gray"}, "did you mean 'grey'"),
        ({"mean": (1.0, 2.0)}, "one number a channel"),
        ({"std": (1.0, 0.0, 1.0)}, "std of a preprocessing must be a list, each a number"),
        ({"mean": (1.0, float("nan"), 1.0)}, "mean of a preprocessing"),
        ({"size": True}, "a whole number .* got True"),
        ({"size": 24.0}, r"a whole number .* got 24\.0"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(**wrong)


def test_grey_takes_mean_and_deviation_as_colours_add_to_it() -> None:
    grey = Preprocessing(mean=(100.0, 110.0, 120.0), std=(10.0, 20.0, 30.0)).for_channels(1)
    assert grey.channel_order == "grey"
    assert grey.mean == pytest.approx((0.299 * 100 + 0.587 * 110 + 0.114 * 120,))
    assert grey.std == pytest.approx((0.299 * 10 + 0.587 * 20 + 0.114 * 30,))
    bgr = Preprocessing(mean=(120.0, 110.0, 100.0), channel_order="bgr").for_channels(1)
    assert bgr.mean == pytest.approx(grey.mean)


def test_further_channels_take_the_numbers_of_the_first_in_turn() -> None:
    five = Preprocessing(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)).for_channels(5)
    assert (five.mean, five.std) == ((1.0, 2.0, 3.0, 1.0, 2.0), (4.0, 5.0, 6.0, 4.0, 5.0))
    colour = Preprocessing(channel_order="grey", mean=(9.0,), std=(2.0,)).for_channels(3)
    assert (colour.channel_order, colour.mean) == ("rgb", (9.0, 9.0, 9.0))
