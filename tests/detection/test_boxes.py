"""Boxes against brute force: pixels counted, pairs looped over, all matchings tried."""

from itertools import permutations

import numpy as np
import pytest

from inception.detection.boxes import (
    area,
    clip,
    decode,
    encode,
    iou,
    match,
    nms,
    nms_per_class,
    unique,
)

COUNTS = [0, 1, 2, 17, 60]


def random_boxes(count: int, seed: int, most: int = 40) -> np.ndarray:
    rng = np.random.default_rng([seed, count])
    corners = rng.integers(0, most, (count, 2))
    return np.concatenate([corners, corners + rng.integers(1, most, (count, 2))], 1).astype(
        np.float32
    )


def pixels(box: np.ndarray) -> set[tuple[int, int]]:
    x1, y1, x2, y2 = map(int, box)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    a, b = pixels(first), pixels(second)
    return len(a & b) / len(a | b) if a | b else 0.0


@pytest.mark.parametrize("count", COUNTS[:4])
@pytest.mark.parametrize("other", COUNTS[:4])
def test_area_and_overlap_are_those_of_counted_pixels(count: int, other: int) -> None:
    first, second = random_boxes(count, 0), random_boxes(other, 1)
    assert area(first).tolist() == [len(pixels(box)) for box in first]
    expected = np.array([[overlap(a, b) for b in second] for a in first]).reshape(count, other)
    assert iou(first, second).shape == (count, other)
    assert np.abs(iou(first, second) - expected).max(initial=0) < 1e-12


def test_boxes_without_an_area_overlap_nothing() -> None:
    boxes = np.array([[3, 3, 3, 3], [5, 5, 2, 2], [0, 0, 9, 9]], np.float32)
    assert area(boxes).tolist() == [0, 0, 81]
    assert iou(boxes, boxes).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("count", COUNTS)
def test_clipping_leaves_the_pixels_inside(count: int) -> None:
    boxes = random_boxes(count, 2) - 12
    inside = {(x, y) for x in range(25) for y in range(20)}
    clipped = clip(boxes, 20, 25)
    assert clipped.dtype == boxes.dtype
    assert [pixels(b) for b in clipped] == [pixels(b) & inside for b in boxes]


def kept_by_brute_force(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(overlap(boxes[index], boxes[k]) <= threshold for k in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("count", COUNTS)
def test_nms_keeps_what_looping_over_pairs_keeps(count: int, threshold: float) -> None:
    boxes = random_boxes(count, 3, most=20)
    scores = np.random.default_rng(4).integers(0, 10, count) / 10  # with ties
    expected = kept_by_brute_force(boxes, scores, threshold)
    assert nms(boxes, scores, threshold=threshold).tolist() == expected


@pytest.mark.parametrize("count", COUNTS)
def test_classes_do_not_suppress_each_other(count: int) -> None:
    boxes = random_boxes(count, 5, most=20)
    rng = np.random.default_rng(6)
    scores, labels = rng.integers(0, 10, count) / 10, rng.integers(0, 3, count)
    expected = [
        own[i]
        for own in (np.flatnonzero(labels == label) for label in range(3))
        for i in kept_by_brute_force(boxes[own], scores[own], 0.3)
    ]
    expected.sort(key=lambda i: (-scores[i], i))
    assert nms_per_class(boxes, scores, labels, threshold=0.3).tolist() == expected


def test_a_delta_is_the_move_in_sizes_and_the_logarithm_of_growth() -> None:
    anchors = np.array([[10, 20, 30, 60]], np.float32)  # 20 wide, 40 high, centre 20, 40
    boxes = np.array([[20, 10, 60, 30]], np.float32)  # 40 wide, 20 high, centre 40, 20
    assert encode(boxes, anchors) == pytest.approx(np.array([[1, -0.5, np.log(2), -np.log(2)]]))


@pytest.mark.parametrize("count", COUNTS)
def test_decoding_undoes_encoding(count: int) -> None:
    boxes, anchors = random_boxes(count, 7), random_boxes(count, 8)
    assert decode(encode(boxes, anchors), anchors) == pytest.approx(boxes, abs=1e-5)


def test_no_delta_makes_a_box_infinite() -> None:
    anchors = np.array([[0, 0, 16, 16]], np.float32)
    assert np.isfinite(decode(np.array([[0, 0, 1e30, 1e30]], np.float32), anchors)).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (2, 5), (5, 3), (4, 4), (6, 5)])
@pytest.mark.parametrize("seed", range(6))
def test_no_matching_costs_less(shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng([seed, *shape])
    cost = rng.integers(-5, 9, shape) / 2 if seed % 2 else rng.normal(size=shape)
    rows, columns = match(cost)
    fewer = min(shape)
    assert len(rows) == len(set(rows)) == len(set(columns)) == fewer
    assert (np.diff(rows) > 0).all()
    turned = cost if shape[0] <= shape[1] else cost.T
    least = min(
        sum(turned[i, j] for i, j in enumerate(chosen))
        for chosen in permutations(range(max(shape)), fewer)
    )
    assert cost[rows, columns].sum() == pytest.approx(least)


def test_duplicates_go_and_the_order_stays() -> None:
    boxes = random_boxes(5, 9)[[3, 1, 3, 0, 1, 4]]
    assert (unique(boxes) == boxes[[0, 1, 3, 5]]).all()
    assert unique(boxes[:0]).shape == (0, 4)
