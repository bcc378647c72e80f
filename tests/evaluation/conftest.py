"""Tiny models with random weights, which answer differently to different crops."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception import create_model
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.weights.model_file import ModelInfo, save_model

SEVEN = ("blue", "green", "black", "red", "grey", "white", "pink")


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Gives the file of a convolution, an average over the picture, and a linear layer."""

    def make(
        seed: int,
        *,
        size: int = 16,
        width: int = 4,
        classes: Sequence[str] = SEVEN,
        scale: float = 1.0,
    ) -> Path:
        torch.manual_seed(seed)
        spec = Spec(
            "tiny",
            stages={"conv": Conv(width, kernel=3), "pool": Pool("average", grid=1)},
            classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
            num_classes=len(classes),
            preprocessing=Preprocessing(size=size),
        )
        shapes = create_model(spec).state_dict()
        weights = {
            n: scale * torch.randn_like(w) * (w.dim() > 1) for n, w in shapes.items()
        }  # no bias
        path = tmp_path / f"{seed}.safetensors"
        save_model(path, weights, ModelInfo(spec, tuple(classes)))
        return path

    return make


@pytest.fixture
def odd_pictures(tmp_path: Path) -> Path:
    """Three smooth pictures of chance for each of the seven classes."""
    rng = np.random.default_rng(0)
    for label in SEVEN:
        (tmp_path / "odd" / label).mkdir(parents=True)
        for i in range(3):
            spots = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
            spots.resize((30, 24)).save(tmp_path / "odd" / label / f"{i}.png")
    return tmp_path / "odd"
