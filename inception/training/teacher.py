"""Trained models that tell a run what they see: distillation (arXiv:1503.02531)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from inception.errors import InputError
from inception.prediction import check_same_classes, find_model
from inception.runtime import Engine, create_engine
from inception.runtime.program import PROBABILITIES
from inception.training.config import TrainConfig
from inception.weights.model_file import read_info


@dataclass(frozen=True)
class Teacher:
    """Labels are shares of all classes from it: its own answer for ``weight`` of them.

    Attributes:
        models: engines and the side in px that each one's pictures have; several answer by their
            mean.
    """

    models: Sequence[tuple[Engine, int]]
    weight: float

    def soften(
        self, pictures: npt.NDArray[Any], labels: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """``[N, classes]``: what is shown beside what the teacher sees.

        Args:
            pictures: ``[N, H, W, 3]`` as the network is given them, mixed ones too.
            labels: ``[N]`` indices, or ``[N, classes]`` shares.
        """
        answers: npt.NDArray[np.float32] = np.mean(
            [engine.run(_shown(pictures, size))[PROBABILITIES] for engine, size in self.models],
            axis=0,
        )
        shares = labels if labels.ndim == 2 else np.eye(answers.shape[1], dtype=np.float32)[labels]
        return (self.weight * answers + (1 - self.weight) * shares).astype(np.float32)


def _shown(pictures: npt.NDArray[Any], size: int) -> npt.NDArray[np.uint8]:
    """The pictures at a model's own size."""
    if pictures.shape[1:3] != (size, size):
        planes = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        planes = F.interpolate(planes, (size, size), mode="bilinear", antialias=True)
        pictures = planes.permute(0, 2, 3, 1).numpy()
    shown: npt.NDArray[np.uint8] = np.clip(np.rint(pictures), 0, 255).astype(np.uint8)
    return shown


def find_teachers(config: TrainConfig, classes: Sequence[str]) -> tuple[Path, ...]:
    """The files of a run's teachers; none where it learns from labels alone.

    Raises:
        InputError: no such model, an empty name, or one of other classes.
    """
    names = [name.strip() for name in config.teacher.split(",")] if config.teacher else []
    if not all(names):
        raise InputError(f"teacher names a model or several, A,B; got {config.teacher!r}")
    paths = tuple(find_model(name) for name in names)
    for name, path in zip(names, paths, strict=True):
        check_same_classes(read_info(path).classes, classes, name, "the data set")
    return paths


def open_teacher(config: TrainConfig, classes: Sequence[str]) -> Teacher | None:
    """The run's teacher, made ready on its device; None where it has none."""
    models = [
        (
            create_engine(path, device=config.device, threads=config.threads),
            read_info(path).spec.image_size,
        )
        for path in find_teachers(config, classes)
    ]
    return Teacher(models, config.teacher_weight) if models else None
