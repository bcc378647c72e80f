"""What a run leaves: model files, checkpoints, its description; of classifiers and of detectors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from damage import Target, damaged_json, damaged_tensors, folder_for
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[1] / "detection"), str(Path(__file__).parents[1])]
LAST, CONFIG, MODEL = "last.safetensors", "config.json", "model.safetensors"


@cache
def run() -> Path:
    """The folder of one step of LeNet-5."""
    from inception import TrainConfig, train

    place = folder_for("runs")
    for label, colour in (("a", "red"), ("b", "blue")):
        for split in ("train", "val"):
            folder = place / "data" / split / label
            folder.mkdir(parents=True)
            Image.new("RGB", (28, 28), colour).save(folder / "0.png")
    config = TrainConfig(model="lenet5", steps=1, batch_size=2, threads=1)
    train(place / "data", config, out=place / "run")
    return place / "run"


@cache
def detect_run() -> Path:
    """The folder of a detector's run after a step that changed nothing."""
    import torch
    from annotating import write_voc
    from small_detectors import SMALL

    from inception.detection.settings import DetectConfig
    from inception.detection.starting import begun, record_start
    from inception.models.build import build
    from inception.weights.model_file import ModelInfo, save_model

    place = folder_for("runs") / "detect"
    write_voc(place / "data")
    init = place / "small.safetensors"
    save_model(init, build(SMALL).state_dict(), ModelInfo(SMALL, ("x", "y", "z")))
    config = DetectConfig(init=str(init), picture_size=64, context_px=4, threads=1)
    start = begun(place / "data", config, place / "run")
    record_start(start)
    learning = detector_learning(start)
    for p in learning.network.parameters():
        p.grad = torch.zeros_like(p) if p.requires_grad else None
    learning.optimiser.step()
    learning.save()
    return place / "run"


def detector_learning(start: Any) -> Any:
    """A detector in training, without what it learns from."""
    from inception.detection.learning import Learning, LearntPart
    from inception.detection.run import _network

    part = LearntPart(_network(start), start.detector, start.freeze)
    nothing: Any = SimpleNamespace(pictures=[0])
    return Learning(part, nothing, nothing, start.config, folder=start.folder)


def beside(path: Path, folder: Path, names: tuple[str, ...] = (CONFIG, LAST)) -> None:
    """Puts a folder's other files beside a damaged one of it."""
    for name in names:
        if name != path.name and (folder / name).exists() and not (path.parent / name).exists():
            (path.parent / name).write_bytes((folder / name).read_bytes())


def read_model(path: Path) -> None:
    """A model file as every engine takes it."""
    from inception.runtime import create_engine
    from inception.weights.model_file import load_model

    load_model(path)
    create_engine(path, "onnx", threads=1)


def resume(path: Path) -> None:
    """A run that goes on, up to the next step it would make."""
    from inception.training.group import Group
    from inception.training.loop import Training
    from inception.training.resuming import resumed

    beside(path, run())
    start, network, state = resumed(path.parent, run().parent / "data", None, {}, Group())
    training = Training(network, start.config, start.train, start.val, folder=path.parent)
    if state is not None and start.checkpoint is not None:
        training.resume(state, start.checkpoint)
        training.reports.step(training.state, training.steps_per_epoch, training._last_rate())


def resume_detector(path: Path) -> None:
    """A detector's run that goes on, up to the next step it would make."""
    from inception.detection.starting import resumed

    beside(path, detect_run())
    start, state = resumed(path.parent, detect_run().parent / "data", {})
    learning = detector_learning(start)
    if state is not None:
        learning.resume(state)
        learning._rate(learning._global_step() - 1)


def of(folder: Callable[[], Path], name: str) -> Callable[[], bytes]:
    """A file of a folder."""
    return lambda: (folder() / name).read_bytes()


RUNS = {
    "model": Target(MODEL, of(run, MODEL), read_model, damaged_tensors),
    "checkpoint": Target(LAST, of(run, LAST), resume, damaged_tensors),
    "run-config": Target(CONFIG, of(run, CONFIG), resume, damaged_json),
    "detect-checkpoint": Target(LAST, of(detect_run, LAST), resume_detector, damaged_tensors),
    "detect-config": Target(CONFIG, of(detect_run, CONFIG), resume_detector, damaged_json),
}
