"""A run that goes on: what must be as it was, and what may be another machine's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inception.data.datasets import Data, Dataset, open_data
from inception.errors import InputError, command, unknown
from inception.models.network import InceptionNet
from inception.models.spec import Spec
from inception.prediction import find_model
from inception.remote import place_of
from inception.training.checkpoint import State, read_checkpoint
from inception.training.config import MACHINE, TrainConfig
from inception.training.design import begin, resolve
from inception.training.folder import LAST
from inception.training.group import Group
from inception.training.records import RunStart, Saved, read_start
from inception.training.teacher import find_teachers

DECIDED = ("model", "image_size")  # by the run itself, when it begins, where they are None
SETS = {"train": "training", "val": "validation"}


def identity(
    spec: Spec, train: Dataset, val: Dataset, init: Path | None, teachers: Sequence[Path]
) -> dict[str, str]:
    """Digests of what a run stands on."""
    digests = {"spec": spec.digest(), "train": train.digest(), "val": val.digest()}
    models = {"init": [init] if init else [], "teacher": teachers}
    return digests | {
        name: ",".join(map(digest_of, paths)) for name, paths in models.items() if paths
    }


def digest_of(path: Path) -> str:
    """A short hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def resumed(
    place: Path,
    data: str | Path | None,
    config: TrainConfig | None,
    machine: Mapping[str, Any],
    group: Group,
) -> tuple[RunStart, InceptionNet, State | None]:
    """The run of a folder, ready to go on as if it had not stopped; or from one of its checkpoints.

    Raises:
        InputError: it is none, or its data, network or settings are not what they were.
    """
    folder, last = (place.parent, place) if place.is_file() else (place, place / LAST)
    saved = read_start(folder)
    check_same(folder, saved.config, config)
    if group.size != saved.processes:  # whose share of the cores is another
        machine = {"threads": None, **machine}
    now = _on_machine(saved.config, machine)
    opened = _data_of(folder, saved, data)
    train, val = opened.for_training(now.seed, now.held_fold)
    state = None
    if last.exists():
        state, settings = read_checkpoint(last, ("top1_accuracy", "val_loss"))
        check_same(last, saved.config, TrainConfig.from_json(settings))
    init = find_model(now.init) if now.init and state is None else None
    teachers = find_teachers(now, train.classes)
    found = group.first(lambda: identity(saved.spec, train, val, init, teachers))
    _check_identity(folder, opened, saved, found, train)
    network, moved = begin(saved.spec, now, init, train.classes)
    changed = [n for n in MACHINE if getattr(now, n) != getattr(saved.config, n)]
    start = RunStart(
        folder, str(opened.place), saved.spec, train, val, now,
        identity={**found, **saved.identity},
        transplant=moved and moved.transplant,
        kept_classes=moved and moved.kept_classes,
        resumed_at=None if state is None else (state.epoch, state.step),
        checkpoint=last,
        moved=tuple(f"{n} {getattr(now, n)} (was {getattr(saved.config, n)})" for n in changed),
        processes=group.size,
        processes_before=saved.processes,
    )  # fmt: skip
    return start, network, state


def check_same(place: Path, saved: TrainConfig, config: TrainConfig | None) -> None:
    """Raises ``InputError`` where ``config`` has decided something else than a run's own."""
    if config is None:
        return
    was, wanted = saved.to_json(), config.to_json()
    for name, value in wanted.items():
        undecided = name in DECIDED and value is None
        if name not in MACHINE and not undecided and value != was[name]:
            raise InputError(
                f"{place} is of a run with {name}={was[name]}, not {value}: name another --out"
            )


def _on_machine(saved: TrainConfig, machine: Mapping[str, Any]) -> TrainConfig:
    if strange := [name for name in machine if name not in MACHINE]:
        raise unknown("setting of a machine", strange[0], MACHINE)
    config = replace(saved, **machine)
    try:
        return resolve(config)
    except InputError as error:
        raise InputError(f"{error}; --device moves the run, --device cpu for example") from error


def _data_of(folder: Path, saved: Saved, data: str | Path | None) -> Data:
    place = place_of(data or saved.place)
    if data is None and not place.exists():
        say = command("train", "DATA", "--resume", folder)
        raise InputError(f"the pictures of {folder} are no more at {place}; say where: {say}")
    return open_data(str(place))


def _check_identity(
    folder: Path, data: Data, saved: Saved, found: Mapping[str, str], train: Dataset
) -> None:
    """Raises ``InputError`` where the run would go on as another one."""
    was = saved.identity
    if not was:  # an older run knew names and labels of its training set
        was, found = {"train": saved.fingerprint}, {"train": train.fingerprint()}
    for name in found:
        if was.get(name) == found[name]:
            continue
        if name not in SETS:
            model = saved.config.teacher if name == "teacher" else saved.config.init
            what = "network in its config.json" if name == "spec" else f"model {model}"
            raise InputError(f"the {what} is not the one that {folder} began with")
        again = command("train", str(data.place), "--init", folder)
        raise InputError(
            f"the {SETS[name]} set at {data.place} is not the one {folder} began with: pictures, "
            f"labels or classes changed; a new run may begin from its weights: {again}"
        )
