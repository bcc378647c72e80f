"""The clients of docs/clients.md, as they stand there, answer as ``predict`` does."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception.data.crops import views
from inception.data.images import read_image
from inception.export import export
from inception.prediction import SHIPPED_FILE
from inception.predictor import Predictor
from inception.weights.model_file import read_info

PAGE = Path(__file__).parents[1] / "docs" / "clients.md"
PHOTOGRAPHS = 24
TOLERANCE = 1e-6  # in probability
FILES = {"ONNX Runtime": "model.onnx", "OpenVINO": "model.xml", "OpenCV": "model.onnx"}
JAVASCRIPT = PAGE.read_text().split("```js")[1].split("```")[0]
PYTHON = dict(
    re.findall(r"^## ([^\n]+), Python\n.*?```python\n(.+?)```", PAGE.read_text(), re.M | re.S)
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(SHIPPED_FILE, "onnx", folder / "model.onnx")
    export(SHIPPED_FILE, "openvino", folder / "model.xml")
    return folder


@pytest.fixture(scope="module")
def photographs(real_data: Path) -> list[str]:
    return [str(p) for p in sorted((real_data / "imagenet-sample").glob("*.JPEG"))[:PHOTOGRAPHS]]


def assert_as_predict(answers: dict[str, np.ndarray], model: Path) -> None:
    assert len(answers) == PHOTOGRAPHS
    for prediction in Predictor(model).predict(list(answers), top=2):
        likely = sorted(prediction.top, key=lambda answer: answer.index)
        expected = np.array([answer.probability for answer in likely])
        assert float(np.abs(answers[prediction.path] - expected).max()) <= TOLERANCE


@pytest.mark.parametrize("client", PYTHON)
def test_a_python_client_answers_as_predict(
    client: str, exported: Path, photographs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(exported)
    monkeypatch.setattr(sys, "argv", ["client.py", *photographs])
    said: dict[str, Any] = {}
    exec(compile(PYTHON[client], PAGE.name, "exec"), said)
    assert_as_predict(said["answers"], exported / FILES[client])


def test_the_javascript_client_answers_as_predict(
    exported: Path, photographs: list[str], tmp_path: Path
) -> None:
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('onnxruntime-web')"]).returncode:
        pytest.skip("onnxruntime-web is missing: npm install it, and say where in NODE_PATH")
    how, squares = read_info(SHIPPED_FILE).preprocessing, {}
    for path in photographs:
        square = tmp_path / f"{Path(path).stem}.rgb"
        views(read_image(path), how)[0].tofile(square)
        squares[str(square)] = path
    (exported / "client.js").write_text(JAVASCRIPT)
    said = subprocess.run(
        [node, "client.js", *squares], cwd=exported, capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    answers = {squares[path]: np.array(values) for path, *values in lines}
    assert_as_predict(answers, exported / "model.onnx")
