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
from inception.training.teacher import Teacher, find_teacher, open_teacher
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
    engine = SimpleNamespace(run=lambda pictures: {"probabilities": answers})
    softened = Teacher(engine, 0.5).soften(np.zeros((2, 4, 4, 3)), labels)  # type: ignore[arg-type]
    np.testing.assert_allclose(softened, [[0.4, 0.6], [0.7, 0.3]], atol=1e-6)


def test_the_teacher_answers_as_its_own_network_does(model: Path) -> None:
    config = TrainConfig(teacher=str(model), teacher_weight=1.0, device="cpu", threads=1)
    teacher = open_teacher(config, ("cat", "dog"), SPEC.image_size)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("cat", "cow")}, "class 1 is 'dog'"),
        ({"size": 64}, "teaches at no other size: --image-size 32"),
        ({"progressive": (16,)}, "no progressive sizes"),
        ({"teacher": "nobody"}, "no such model: nobody"),
    ],
    ids=str,
)
def test_a_teacher_that_cannot_teach_is_refused(
    change: dict[str, Any], message: str, model: Path
) -> None:
    given = {"classes": ("cat", "dog"), "size": SPEC.image_size, "teacher": str(model)} | change
    config = TrainConfig(teacher=given["teacher"], progressive=given.get("progressive", ()))
    with pytest.raises(InputError, match=message):
        find_teacher(config, given["classes"], given["size"])
