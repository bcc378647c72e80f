"""An exported detector finds what it found before, and proves it."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from command_line import fails, run
from small_detectors import small_detector, write_detector

from inception.detection.detector import Mode
from inception.detection.export import DETECTOR_FORMATS
from inception.detection.predictor import DetectionPredictor

pytestmark = pytest.mark.usefixtures("quick_search")


@pytest.mark.parametrize("format", DETECTOR_FORMATS)
@pytest.mark.parametrize("mode", get_args(Mode))
def test_an_export_is_a_detector_that_finds_the_same(
    mode: Mode, format: str, squares: Path, tmp_path: Path
) -> None:
    made = write_detector(tmp_path / "model.safetensors", small_detector(mode, boxes=True))
    pictures = str(squares / "JPEGImages")
    out = tmp_path / "exported"
    how = ("--format", format, "--threads", "1")
    command = ("detect", "export", str(made), "--check", pictures, *how)
    done = run(*command, "--out", str(out), "--json", "-")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((out / "certificate.json").read_text())
    assert told["format"] == format
    assert told["passed"] and told["score_difference"] < 1e-4 and told["box_difference_px"] < 0.1
    picture = squares / "JPEGImages" / "val0.jpg"
    ours, theirs = (
        DetectionPredictor(place, engine=engine, threads=1, least_score=0.3).predict(picture)[0]
        for place, engine in ((out, format), (made, "torch"))
    )
    assert len(ours.objects) == len(theirs.objects) > 0
    for one, other in zip(ours.objects, theirs.objects, strict=True):
        assert one.label == other.label
        np.testing.assert_allclose(one.box_xyxy, other.box_xyxy, atol=0.1)


def test_graphs_of_two_detectors_do_not_go_together(squares: Path, tmp_path: Path) -> None:
    picture = str(squares / "JPEGImages" / "val0.jpg")
    for name, classes in (("one", ("a", "b")), ("two", ("a", "c"))):
        made = write_detector(tmp_path / f"{name}.safetensors", small_detector(classes=classes))
        command = ("detect", "export", str(made), "--check", picture, "--out", str(tmp_path / name))
        assert run(*command).returncode == 0
    (tmp_path / "one" / "head.xml").write_bytes((tmp_path / "two" / "head.xml").read_bytes())
    (tmp_path / "one" / "head.bin").write_bytes((tmp_path / "two" / "head.bin").read_bytes())
    command = ("detect", "predict", str(tmp_path / "one"), picture, "--engine", "openvino")
    assert "another detector's" in fails(*command)
    again = ("detect", "export", str(tmp_path / "two"), "--check", picture, "--out", str(tmp_path))
    assert "exported before" in fails(*again)
    assert "no precision named 'int8'" in fails(
        "detect", "export", str(made), "--check", picture, "--out", "x", "--precision", "int8"
    )
    command = ("detect", "export", str(made), "--check", picture, "--out", str(tmp_path / "one"))
    assert "backbone.xml is there, in another format" in fails(*command, "--format", "onnx")
    assert "no format named 'pt2'" in fails(*command, "--format", "pt2")
    run_by_torch = ("detect", "predict", str(tmp_path / "two"), picture, "--engine", "torch")
    assert "was exported: torch cannot run it" in fails(*run_by_torch)
