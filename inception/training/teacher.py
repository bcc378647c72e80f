"""A trained model that tells a run what it sees: distillation (arXiv:1503.02531)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.errors import InputError
from inception.prediction import check_same_classes, find_model
from inception.runtime import Engine, create_engine
from inception.runtime.program import PROBABILITIES
from inception.training.config import TrainConfig
from inception.weights.model_file import read_info


@dataclass(frozen=True)
class Teacher:
    """Labels are shares of all classes from it: its own answer for ``weight`` of them."""

    engine: Engine
    weight: float

    def soften(
        self, pictures: npt.NDArray[Any], labels: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """``[N, classes]``: what is shown beside what the teacher sees.

        Args:
            pictures: ``[N, H, W, 3]`` as the network is given them, mixed ones too.
            labels: ``[N]`` indices, or ``[N, classes]`` shares.
        """
        shown = np.clip(np.rint(pictures), 0, 255).astype(np.uint8)
        answers = self.engine.run(shown)[PROBABILITIES]
        shares = labels if labels.ndim == 2 else np.eye(answers.shape[1], dtype=np.float32)[labels]
        return (self.weight * answers + (1 - self.weight) * shares).astype(np.float32)


def find_teacher(config: TrainConfig, classes: Sequence[str], size: int) -> Path | None:
    """The file of a run's teacher.

    Raises:
        InputError: no such model, or one of other classes or another picture size.
    """
    if config.teacher is None:
        return None
    path = find_model(config.teacher)
    info = read_info(path)
    check_same_classes(info.classes, classes, config.teacher, "the data set")
    if info.spec.image_size != size or config.progressive:
        raise InputError(
            f"{config.teacher} sees pictures of {info.spec.image_size} px, and teaches at no other "
            f"size: --image-size {info.spec.image_size}, and no progressive sizes"
        )
    return path


def open_teacher(config: TrainConfig, classes: Sequence[str], size: int) -> Teacher | None:
    """The run's teacher, made ready on its device; None where it has none."""
    path = find_teacher(config, classes, size)
    if path is None:
        return None
    engine = create_engine(path, device=config.device, threads=config.threads)
    return Teacher(engine, config.teacher_weight)
