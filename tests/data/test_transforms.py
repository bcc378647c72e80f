"""Augmentation: boxes within bounds, one source of chance, kinds against Pillow and numpy."""

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inception.data import transforms
from inception.data.transforms import (
    AUGMENTATIONS,
    Augmentation,
    augment,
    augmentation,
    random_box,
)
from inception.errors import InputError
from inception.training.config import TrainConfig

BILINEAR = Image.Resampling.BILINEAR
NONE = AUGMENTATIONS["none"]


def picture(height: int = 40, width: int = 40) -> Any:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["light", "googlenet"])
@pytest.mark.parametrize(("height", "width"), [(200, 300), (300, 200), (256, 256)])
def test_areas_and_aspects_of_random_boxes_stay_within_bounds(
    name: str, height: int, width: int
) -> None:
    how, rng = AUGMENTATIONS[name], np.random.default_rng(0)
    shares, aspects = [], []
    for _ in range(500):
        left, top, right, bottom = random_box(height, width, how, rng)
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        shares.append((right - left) * (bottom - top) / (height * width))
        aspects.append((right - left) / (bottom - top))
    assert how.area[0] * 0.97 <= min(shares) < max(shares) <= 1  # sides are rounded to pixels
    assert 0.75 * 0.97 <= min(aspects) < max(aspects) <= 4 / 3 * 1.03
    assert min(shares) < how.area[0] + 0.1 and max(shares) > 0.8
    assert min(aspects) < 0.8 and max(aspects) > 1.25
    if height == width:
        assert abs(np.mean(np.log(aspects))) < 0.05  # tall and wide alike


@pytest.mark.parametrize(("height", "width"), [(1, 1000), (1000, 1), (1, 1), (2, 500)])
def test_a_box_of_a_very_thin_picture_is_the_centre(height: int, width: int) -> None:
    for seed in range(20):
        box = random_box(height, width, Augmentation(), np.random.default_rng(seed))
        left, top, right, bottom = box
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        if max(height, width) > 2:
            assert abs(left + right - width) <= 1 and abs(top + bottom - height) <= 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_chance_gives_the_same_picture(name: str) -> None:
    def shown(seed: int) -> Any:
        return augment(picture(), 24, AUGMENTATIONS[name], np.random.default_rng(seed))

    assert np.array_equal(shown(5), shown(5))
    assert shown(5).shape == (24, 24, 3) and shown(5).dtype == np.uint8
    assert np.array_equal(shown(5), shown(6)) == (name == "none")


def test_none_is_a_plain_resize_of_a_square_and_of_the_centre_of_another() -> None:
    x = picture(40, 40)
    plain = np.asarray(Image.fromarray(x).resize((24, 24), BILINEAR))
    assert np.array_equal(augment(x, 24, NONE, np.random.default_rng(0)), plain)
    wide = np.concatenate([x[:, :10] * 0, x, x[:, :10] * 0], axis=1)
    middle = augment(wide, 24, NONE, np.random.default_rng(0))
    assert np.abs(middle[:, 2:-2].astype(int) - plain[:, 2:-2]).max() <= 1  # edges see beside


def test_googlenet_draws_all_four_interpolations() -> None:
    how = Augmentation(
        area=(1, 1),
        aspect=(1, 1),
        mirror=False,
        interpolations=AUGMENTATIONS["googlenet"].interpolations,
    )
    x = picture()
    kinds = {
        np.asarray(Image.fromarray(x).resize((24, 24), kernel)).tobytes(): kernel
        for kernel in (Image.Resampling(i) for i in range(6))
    }
    drawn = [augment(x, 24, how, np.random.default_rng(seed)).tobytes() for seed in range(60)]
    assert {kinds[d] for d in drawn} == {
        Image.Resampling.BILINEAR,
        Image.Resampling.BOX,
        Image.Resampling.NEAREST,
        Image.Resampling.BICUBIC,
    }


def test_caffe_s_crop_is_224_of_the_256_pixels_of_a_squashed_picture() -> None:
    how, x = AUGMENTATIONS["caffe"], picture(256, 256)
    places = set()
    for seed in range(20):
        left, top, right, bottom = random_box(256, 512, how, np.random.default_rng(seed))
        assert (right - left, bottom - top) == (448, 224)  # 7/8 of either side
        left, top, right, bottom = random_box(256, 256, how, np.random.default_rng(seed))
        crop = x[top : top + 224, left : left + 224]
        got = augment(x, 224, how, np.random.default_rng(seed))
        assert np.array_equal(got, crop) or np.array_equal(got, crop[:, ::-1])
        places.add((left, top))
    assert len(places) > 15


def test_parts_of_an_augmentation_can_be_set_one_by_one() -> None:
    settings = ["augment=googlenet", "photometric=0.2", "lighting=0", "interpolations=area,nearest"]
    how = TrainConfig().with_settings(settings).augmentation()
    assert (how.photometric, how.lighting) == (0.2, 0.0)
    assert (how.interpolations, how.area) == (("area", "nearest"), (0.08, 1.0))


def test_half_of_the_pictures_are_mirrored() -> None:
    how = Augmentation(area=(1, 1), aspect=(1, 1))
    x = picture()
    plain = np.asarray(Image.fromarray(x).resize((24, 24), BILINEAR))
    mirrored = 0
    for seed in range(200):
        got = augment(x, 24, how, np.random.default_rng(seed))
        mirrored += np.array_equal(got, plain[:, ::-1])
        assert np.array_equal(got, plain) or np.array_equal(got, plain[:, ::-1])
    assert 70 <= mirrored <= 130  # 100, within four deviations


def test_photometric_distortion_scales_a_grey_picture_by_half_to_one_and_a_half() -> None:
    how = Augmentation(area=(1, 1), aspect=(1, 1), mirror=False, photometric=0.5)
    grey = np.full((8, 8, 3), 100, np.uint8)  # contrast and colour leave plain grey as it is
    levels = set()
    for seed in range(200):
        got = augment(grey, 8, how, np.random.default_rng(seed))
        assert len(np.unique(got)) == 1
        levels.add(int(got[0, 0, 0]))
    assert 49 <= min(levels) < 55 and 145 < max(levels) <= 151


def test_lighting_shifts_all_pixels_along_the_principal_components() -> None:
    how = Augmentation(area=(1, 1), aspect=(1, 1), mirror=False, lighting=0.1)
    middle = np.full((8, 8, 3), 128, np.uint8)
    shifts = []
    for seed in range(400):
        got = augment(middle, 8, how, np.random.default_rng(seed)).astype(int)
        assert len(np.unique(got.reshape(-1, 3), axis=0)) == 1
        shifts.append(got[0, 0] - 128)
    values, vectors = transforms.LIGHTING_VALUES, transforms.LIGHTING_VECTORS
    wanted = 25.5 * np.sqrt((vectors**2) @ (values**2))  # deviation of each channel by hand
    assert np.std(shifts, axis=0) == pytest.approx(wanted, rel=0.15)  # 400 draws
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.8


def test_the_principal_components_are_perpendicular_units() -> None:
    gram = transforms.LIGHTING_VECTORS.T @ transforms.LIGHTING_VECTORS
    assert np.allclose(gram, np.eye(3), atol=1e-3)  # four published digits


def test_the_papers_crops_keep_8_to_100_percent_at_3_4_to_4_3() -> None:
    how = augmentation("googlenet")
    assert how.area == (0.08, 1.0)
    assert math.isclose(how.aspect[0], 3 / 4) and math.isclose(how.aspect[1], 4 / 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"area": (0.0, 1.0)}, "crop areas are shares"),
        ({"area": (0.5, 1.1)}, "crop areas are shares"),
        ({"area": (0.9, 0.5)}, "crop areas are shares"),
        ({"aspect": (0.0, 1.0)}, "aspects must be positive"),
        ({"aspect": (2.0, 1.0)}, "aspects must be positive"),
        ({"photometric": 1.5}, "photometric is from 0 to 1"),
        ({"lighting": -0.1}, "lighting not negative"),
        ({"interpolations": ("cubic",)}, "did you mean 'bicubic'"),
    ],
)
def test_an_augmentation_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmentation(**wrong)


def test_an_unknown_augmentation_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'googlenet'"):
        augmentation("googlent")
