"""Selective Search finds plain objects, the same ones whoever asks; recall is counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from inception.detection import proposals
from inception.detection.boxes import iou
from inception.detection.datasets import Objects
from inception.detection.proposals import (
    SelectiveSearch,
    best_overlaps,
    recall,
    recall_curve,
    search,
    union,
)
from inception.errors import InputError
from inception.files import cache_folder

THINGS = np.array([[30, 10, 70, 45], [120, 20, 150, 50], [200, 5, 280, 40]], np.float32)


def scene(seed: int = 0) -> np.ndarray:
    """Three bright things on a dark ground, 60 px high, which Selective Search is quick with."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 12, (60, 300, 3), dtype=np.uint8)
    for (x1, y1, x2, y2), colour in zip(THINGS.astype(int), np.eye(3) * 250, strict=True):
        picture[y1:y2, x1:x2] = colour
    return picture


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Selective Search takes a second for a picture of its usual width."""
    monkeypatch.setattr(proposals, "WIDTH", 300)


def test_plain_things_are_proposed() -> None:
    (found,) = search([scene()])
    assert best_overlaps(found.boxes_xyxy, objects(THINGS)).min() > 0.8
    assert found.boxes_xyxy.dtype == np.float32 and found.seconds > 0
    assert len(np.unique(found.boxes_xyxy, axis=0)) == len(found.boxes_xyxy)
    sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
    assert sides.min() > 19.9 and (found.boxes_xyxy <= [300, 60, 300, 60]).all()


def test_quality_proposes_more_and_larger_superpixels_fewer() -> None:
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(0, 256, (6, 20, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    counts = [
        len(next(search([picture], how)).boxes_xyxy)
        for how in (SelectiveSearch("quality"), SelectiveSearch(), SelectiveSearch(superpixels=600))
    ]
    assert counts[0] > counts[1] > counts[2]


def test_other_processes_find_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "WIDTH", 500)  # as the others know it
    pictures = [scene(seed)[20:25] for seed in range(3)]
    own = [found.boxes_xyxy for found in search(pictures)]
    monkeypatch.setattr(proposals, "_kept", lambda *_: None)
    others = [found.boxes_xyxy for found in search(pictures, processes=2)]
    assert all(np.array_equal(a, b) for a, b in zip(own, others, strict=True))


def test_what_was_found_is_kept_by_content_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = search([scene()])
    other = SelectiveSearch(superpixels=300)
    (third,) = search([scene()], other)
    monkeypatch.setattr(proposals, "_search", lambda *_: pytest.fail("searched again"))
    (again,) = search([scene().copy()])
    assert again.seconds == first.seconds
    assert np.array_equal(again.boxes_xyxy, first.boxes_xyxy)
    assert next(search([scene()], other)).seconds == third.seconds
    with pytest.raises(pytest.fail.Exception):
        list(search([scene(1)]))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_a_damaged_cache_is_searched_again(damage: bytes) -> None:
    (first,) = search([scene()])
    (place,) = Path(cache_folder(), "proposals").rglob("*.npz")
    whole = place.read_bytes()
    for data in (damage, whole[: len(whole) // 2]):
        place.write_bytes(data)
        (again,) = search([scene()])
        assert np.array_equal(again.boxes_xyxy, first.boxes_xyxy)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 2)])
def test_no_picture_is_too_odd(shape: tuple[int, int]) -> None:
    (found,) = search([np.zeros((*shape, 3), np.uint8)])
    assert found.boxes_xyxy.shape[1:] == (4,)


def test_settings_are_checked_and_a_missing_package_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="superpixels of Selective Search must be"):
        SelectiveSearch(superpixels=0)
    monkeypatch.setattr(proposals, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install opencv-contrib-python-headless"):
        next(search([scene()]))


def objects(boxes: np.ndarray, ignored: list[bool] | None = None) -> Objects:
    count = len(boxes)
    return Objects(boxes, np.zeros(count, np.int64), np.array(ignored or [False] * count, bool))


def test_recall_counts_objects_that_are_not_ignored() -> None:
    wanted = [objects(THINGS, [False, False, True]), objects(THINGS[:0]), objects(THINGS[:1])]
    near, far = (
        THINGS[:1] + np.array([[0, 0, 40, 0]], np.float32),
        THINGS[1:2] + 100,
    )  # IoU of the first: 40 of 80 px
    assert iou(near, THINGS[:1]) == 0.5
    given = [np.concatenate([far, near]), near, far]
    assert recall(given, wanted) == pytest.approx(1 / 3)
    assert recall(given, wanted, most=1) == 0
    assert recall(given, wanted, threshold=0.51) == 0
    assert recall(given[1:2], wanted[1:2]) is None
    curve = recall_curve(given, wanted)
    assert curve == [
        {"proposals": 1, "recall": 0.0},
        {"proposals": 2, "recall": pytest.approx(1 / 3)},
    ]
    assert recall_curve([THINGS[:0]], wanted[:1]) == []


def test_a_union_has_no_box_twice() -> None:
    both = union(THINGS, THINGS[1:] + 0.3, THINGS[:1] + 1)
    assert np.array_equal(both, np.concatenate([THINGS, THINGS[:1] + 1]))
    assert union().shape == (0, 4)
