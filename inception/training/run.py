"""A run is a folder: from a data set and a configuration to a trained model with its records."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from inception.data.datasets import Data, open_data
from inception.errors import InputError
from inception.machine import available_cores, torch_threads
from inception.models import create_model
from inception.models.network import InceptionNet
from inception.models.spec import Spec
from inception.prediction import RUN_MODEL, find_model
from inception.runtime.torch_engine import pick_device
from inception.training.checkpoint import State, read_checkpoint
from inception.training.config import TrainConfig
from inception.training.design import design, start_from
from inception.training.heads import FIRST_SCALE, level_rows
from inception.training.loop import Interrupted, Reports, Training, least_batch
from inception.training.records import CONFIG, RunStart, record_best, record_epoch, record_start
from inception.training.transfer import train_classifier

LAST = "last.safetensors"


@dataclass(frozen=True)
class RunSummary:
    """What a run ended with.

    Attributes:
        top1_accuracy: of ``model``, the best epoch's weights, on the validation set.
        averaged: whether those are averages over steps.
    """

    folder: Path
    model: Path
    data: str
    epochs: int
    best_epoch: int
    top1_accuracy: float
    loss: float
    seconds: float
    averaged: bool = True

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        values = {**self.__dict__, "folder": str(self.folder), "model": str(self.model)}
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunSummary:
        """The inverse of ``to_json``."""
        folder, model = Path(values["folder"]), Path(values["model"])
        return cls(**{**values, "folder": folder, "model": model})


def train(
    data: str | Path | None,
    config: TrainConfig | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    reports: Reports | None = None,
    started: Callable[[RunStart], None] = lambda start: None,
) -> RunSummary:
    """Trains a network on a data set, into a run folder.

    Args:
        data: a data set (``data.datasets.open_data``); a resumed run knows its own.
        config: settings; the default recipe's where not given.
        out: the run folder; a new one below ``runs/`` by default.
        resume: a run folder to go on with, exactly as if it had not stopped.
        reports: told of steps and epochs.
        started: told what is about to happen.

    Raises:
        InputError: anything wrong with data, settings or folders.
        Interrupted: SIGINT or SIGTERM; the run is saved and can be resumed.
    """
    if resume is not None:
        return _resume(Path(resume), data, reports, started)
    if data is None:
        raise InputError("training needs a data set: inception train DATA")
    opened = open_data(data)
    config = resolve(config or TrainConfig())
    spec, init = design(config, len(opened.classes))
    train_set, val_set = opened.for_training(config.seed)
    config = replace(config, model=config.model or spec.name, image_size=spec.image_size)
    folder = _new_folder(out, spec, opened)
    torch.manual_seed(config.seed)
    network = create_model(spec)
    moved = None if init is None else start_from(network, init)
    if config.head in ("cosine", "knn"):
        level_rows(network.classifier, FIRST_SCALE)
    least_batch(network, config, num_processes())
    start = RunStart(folder, str(opened.place), spec, train_set, val_set, config, moved, None)
    if is_main_process():
        record_start(start)
    return _go(start, network, None, reports, started)


def is_main_process() -> bool:
    """Whether this process speaks and writes for the run: the first of those launched together."""
    return os.environ.get("RANK", "0") == "0"


def num_processes() -> int:
    """How many train together, a share of every batch each."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def resolve(config: TrainConfig) -> TrainConfig:
    """The same with device, threads and precision decided for this machine."""
    device = pick_device(config.device)
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    threads = config.threads or available_cores()
    return replace(config, device=device.type, precision=precision, threads=threads)


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 itself, rather than emulating it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def new_folder_name(what: str, data: str | Path | None) -> Path:
    """Where a run goes when nothing else is said."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{what}-{Path(data or '').resolve().stem}-{stamp}"


def _new_folder(out: str | Path | None, spec: Spec, data: Data) -> Path:
    folder = Path(out or new_folder_name(spec.name, data.place))
    if (folder / LAST).exists() or (folder / RUN_MODEL).exists():
        raise InputError(f"{folder} holds a run already: `--resume {folder}` goes on with it")
    return folder


def _resume(
    folder: Path,
    data: str | Path | None,
    reports: Reports | None,
    started: Callable[[RunStart], None],
) -> RunSummary:
    if not (folder / CONFIG).exists():
        raise InputError(f"{folder} is no run folder: it has no {CONFIG}")
    saved = json.loads((folder / CONFIG).read_text("utf-8"))
    config = TrainConfig.from_json(saved["config"])
    opened = open_data(data or saved["data"]["place"])
    train_set, val_set = opened.for_training(config.seed)
    if train_set.fingerprint() != saved["data"]["train"]:
        raise InputError(f"the training set at {opened.place} is not the one {folder} began with")
    spec = Spec.from_json(saved["model"])
    pick_device(config.device)
    state = None
    torch.manual_seed(config.seed)
    network = create_model(spec)
    moved = None
    if (folder / LAST).exists():
        state, _ = read_checkpoint(folder / LAST)
    elif config.init:  # it has no checkpoint yet, and begins again
        moved = start_from(network, find_model(config.init))
    at = None if state is None else (state.epoch, state.step)
    start = RunStart(folder, str(opened.place), spec, train_set, val_set, config, moved, at)
    return _go(start, network, state, reports, started)


def _go(
    start: RunStart,
    network: InceptionNet,
    state: State | None,
    reports: Reports | None,
    started: Callable[[RunStart], None],
) -> RunSummary:
    if is_main_process():
        started(start)
    if start.config.cached_views:
        return _go_cached(start, network, reports or Reports())
    with stop_signals() as stopping:
        training = Training(
            network,
            start.config,
            start.train,
            start.val,
            folder=start.folder,
            stopping=stopping,
            reports=reports if is_main_process() else None,
        )
        if state is not None:
            training.resume(state)
        for evaluation, best in training.run():
            if is_main_process():
                record_epoch(start, training.state)
                if best:
                    weights, epoch = training.averaged.state_dict(), training.state.epoch
                    record_best(start, weights, evaluation, epoch)
    return _summary(start, training.state)


def _go_cached(start: RunStart, network: InceptionNet, reports: Reports) -> RunSummary:
    """Seconds long, so it has no checkpoint: interrupted, it begins again from its cache."""
    with torch_threads(start.config.threads or 1):
        state, evaluation = train_classifier(network, start, reports)
    summary = _summary(start, state)
    record_epoch(start, state)
    record_best(start, network.state_dict(), evaluation, summary.best_epoch)
    return replace(summary, top1_accuracy=evaluation.top1_accuracy, loss=evaluation.loss)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """While the block runs, SIGINT and SIGTERM only set what the yielded function tells."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread may set handlers
        return
    before = {
        number: signal.signal(number, lambda *_: asked.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(start: RunStart, state: State) -> RunSummary:
    best = max(state.rows, key=lambda row: (row["top1_accuracy"], -row["val_loss"]))
    return RunSummary(
        folder=start.folder,
        model=start.folder / RUN_MODEL,
        data=start.data,
        epochs=state.epoch,
        best_epoch=best["epoch"],
        top1_accuracy=best["top1_accuracy"],
        loss=best["val_loss"],
        seconds=sum(row["seconds"] for row in state.rows),
        averaged=start.config.average != "none" and start.config.head != "knn",
    )


__all__ = ["Interrupted", "RunStart", "RunSummary", "resolve", "stop_signals", "train"]
