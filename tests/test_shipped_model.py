"""The trained models that come with the package."""

import subprocess
import sys
from pathlib import Path

import pytest

from inception import Predictor, evaluate, load
from inception.prediction import BACKBONE, SHIPPED, SHIPPED_FILES


def test_it_answers_from_the_first_minute_and_says_so(real_data: Path) -> None:
    picture = real_data / "odd-images" / "plain.jpg"
    code = "from inception.cli import main; main()"
    command = [sys.executable, "-c", code, "predict", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == f"no MODEL given: taking {SHIPPED}, which comes with inception\n"
    assert done.stdout.split()[0] in ("cat", "dog")


DATA = {  # what each was measured on: pictures, and what is to be beaten
    SHIPPED: ("dogs-vs-cats", 2000, 0.9341),  # source document 002 reports
    BACKBONE: ("imagenette", 1938, 0.88),
}


@pytest.mark.parametrize("name", SHIPPED_FILES)
def test_it_is_small_and_describes_itself(name: str) -> None:
    assert SHIPPED_FILES[name].stat().st_size < 12.5e6
    model = load(name)
    assert (
        model.classes[:2]
        == {SHIPPED: ("cat", "dog"), BACKBONE: ("tench", "English springer")}[name]
    )
    assert model.info.spec.name == {SHIPPED: "googlenet_bn_pruned", BACKBONE: "googlenet_bn"}[name]
    assert model.info.licence
    assert model.info.training["commit"]
    assert len(Predictor(name).predict(bytes(3), top=2)) == 1  # unreadable, but no crash


@pytest.mark.parametrize("name", SHIPPED_FILES)
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_it_gives_its_recorded_figure_on_the_validation_set(
    real_data: Path, engine: str, name: str
) -> None:
    data, images, beaten = DATA[name]
    recorded = load(name).metadata["metrics"]
    result = evaluate(name, real_data / data, split="val", engine=engine)
    assert result.engine == engine
    assert result.images == recorded["images"] == images
    assert result.top1_accuracy == pytest.approx(recorded["top1_accuracy"], abs=0.001)
    assert result.top1_accuracy > beaten
