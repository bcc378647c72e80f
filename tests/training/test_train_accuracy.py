"""Accuracy in training: of the pictures as they are shown, epoch by epoch."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import TINY

from inception.evaluation.evaluate import evaluate
from inception.training.config import TrainConfig
from inception.training.run import train


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Pictures of which a fresh network gets some right and some wrong."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 21), ("val", 4)):
        for name in ("a", "b", "c"):
            folder = tmp_path / "noise" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (16, 16, 3)) * rng.uniform(0, 1, 3)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "noise"


@pytest.mark.parametrize("accumulate", [1, 3])
def test_weights_that_stand_still_are_as_right_in_training_as_after_it(
    noise: Path, tmp_path: Path, accumulate: int
) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(TINY.to_json()))
    still = TrainConfig(
        model=str(tmp_path / "tiny.json"), epochs=2, batch_size=10, lr=1e-9, augment="none",
        eval_crop=1.0, threads=1, accumulate=accumulate, device="cpu",
    )  # fmt: skip
    train(noise, still, out=tmp_path / "run")
    shown = evaluate(tmp_path / "run", noise, split="train", engine="torch").top1_accuracy
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        told = [float(row["train_accuracy"]) for row in csv.DictReader(file)]
    assert 0 < shown < 1
    assert told == pytest.approx([shown, shown], abs=1e-6)
