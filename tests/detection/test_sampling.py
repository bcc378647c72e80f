"""Which regions are learnt from, and what each of them shows."""

import numpy as np
import pytest

from inception.detection.boxes import Boxes, iou
from inception.detection.datasets import Objects
from inception.detection.sampling import UNUSED, Regions, Share, drawn, matched


def objects(boxes: list[list[float]], labels: list[int], ignored: list[bool]) -> Objects:
    where = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(where, np.array(labels, np.int64), np.array(ignored, bool))


PICTURE = objects(
    [[0, 0, 10, 10], [50, 50, 90, 90], [100, 0, 140, 40]], [1, 0, 0], [False, False, True]
)
PROPOSALS: Boxes = np.array(
    [
        [0, 0, 10, 8],  # 0.8 of the first object
        [0, 0, 30, 30],  # a ninth of it
        [60, 60, 90, 90],  # 0.5625 of the second
        [102, 0, 140, 40],  # what is to be ignored
        [5, 5, 5, 9],  # no area
    ]
) * 1.0  # fmt: skip


def test_a_region_shows_the_object_it_overlaps_most() -> None:
    found = matched(PROPOSALS, PICTURE, 2, positive_iou=0.5)
    assert found.labels.tolist() == [1, 0, 1, 2, 0, UNUSED]
    assert found.goals_xyxy[2].tolist() == [0, 0, 10, 10]
    assert found.goals_xyxy[3].tolist() == [0, 0, 30, 30]
    assert found.best.tolist() == pytest.approx([1, 1, 0.8, 1 / 9, 0.5625, 0])


def test_a_picture_without_objects_has_background_alone() -> None:
    found = matched(PROPOSALS, objects([], [], []), 2, positive_iou=0.5)
    assert set(found.labels.tolist()) == {2}
    assert len(matched(np.zeros((0, 4)), objects([], [], []), 2, positive_iou=0.5)) == 0


def test_matching_equals_loops_on_random_boxes() -> None:
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.uniform(0, 50, (60, 2, 2)), axis=1).reshape(-1, 4)
    real = objects(boxes[:5].tolist(), [0, 1, 2, 1, 0], [False] * 5)
    found = matched(boxes[5:], real, 3, positive_iou=0.3)
    for region, label in zip(found.boxes_xyxy, found.labels, strict=True):
        overlaps = [float(iou(region[None], box[None])[0, 0]) for box in real.boxes_xyxy]
        best = int(np.argmax(overlaps))
        assert label == (real.labels[best] if overlaps[best] >= 0.3 else 3)


def test_a_quarter_at_most_shows_objects_and_nothing_unused_is_drawn() -> None:
    labels = np.array([0] * 10 + [2] * 50 + [UNUSED] * 5)
    boxes = np.tile([0.0, 0.0, 1.0, 1.0], (65, 1))
    found = matched(boxes, objects([], [], []), 2, positive_iou=0.5)
    found = type(found)(boxes, labels, boxes, np.zeros(65))
    rows = drawn(found, 2, Share(16, 0.25), np.random.default_rng(0))
    assert (found.labels[rows] == 0).sum() == 4 and (found.labels[rows] == 2).sum() == 12
    assert len(set(rows.tolist())) == 16
    again = drawn(found, 2, Share(16, 0.25), np.random.default_rng(0))
    assert again.tolist() == rows.tolist()
    assert len(drawn(found.at(np.arange(3)), 2, Share(16, 0.25), np.random.default_rng(0))) == 3


def test_in_a_mirror_regions_and_their_objects_change_sides() -> None:
    found = matched(PROPOSALS[:1], PICTURE, 2, positive_iou=0.5)
    mirrored = found.mirrored(np.array([2]), 150)
    assert mirrored.boxes_xyxy[2].tolist() == [140, 0, 150, 8]
    assert mirrored.boxes_xyxy[0].tolist() == found.boxes_xyxy[0].tolist()
    assert mirrored.offsets()[2].tolist() == pytest.approx([0, 1.25, 0, np.log(1.25) / 0.2])


def test_half_of_the_background_is_near_an_object_where_there_is_enough() -> None:
    labels = np.array([0] * 4 + [2] * 60)
    best = np.array([1.0] * 4 + [0.3] * 9 + [0.0] * 51)
    boxes = np.tile([0.0, 0.0, 1.0, 1.0], (64, 1))
    found = Regions(boxes, labels, boxes, best)
    for near, expected in ((0.0, None), (0.5, 6), (1.0, 9)):
        rows = drawn(found, 2, Share(16, 0.25, near), np.random.default_rng(0))
        assert len(set(rows.tolist())) == 16 and (found.labels[rows] == 0).sum() == 4
        count = (best[rows] == 0.3).sum()
        assert count >= expected if expected is not None else count < 6
