"""Distillation: labels that a trained model softens."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from inception.errors import InputError
from inception.models import create_model, get_spec
from inception.training.config import TrainConfig
from inception.training.teacher import Teacher, find_teachers, open_teacher
from inception.weights.model_file import ModelInfo, save_model

SPEC = replace(get_spec("nin_small"), num_classes=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "m.safetensors"
    save_model(path, create_model(SPEC).state_dict(), ModelInfo(SPEC, ("cat", "dog")))
    return path


@pytest.mark.parametrize("labels", [np.array([1, 0]), np.array([[0.0, 1], [1, 0]], np.float32)])
def test_labels_are_shares_of_what_is_shown_and_what_the_teacher_sees(labels: Any) -> None:
    answers = np.array([[0.8, 0.2], [0.4, 0.6]], np.float32)
    engine: Any = SimpleNamespace(run=lambda pictures: {"probabilities": answers})
    softened = Teacher([(engine, 4)], 0.5).soften(np.zeros((2, 4, 4, 3)), labels)
    np.testing.assert_allclose(softened, [[0.4, 0.6], [0.7, 0.3]], atol=1e-6)


def test_the_teacher_answers_as_its_own_network_does(model: Path) -> None:
    config = TrainConfig(teacher=str(model), teacher_weight=1.0, device="cpu", threads=1)
    teacher = open_teacher(config, ("cat", "dog"))
    assert teacher is not None
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    from inception.models.network import Normalise
    from inception.weights.model_file import load_model

    with torch.no_grad():
        logits = load_model(model).network(
            Normalise(SPEC.preprocessing)(torch.from_numpy(pictures))
        )
    expected = logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(teacher.soften(pictures, np.array([0, 1, 0])), expected, atol=1e-5)


@pytest.mark.parametrize("side", [20, 32, 50])
def test_a_teacher_looks_at_pictures_of_any_size(side: int, model: Path) -> None:
    teacher = open_teacher(TrainConfig(teacher=str(model), device="cpu", threads=1), ("cat", "dog"))
    assert teacher is not None
    colours = np.random.default_rng(side).integers(0, 256, (4, 1, 1, 3)).astype(np.float32)
    labels = np.array([0, 1, 1, 0])
    own, other = (
        teacher.soften(np.broadcast_to(colours, (4, s, s, 3)).copy(), labels) for s in (32, side)
    )
    np.testing.assert_allclose(other, own, atol=1e-6)


def test_several_teachers_answer_by_their_mean(model: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = tmp_path / "other.safetensors"
    spec = replace(SPEC, preprocessing=replace(SPEC.preprocessing, size=40))
    save_model(other, create_model(spec).state_dict(), ModelInfo(spec, ("cat", "dog")))
    pictures = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    labels = np.array([0, 1, 1])
    first, second, both = (
        open_teacher(TrainConfig(teacher=names, device="cpu", threads=1), ("cat", "dog"))
        for names in (str(model), str(other), f"{model}, {other}")
    )
    assert first and second and both
    mean = (first.soften(pictures, labels) + second.soften(pictures, labels)) / 2
    np.testing.assert_allclose(both.soften(pictures, labels), mean, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        ("{model}", ("cat", "cow"), "class 1 is 'dog'"),
        ("{model},nobody", ("cat", "dog"), "no such model: nobody"),
        ("{model},", ("cat", "dog"), "teacher names a model or several, A,B; got"),
        (",", ("cat", "dog"), "teacher names a model or several, A,B; got ','"),
    ],
    ids=str,
)
def test_a_teacher_that_cannot_teach_is_refused(
    names: str, classes: tuple[str, ...], message: str, model: Path
) -> None:
    with pytest.raises(InputError, match=message):
        find_teachers(TrainConfig(teacher=names.format(model=model)), classes)
