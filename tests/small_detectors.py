"""Detectors small enough to train and run in tests."""

from pathlib import Path
from typing import Any

import torch

from inception.detection.detector import Detector, Mode, design
from inception.detection.detector_file import DetectorInfo, save_detector
from inception.models.build import build
from inception.models.network import InceptionNet
from inception.models.spec import (
    CLASSES,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Linear,
    Norm,
    Pool,
    Spec,
)
from inception.preprocessing import Preprocessing

SMALL = Spec(
    "small",
    stages={
        "c1": Conv(6, kernel=5, stride=2, norm=Norm()),
        "mixed": Branches({"a": Conv(4), "b": {"pool": Pool("max", 3, padding=1), "c": Conv(4)}}),
        "c2": Conv(8, kernel=3, stride=2),
        "down": Pool("max", kernel=3, stride=2, ceil=True),
        "top": Conv(12, kernel=3, norm=Norm()),
    },
    classifier={
        "pool": Pool("average", grid=1),
        "flatten": Flatten(),
        "dropout": Dropout(0.2),
        "logits": Linear(CLASSES),
    },
    num_classes=3,
    preprocessing=Preprocessing(size=32),
)


def small_detector(
    mode: Mode = "fast", classes: tuple[str, ...] = ("a", "b"), **how: Any
) -> Detector:
    """Pools the 8x8 grid of ``c2``; pictures of 64 px."""
    how = {"picture_size": 64, "context_px": 4, **how}
    return design(SMALL, classes, mode, **how)


def small_network(detector: Detector, seed: int = 0) -> InceptionNet:
    """Random weights, batch norm's statistics too."""
    torch.manual_seed(seed)
    network = build(detector.network).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return network


def write_detector(path: Path, detector: Detector, seed: int = 0) -> Path:
    """A detector's file with random weights."""
    network = small_network(detector, seed)
    save_detector(path, network.state_dict(), DetectorInfo(detector))
    return path
