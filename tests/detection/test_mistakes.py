"""Each kind of mistake by a case of its own; the page tells and shows them."""

from pathlib import Path

import numpy as np
from annotating import write_voc
from PIL import Image

from inception.detection.datasets import Objects, open_detection
from inception.detection.detections import Detections
from inception.detection.metrics import measure
from inception.detection.mistakes import best_score, judge
from inception.detection.report import write_report

OBJECTS = Objects(
    np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]], np.float32),
    np.array([0, 0, 1, 0]),
    np.array([False, False, False, True]),
)
FOUND = {  # box, label and score of each, by what it is
    "right": ([0, 0, 10, 10], 0, 0.9),
    "duplicate": ([0, 0, 10, 9], 0, 0.8),
    "localisation": ([24, 0, 38, 10], 0, 0.7),
    "class": ([40, 0, 50, 10], 0, 0.6),
    "ignored": ([60, 0, 70, 10], 0, 0.5),
    "background": ([80, 0, 90, 10], 1, 0.4),
}


def detections(*found: tuple[list[int], int, float]) -> Detections:
    boxes, labels, scores = zip(*found, strict=True)
    return Detections(np.array(boxes, np.float32), np.array(labels), np.array(scores, np.float32))


def test_each_detection_is_what_it_is() -> None:
    found = detections(*list(FOUND.values())[::-1])  # in whatever order they come
    verdict = judge(found, OBJECTS, 0.3)
    assert verdict.kinds == tuple(FOUND)
    assert verdict.missed == (1, 2) and verdict.mistakes == 6
    assert judge(found, OBJECTS, 0.85).kinds == ("right",)
    assert judge(found, OBJECTS, 1.1).missed == (0, 1, 2)


def test_the_best_score_is_where_f1_is_best() -> None:
    """One of three found: F1 of 2/(1+3); then, with two wrong ones, less."""
    found = detections(*FOUND.values())
    assert np.isclose(best_score([found], [OBJECTS], 2), 0.9)
    nothing = detections(FOUND["background"])
    assert best_score([nothing], [OBJECTS], 2) == 0.5


def test_the_page_shows_the_worst_pictures(tmp_path: Path) -> None:
    dataset = open_detection(write_voc(tmp_path / "set"), "val")
    found = {0: detections(([1, 1, 60, 40], 1, 0.9), ([30, 20, 50, 39], 0, 0.95))}
    told = measure(list(found.values()), [dataset.objects(0)], dataset.classes)
    page = write_report(tmp_path / "page", "<b>", found, dataset, told).read_text()
    assert "Detections of &lt;b&gt;" in page and "1 background, 1 missed" in page
    (picture,) = (tmp_path / "page" / "pictures").iterdir()
    with Image.open(picture) as image:
        assert image.size == (360, 240)
    assert (tmp_path / "page" / "precision-recall.png").exists()
