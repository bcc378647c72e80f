"""A run is a folder: from a data set and a configuration to a trained model with its records."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

import numpy as np

from inception.data.datasets import Dataset, open_data
from inception.errors import InputError, command, lacks_memory
from inception.evaluation.evaluate import Evaluation
from inception.machine import available_cores, torch_threads
from inception.models.network import InceptionNet
from inception.prediction import RUN_MODEL
from inception.training.checkpoint import State, keep_checkpoint
from inception.training.config import TrainConfig
from inception.training.design import begin, design, resolve
from inception.training.folder import LAST, check_free, locked, new_folder_name
from inception.training.given import Settings, configured
from inception.training.group import Group, Interrupted, Lost, joined, take_device
from inception.training.loggers import check_logger, logged
from inception.training.loop import Reports, Training
from inception.training.readable import Looked, look
from inception.training.records import (
    Pictures,
    RunStart,
    record_best,
    record_epoch,
    record_start,
    record_tables,
)
from inception.training.resuming import identity, resumed
from inception.training.teacher import find_teachers
from inception.training.trained import least_batch
from inception.training.transfer import train_classifier


@dataclass(frozen=True)
class RunSummary:
    """What a run ended with.

    Attributes:
        top1_accuracy: of ``model``, the best epoch's weights, on the validation set.
        averaged: whether those are averages over steps.
        majority_accuracy: of always answering the largest class of the validation set, which has
            ``val_pictures``.
        to_try: what may help, where the result is not clearly better than that.
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
    majority_accuracy: float = 0.0
    val_pictures: int = 0
    to_try: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        values = {**self.__dict__, "folder": str(self.folder), "model": str(self.model)}
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunSummary:
        """The inverse of ``to_json``."""
        folder, model = Path(values["folder"]), Path(values["model"])
        to_try = tuple(values.get("to_try", ()))
        return cls(**{**values, "folder": folder, "model": model, "to_try": to_try})


def train(
    data: str | Path | None,
    config: TrainConfig | Settings | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    machine: Mapping[str, Any] = MappingProxyType({}),
    reports: Reports | None = None,
    started: Callable[[RunStart], None] = lambda start: None,
    **settings: Unpack[Settings],
) -> RunSummary:
    """Trains a network on a data set, into a run folder.

    Args:
        data: a data set (``data.datasets.open_data``); a resumed run knows its own.
        config: settings, also as a mapping; the default recipe's where not given. A resumed run
            has its own: what is decided here must be the same there.
        out: the run folder; a new one below ``runs/`` by default.
        resume: a run folder to go on with, exactly as if it had not stopped; or a checkpoint that
            ``keep`` left there.
        machine: settings among ``config.MACHINE`` that a resumed run is to have from now on.
        reports: told of steps and epochs.
        started: told what is about to happen.
        settings: any of ``TrainConfig``, over those of ``config``; of a resumed run the machine's.

    Raises:
        InputError: anything wrong with data, settings or folders.
        Interrupted: SIGINT or SIGTERM; the run is saved and can be resumed.

    Example:
        >>> summary = train("pets", out="runs/pets", model="lenet5", epochs=1)
        >>> summary.folder.name, summary.epochs
        ('pets', 1)
        >>> load("runs/pets").classes
        ('cat', 'dog')
    """
    with joined() as group:
        if resume is not None:
            now: dict[str, Any] = {**machine, **settings}
            same = None if config is None else configured(config, {})
            start, network, state = resumed(Path(resume), data, same, now, group)
        else:
            start, network = _begun(data, configured(config, settings), out, group)
            state = None
        take_device(start.config.device)
        group.check_same(start.alike())
        with alone_in(start.folder, group):
            if resume is None:
                group.first(lambda: check_free(start.folder))  # one may have ended there meanwhile
            return _go(start, network, state, group, reports or Reports(), started)


def _begun(
    data: str | Path | None, config: TrainConfig, out: str | Path | None, group: Group
) -> tuple[RunStart, InceptionNet]:
    """A new run, its settings resolved for this machine, and its network."""
    if data is None:
        raise InputError("training needs a data set: inception train DATA")
    opened = open_data(data)
    config = resolve(config)
    check_logger(config.logger)
    spec, init = design(config, len(opened.classes))
    train_set, val_set = opened.for_training(config.seed, config.held_fold)
    config = replace(config, model=config.model or spec.name, image_size=spec.image_size)
    folder = group.first(lambda: Path(out or new_folder_name(spec.name, str(opened.place))))
    group.first(lambda: check_free(folder))
    teachers = find_teachers(config, train_set.classes)
    network, moved = begin(spec, config, init, train_set.classes)
    least_batch(network, config)
    start = RunStart(
        folder, str(opened.place), spec, train_set, val_set, config,
        identity=group.first(lambda: identity(spec, train_set, val_set, init, teachers)),
        looked=group.first(lambda: _look(train_set, val_set, config)),
        transplant=moved and moved.transplant, kept_classes=moved and moved.kept_classes,
        processes=group.size,
    )  # fmt: skip
    return start, network


@contextmanager
def alone_in(folder: Path, group: Group) -> Iterator[None]:
    """The folder's lock, which the first process of a run holds for them all."""
    with ExitStack() as held:
        group.first(lambda: held.enter_context(locked(folder)))
        yield


def _look(train_set: Dataset, val_set: Dataset, config: TrainConfig) -> tuple[Looked, ...]:
    threads, most = config.threads or available_cores(), config.max_unreadable
    return tuple(look(each, threads=threads, most=most) for each in (train_set, val_set))


def _go(
    start: RunStart,
    network: InceptionNet,
    state: State | None,
    group: Group,
    reports: Reports,
    started: Callable[[RunStart], None],
) -> RunSummary:
    if group.leads:
        record_start(start)
        if state is not None:
            record_tables(start.folder, state)  # cut back to the checkpoint
        started(start)
    else:
        reports = Reports()
    told = logged(start, reports) if group.leads else nullcontext(reports)
    with told as reports:
        if start.config.cached_views:
            return _train_cached(start, network, group, reports)
        return _train(start, network, state, group, reports)


def _train(
    start: RunStart, network: InceptionNet, state: State | None, group: Group, reports: Reports
) -> RunSummary:
    with stop_signals() as stopping, _resumable(start.folder, (Lost, NoMemory)):
        training = Training(
            network,
            start.config,
            start.train,
            start.val,
            folder=start.folder,
            group=group,
            stopping=stopping,
            reports=reports,
        )
        if state is not None and start.checkpoint is not None:
            training.resume(state, start.checkpoint)
        with Pictures(start.folder, reports.warning) as pictures:
            for evaluation, best in training.run():
                _keep(start, training, evaluation, best, pictures)
    return _summary(start, training.state)


def _keep(
    start: RunStart, training: Training, evaluation: Evaluation, best: bool, pictures: Pictures
) -> None:
    """After an epoch: the best model, then the checkpoint that counts it, then all the rest."""
    if not training.group.leads:
        return
    with _resumable(start.folder):
        if best:
            record_best(start, training.averaged.state_dict(), evaluation, training.state.epoch)
        training.save()
        keep_checkpoint(training.last, training.state.epoch, start.config.keep)
        record_epoch(start.folder, training.state)
        pictures.add(training.state, evaluation if best else None)


class NoMemory(InputError):
    """There is none left."""


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise NoMemory(
            "not enough memory: give it more, or begin again with a smaller --batch-size or "
            "--set accumulate=4"
        ) from error


@contextmanager
def _resumable(
    folder: Path, faults: tuple[type[InputError], ...] = (InputError,)
) -> Iterator[None]:
    """Where something cannot be written, a process or memory is gone: says how the run goes on."""
    try:
        with _enough_memory():
            yield
    except faults as error:
        if not (folder / LAST).exists():
            raise
        go_on = command("train", "--resume", folder)
        raise InputError(f"{error}; the run is saved, `{go_on}` goes on with it") from error


def _train_cached(
    start: RunStart, network: InceptionNet, group: Group, reports: Reports
) -> RunSummary:
    """Seconds long, so it has no checkpoint: interrupted, it begins again from its cache."""
    with torch_threads(start.config.threads or 1):
        state, evaluation = train_classifier(network, start, reports, group)
    summary = _summary(start, state)
    if group.leads:
        record_best(start, network.state_dict(), evaluation, summary.best_epoch)
        record_epoch(start.folder, state)
        with Pictures(start.folder, reports.warning) as pictures:
            pictures.add(state, evaluation)
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
    majority, pictures = float(np.bincount(start.val.labels).max() / len(start.val)), len(start.val)
    chance = 2 * (majority * (1 - majority) / pictures) ** 0.5  # two deviations of so few pictures
    guessed = best["top1_accuracy"] <= majority + chance
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
        majority_accuracy=majority,
        val_pictures=pictures,
        to_try=_to_try(start.config) if guessed else (),
    )


def _to_try(config: TrainConfig) -> tuple[str, ...]:
    """What may make a run learn something, the likeliest first."""
    lines = []
    if config.init is None:
        lines.append("--init: start from a trained network rather than from random weights")
        lines.append("--recipe few-pictures: only a classifier, on what such a network sees")
    if config.freeze != "none":
        if config.cut_after is None:
            lines.append(
                "--set cut_after=STAGE: early stages, inception_3b say, see what other kinds of "
                "pictures have too"
            )
        lines.append(
            "without --freeze, at a low rate: what the network sees may not be what tells these "
            "classes apart (--recipe small-data --lr 3e-4 --epochs 20)"
        )
    elif config.optimiser == "sgd":
        lines.append("--recipe small-data: AdamW, which learns sooner")
    lines.append(f"more epochs than {config.epochs}" if config.steps is None else "more steps")
    lines.append("inception data check: labels that contradict each other, unreadable pictures")
    return tuple(lines)


__all__ = ["Interrupted", "RunStart", "RunSummary", "resolve", "stop_signals", "train"]
