"""From outputs to objects, against numbers worked by hand."""

import numpy as np
import pytest
from small_detectors import small_detector

from inception.detection.scoring import Told, detections, together, told
from inception.errors import InputError

REGIONS = np.array([[10.0, 10.0, 30.0, 50.0], [0.0, 0.0, 8.0, 8.0]])


def test_outputs_are_logits_then_offsets_of_each_class() -> None:
    detector = small_detector()
    outputs = np.zeros((2, 11), np.float32)
    outputs[0, :3] = np.log([0.7, 0.2, 0.1])
    outputs[0, 3:7] = [1, -0.5, 0, np.log(2) / 0.2]  # times 0.1, 0.1, 0.2, 0.2
    said = told(outputs, REGIONS, detector)
    assert said.scores[0].tolist() == pytest.approx([0.7, 0.2])
    assert said.scores[1].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert said.boxes_xyxy is not None
    # of 20 x 40 at the centre (20, 30): 2 px to the right, 2 up, as wide, twice as high
    assert said.boxes_xyxy[0, 0].tolist() == pytest.approx([12, -12, 32, 68])
    assert said.boxes_xyxy[0, 1].tolist() == REGIONS[0].tolist()


def test_margins_of_svms_keep_their_order_and_meet_at_a_half() -> None:
    detector = small_detector("rcnn", scoring="svm")
    said = told(np.array([[-2.0, 0.0, 0.0], [3.0, -800, 0]], np.float32), REGIONS, detector)
    assert said.scores[0, 1] == 0.5
    assert said.scores[1, 0] > 0.5 > said.scores[0, 0] > said.scores[1, 1] >= 0
    assert said.boxes_xyxy is None


def test_answers_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="no number"):
        told(np.full((1, 3), np.nan, np.float32), REGIONS[:1], small_detector("rcnn"))


def test_detectors_answer_together_by_means_of_scores_and_of_moved_boxes() -> None:
    one = Told(np.array([[0.2, 0.4]]), np.array([[[0, 0, 4, 4], [0, 0, 2, 2]]]) * 1.0)
    other = Told(np.array([[0.6, 0.0]]), None)
    third = Told(np.array([[0.1, 0.2]]), np.array([[[2, 0, 8, 4], [0, 0, 2, 4]]]) * 1.0)
    said = together([one, other, third])
    assert said.scores.tolist() == [pytest.approx([0.3, 0.2])]
    assert said.boxes_xyxy is not None
    assert said.boxes_xyxy.tolist() == [[[1, 0, 6, 4], [0, 0, 2, 3]]]
    assert together([other]).boxes_xyxy is None


def test_each_class_is_suppressed_by_itself_and_boxes_are_clipped() -> None:
    regions = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [-5, 0, 10, 10], [40, 0, 60, 10]]) * 1.0
    scores = np.array([[0.9, 0.1], [0.8, 0.7], [0.5, 0.0], [0.3, 0.0]])
    said = Told(scores, None)
    found = detections(said, regions, (20, 40), overlap=0.3, least_score=0.05, most=9)
    # class 0 keeps its best of three that overlap, class 1 its own best; one lies outside
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])
    assert found.boxes_xyxy.tolist() == [[0, 0, 10, 10], [0, 0, 10, 9]]
    assert len(detections(said, regions, (20, 40), overlap=0.3, least_score=0.05, most=1)) == 1
    assert len(found.above(0.8)) == 1


def test_a_picture_without_regions_has_no_objects() -> None:
    said = Told(np.zeros((0, 2)), None)
    found = detections(said, np.zeros((0, 4)), (9, 9), overlap=0.3, least_score=0, most=9)
    assert found.boxes_xyxy.shape == (0, 4) and len(found) == 0
