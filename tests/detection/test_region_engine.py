"""Two programs say of regions what the network's own modules say, in every engine."""

from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from small_detectors import small_detector, small_network, write_detector

from inception.detection.boxes import Boxes
from inception.detection.detector import Detector, Mode
from inception.detection.engine import AT_ONCE, create_region_engine
from inception.detection.learning import LearntPart
from inception.detection.regions import in_cells, shown_whole, warp
from inception.detection.scoring import detections, told
from inception.runtime.program import Floats

RNG = np.random.default_rng(3)
PICTURE = RNG.integers(0, 256, (60, 90, 3), dtype=np.uint8)
CORNERS = np.sort(RNG.uniform(0, (90, 60), (AT_ONCE + 9, 2, 2)), axis=1)
BOXES: Boxes = np.clip(CORNERS.reshape(-1, 4) + np.array([-2, -2, 2, 2]), 0, [90, 60, 90, 60])


def by_modules(detector: Detector) -> Floats:
    part = LearntPart(small_network(detector), detector, None)
    seen = detector.backbone.preprocessing
    if detector.mode == "fast":
        shown, scale = shown_whole(PICTURE, seen)
        squares, cells = shown[None], [in_cells(BOXES * scale, detector.origin)]
    else:
        squares, cells = warp(PICTURE, BOXES, seen, context_px=detector.context_px), []
    with torch.inference_mode():
        return part.outputs(torch.from_numpy(squares), cells).numpy()


@pytest.mark.parametrize(
    ("mode", "engine"), list(product(get_args(Mode), ("torch", "openvino", "onnx")))
)
def test_an_engine_gives_the_boxes_that_the_modules_give(
    mode: Mode, engine: str, tmp_path: Path
) -> None:
    detector = small_detector(mode, boxes=True)
    path = write_detector(tmp_path / "model.safetensors", detector)
    given = create_region_engine(path, engine, threads=1).run(PICTURE, BOXES)
    expected = by_modules(detector)
    assert given.shape == (len(BOXES), detector.outputs)
    np.testing.assert_allclose(given, expected, atol=1e-4)
    ours, theirs = told(given, BOXES, detector), told(expected, BOXES, detector)
    assert ours.boxes_xyxy is not None and theirs.boxes_xyxy is not None
    assert np.abs(ours.boxes_xyxy - theirs.boxes_xyxy).max() < 0.1  # px
    found = [
        detections(each, BOXES, (60, 90), overlap=0.3, least_score=0.1, most=50)
        for each in (ours, theirs)
    ]
    np.testing.assert_array_equal(found[0].labels, found[1].labels)
    np.testing.assert_allclose(found[0].boxes_xyxy, found[1].boxes_xyxy, atol=0.1)


def test_no_regions_give_no_outputs(tmp_path: Path) -> None:
    path = write_detector(tmp_path / "model.safetensors", small_detector())
    engine = create_region_engine(path, "torch", threads=1)
    assert engine.run(PICTURE, np.zeros((0, 4))).shape == (0, 11)
