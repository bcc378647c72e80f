"""What ``inception export`` writes, as every command takes it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from damage import Target, folder_for
from runs_fuzzed import MODEL, beside, of, run

XML, BIN, ONNX = "small.xml", "small.bin", "small.onnx"


@cache
def exported() -> Path:
    """A folder with LeNet-5 for OpenVINO and as ONNX."""
    from inception.export import export

    place = folder_for("exports")
    for format, name in (("openvino", XML), ("onnx", ONNX)):
        export(run() / MODEL, format, place / name, threads=1)
    return place


def predict(path: Path) -> None:
    """One picture by a model, the export's other file beside it."""
    from inception import Predictor

    model = path.with_name(XML) if path.name == BIN else path
    if path.name != ONNX:
        beside(path, exported(), (XML, BIN))
    Predictor(model, threads=1).predict(np.zeros((28, 28, 3), np.uint8))


EXPORTS = {name: Target(name, of(exported, name), predict) for name in (XML, BIN, ONNX)}
