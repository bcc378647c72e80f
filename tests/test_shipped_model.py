"""The trained model that comes with the package."""

import subprocess
import sys
from pathlib import Path

import pytest

from inception import Predictor, evaluate, load
from inception.prediction import SHIPPED, SHIPPED_FILE


def test_it_answers_from_the_first_minute_and_says_so(real_data: Path) -> None:
    picture = real_data / "odd-images" / "plain.jpg"
    code = "from inception.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == f"no MODEL given: taking {SHIPPED}, which comes with inception\n"
    assert done.stdout.split()[0] in ("cat", "dog")


def test_it_is_small_and_describes_itself() -> None:
    assert SHIPPED_FILE.stat().st_size < 16e6
    model = load(SHIPPED)
    assert model.classes == ("cat", "dog")
    assert model.info.spec.name == "googlenet_bn"
    assert model.info.licence
    assert model.info.training["commit"]
    assert len(Predictor(SHIPPED).predict(bytes(3), top=2)) == 1  # unreadable, but no crash


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_it_gives_its_recorded_figure_on_the_validation_set(real_data: Path, engine: str) -> None:
    recorded = load(SHIPPED).metadata["metrics"]
    result = evaluate(SHIPPED, real_data / "dogs-vs-cats", split="val", engine=engine)
    assert result.engine == engine
    assert result.images == recorded["images"] == 2000
    assert result.top1_accuracy == pytest.approx(recorded["top1_accuracy"], abs=0.001)
    assert result.top1_accuracy > 0.9341  # what source document 002 reports
