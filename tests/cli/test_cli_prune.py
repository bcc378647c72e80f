"""``inception prune`` as its users meet it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import fails, run

from inception.models import create_model, get_spec
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.models.variants import wider
from inception.runtime import read_program
from inception.weights.model_file import ModelInfo, read_info, save_model

SPEC = replace(wider(get_spec("googlenet_small"), 0.25), num_classes=2, aux={})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    save_model(path, create_model(SPEC).state_dict(), ModelInfo(SPEC, ("green", "red")))
    return path


def test_a_pruned_run_says_what_is_left_and_can_be_exported(
    model: Path, colours: Path, tmp_path: Path
) -> None:
    out, values = tmp_path / "out", tmp_path / "out.json"
    words = ["prune", str(model), str(colours), "--keep", "0.4", "--epochs", "1", "--threads", "1"]
    done = run(*words, "--out", str(out), "--json", str(values), "--set", "precision=fp32")
    assert done.returncode == 0, done.stderr
    assert "% of the multiply-adds and " in done.stdout
    assert f"inception evaluate {model} {out} {colours} --compare" in done.stdout
    spec = read_info(out / "model.safetensors").spec
    assert cost(spec).multiply_adds <= 0.4 * cost(SPEC).multiply_adds
    assert json.loads(values.read_text())["epochs"] == 1
    assert Spec.from_json(spec.to_json()) == spec
    assert read_program(out / "model.safetensors").size == SPEC.image_size  # what exports write


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--keep", "2"], "a share of the multiply-adds, between 0 and 1; got 2"),
        (["--keep", "0.5", "--set", "freeze=backbone"], "leave out freeze"),
        (["--keep", "0.5", "--set", "nonsense=1"], "no setting named"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_one_line(
    words: list[str], message: str, model: Path, colours: Path
) -> None:
    assert message in fails("prune", str(model), str(colours), *words)


def test_what_training_refuses_is_refused_before_the_scoring(
    model: Path, colours: Path, tmp_path: Path
) -> None:
    words = ["prune", str(model), str(colours), "--keep", "0.5", "--out", str(tmp_path / "out")]
    assert "cached_views needs --freeze backbone" in fails(*words, "--set", "cached_views=1")
    assert not (tmp_path / "out").exists()
