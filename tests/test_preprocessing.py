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
        ({"size": 0}, "at least 1 px; got 0"),
        ({"crop": 0.0}, "above 0 and at most 1; got 0.0"),
        ({"crop": 1.5}, "above 0 and at most 1; got 1.5"),
        ({"resize": "squish"}, "did you mean 'squash'"),
        ({"interpolation": "cubic"}, "did you mean 'bicubic'"),
        ({"channel_order": "gray"}, "did you mean 'grey'"),
        ({"mean": (1.0, 2.0)}, "one number a channel"),
        ({"std": (1.0, 0.0, 1.0)}, "none of them 0"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(**wrong)
