"""``train`` for detectors: from data and settings to a run folder. Resumes what was stopped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from inception import machine
from inception.data.listing import some
from inception.detection.datasets import DetectionSet
from inception.detection.detector import Detector
from inception.detection.detector_file import DetectorInfo, save_detector
from inception.detection.engine import programs, region_engine
from inception.detection.evaluate import DetectEvaluation, evaluate_engines
from inception.detection.frozen import FrozenSet, frozen_set
from inception.detection.learning import Learning, LearntPart
from inception.detection.settings import DetectConfig
from inception.detection.sources import Source
from inception.detection.starting import DetectStart, begun, data_json, record_start, resumed
from inception.detection.svm import fit_svms
from inception.drawing import draw_curves
from inception.errors import InputError
from inception.evaluation.counting import check_unreadable
from inception.files import write_text
from inception.models.build import build
from inception.models.network import InceptionNet
from inception.prediction import RUN_MODEL, find_model
from inception.runtime import pick_engine
from inception.runtime.torch_engine import trained
from inception.text import csv_text
from inception.training.checkpoint import State
from inception.training.folder import check_free, locked
from inception.training.loop import Reports
from inception.training.records import commit, versions
from inception.training.run import stop_signals
from inception.weights.model_file import load_weights, transplant


@dataclass(frozen=True)
class DetectSummary:
    """What a run ended with: its model, and what that reaches on the validation pictures."""

    folder: Path
    model: Path
    data: str
    epochs: int
    seconds: float
    evaluation: DetectEvaluation

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {
            "folder": str(self.folder),
            "model": str(self.model),
            "data": self.data,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "evaluation": self.evaluation.to_json(),
        }


@dataclass(frozen=True)
class DetectReports:
    """What a run tells while it goes.

    Attributes:
        started: before anything is computed.
        preparing: what is computed before the first epoch, how much of it, and in all.
        training: steps, epochs, warnings.
    """

    started: Callable[[DetectStart], None] = lambda start: None
    preparing: Callable[[str, int, int], None] = lambda what, done, total: None
    training: Reports = field(default_factory=Reports)


def train(
    data: str | Path | None,
    config: DetectConfig | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    on: Mapping[str, Any] = MappingProxyType({}),
    reports: DetectReports | None = None,
) -> DetectSummary:
    """Trains a detector on pictures with boxes, into a run folder.

    Args:
        data: a Pascal VOC folder or COCO annotations; a resumed run knows its own.
        config: settings.
        out: the run folder; a new one below ``runs/`` by default.
        resume: a run folder to go on with, exactly as if it had not stopped.
        on: settings among ``MACHINE`` that a resumed run is to have from now on.
        reports: told of what happens.

    Raises:
        InputError: anything wrong with data, settings or folders.
        Interrupted: SIGINT or SIGTERM; the run is saved and can be resumed.
    """
    reports = reports or DetectReports()
    if resume is not None:
        start, state = resumed(Path(resume), data, on)
    else:
        start, state = begun(data, config or DetectConfig(), out), None
        check_free(start.folder, by=("detect", "train"))
    with locked(start.folder):
        if resume is None:
            record_start(start)
        reports.started(start)
        return _go(start, state, reports)


def _go(start: DetectStart, state: State | None, reports: DetectReports) -> DetectSummary:
    network = _network(start)
    train_set = _behind_frozen(start, "training", start.train, reports)
    val_set = _behind_frozen(start, "validation", start.val, reports)
    part = LearntPart(network, start.detector, start.freeze)
    with stop_signals() as stopping:
        learning = Learning(
            part, train_set, val_set, start.config,
            folder=start.folder, stopping=stopping, reports=reports.training,
        )  # fmt: skip
        if state is not None:
            learning.resume(state)
        for _ in learning.run():
            _save(start, start.detector, network, {})
            learning.save()
            _record_tables(start.folder, learning.state, [train_set, val_set])
    _draw(start.folder, learning.state, reports.training)
    detector = start.detector
    if start.config.scoring == "svm":
        detector = replace(detector, scoring="svm")
        with machine.torch_threads(start.config.threads):
            fit_svms(part, train_set, start.config)
    return _finish(start, detector, network, learning.state, reports)


def _network(start: DetectStart) -> InceptionNet:
    """The network to train: what it begins from, and a last layer that knows nothing."""
    torch.manual_seed(start.config.seed)
    network = build(start.detector.network)
    moved = transplant(network, load_weights(find_model(start.config.init)))
    (logits,) = network.logits_layers()
    name = next(n for n, module in network.named_modules() if module is logits)
    if f"{name}.weight" in moved.fresh:
        nn.init.zeros_(logits.weight)
        if logits.bias is not None:
            nn.init.zeros_(logits.bias)
    rest = [fresh for fresh in moved.fresh if not fresh.startswith(f"{name}.")]
    if rest:
        raise InputError(f"{start.config.init} lacks weights of the network: {some(rest, 4)}")
    return network


def _behind_frozen(
    start: DetectStart, name: str, data: DetectionSet, reports: DetectReports
) -> FrozenSet:
    detector, done = start.detector, itertools.count(1)
    found_in = Source(detector.search).propose_set(
        data,
        processes=start.config.threads or 1,
        progress=lambda: reports.preparing(f"{name} regions", next(done), len(data)),
    )  # fmt: skip
    regions = {i: each.boxes_xyxy[: detector.most_regions] for i, each in found_in.items()}
    found = frozen_set(
        data, detector, find_model(start.config.init), start.config, regions,
        freeze=start.freeze,
        varied=name == "training",
        progress=lambda done, total: reports.preparing(f"{name} features", done, total),
    )  # fmt: skip
    bad = list(found.unreadable.items())
    check_unreadable(len(bad), len(data), bad, start.config.max_unreadable)
    if not found.pictures:
        raise InputError(f"none of the {len(data)} {name} pictures can be read")
    return found


def _save(
    start: DetectStart, detector: Detector, network: InceptionNet, metrics: Mapping[str, Any]
) -> None:
    training = {
        "config": start.config.to_json(),
        "data": {**data_json(start), "train_digest": start.identity["train"]},
        "versions": versions(),
        "commit": commit(),
    }
    info = DetectorInfo(detector, metrics, training, parents=(start.config.init,))
    save_detector(start.folder / RUN_MODEL, network.state_dict(), info)


def _record_tables(folder: Path, state: State, frozen: Sequence[FrozenSet]) -> None:
    write_text(folder / "metrics.csv", csv_text(state.rows))
    unreadable = [
        {"path": path, "reason": reason}
        for each in frozen
        for path, reason in sorted(each.unreadable.items())
    ]
    write_text(folder / "unreadable.csv", csv_text(unreadable))


def _draw(folder: Path, state: State, reports: Reports) -> None:
    try:
        draw_curves(state.rows, folder / "curves.png")
    except (ImportError, OSError, InputError, MemoryError, RuntimeError, ValueError) as error:
        reports.warning(f"the run's curves were not drawn: {error}")


def _finish(
    start: DetectStart,
    detector: Detector,
    network: InceptionNet,
    state: State,
    reports: DetectReports,
) -> DetectSummary:
    """Measures the detector as it will be used, by the fast engine, and keeps what it reached."""
    config = start.config
    weights = {name: tensor.numpy(force=True) for name, tensor in trained(network).items()}
    engine = region_engine(
        detector,
        programs(detector, weights),
        pick_engine("auto", start.folder, config.device),
        device=config.device,
        threads=config.threads,
    )
    evaluation = evaluate_engines(
        [engine], start.val, Source(detector.search),
        threads=config.threads or 1,
        max_unreadable=config.max_unreadable,
        progress=lambda done, total: reports.preparing("validation", done, total),
    )  # fmt: skip
    metrics = {**evaluation.to_json(), "epoch": state.epoch}
    _save(start, detector, network, metrics)
    seconds = sum(row["seconds"] for row in state.rows)
    return DetectSummary(
        start.folder, start.folder / RUN_MODEL, str(start.place), state.epoch, seconds, evaluation
    )
