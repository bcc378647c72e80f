"""Answers that are no numbers are nowhere counted, printed or written: the model is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inception import create_model
from inception.errors import InputError
from inception.evaluation.calibration import calibrate
from inception.evaluation.evaluate import evaluate
from inception.evaluation.exits import evaluate_exits
from inception.evaluation.grid import evaluate_grid
from inception.models import get_spec
from inception.predictor import Predictor
from inception.text import json_text
from inception.weights.model_file import ModelInfo, save_model

MakeModel = Callable[..., Path]
ASKED: dict[str, Callable[[Path, Path, Path], object]] = {
    "evaluate": lambda good, bad, data: evaluate(bad, data),
    "evaluate, torch": lambda good, bad, data: evaluate(bad, data, engine="torch"),
    "an ensemble": lambda good, bad, data: evaluate([good, bad], data),
    "crops": lambda good, bad, data: evaluate(bad, data, crops=10),
    "grid": lambda good, bad, data: evaluate_grid([good, bad], data),
    "calibrate": lambda good, bad, data: calibrate(bad, data),
    "predict": lambda good, bad, data: Predictor(bad).predict(data),
}


@pytest.mark.parametrize("asked", ASKED)
def test_the_model_and_the_picture_are_named(
    asked: str, make_model: MakeModel, odd_pictures: Path
) -> None:
    good, bad = make_model(0), make_model(1, scale=1e38)  # finite weights, infinite products
    with pytest.raises(InputError) as refusal:
        ASKED[asked](good, bad, odd_pictures)
    told = str(refusal.value)
    assert told.startswith(f"{bad} answers {odd_pictures}/") and "no number" in told


@pytest.mark.parametrize("part", ["aux.", "classifier."])
def test_heads_too(part: str, tmp_path: Path, odd_pictures: Path) -> None:
    classes = tuple(sorted(folder.name for folder in odd_pictures.iterdir()))
    torch.manual_seed(0)
    network = create_model("googlenet_small", num_classes=len(classes))
    state = network.state_dict()
    last = [n for n in state if n.startswith(part) and n.endswith("logits.linear.weight")][-1]
    state[last].fill_(3e38)
    path = tmp_path / "heads.safetensors"
    save_model(path, state, ModelInfo(network.spec, classes))
    assert get_spec("googlenet_small").aux
    with pytest.raises(InputError, match="no number"):
        evaluate_exits(path, odd_pictures, 0.5)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_says_no_such_number(number: float) -> None:
    with pytest.raises(InputError, match="infinite or none"):
        json_text({"rows": [{"loss": number}]})
