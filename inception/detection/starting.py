"""How a detector's run begins, or goes on: its data, its table, what its folder says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inception import machine
from inception.detection.datasets import DetectionSet, open_detection
from inception.detection.detector import Detector, design
from inception.detection.detector_file import read_detector
from inception.detection.frozen import freeze_to
from inception.detection.proposals import SelectiveSearch
from inception.detection.settings import MACHINE, DetectConfig
from inception.errors import InputError, command, unknown
from inception.files import write_text
from inception.models.spec import Spec
from inception.prediction import find_model
from inception.runtime.torch_engine import pick_device
from inception.training.checkpoint import State, read_checkpoint
from inception.training.folder import CONFIG, LAST, new_folder_name
from inception.training.records import commit, versions
from inception.training.resuming import digest_of
from inception.weights.description import DETECTOR, read_description
from inception.weights.model_file import read_info


@dataclass(frozen=True)
class DetectStart:
    """What a run is about to do, for whoever watches.

    Attributes:
        freeze: the last stage that stays as it is; None where all train.
        resumed_at: epoch and step.
        moved: settings of the machine that are others than before.
    """

    folder: Path
    place: Path
    detector: Detector
    config: DetectConfig
    train: DetectionSet
    val: DetectionSet
    freeze: str | None
    identity: Mapping[str, str]
    resumed_at: tuple[int, int] | None = None
    moved: tuple[str, ...] = ()


def begun(data: str | Path | None, config: DetectConfig, out: str | Path | None) -> DetectStart:
    """A new run, its settings resolved for this machine. Raises ``InputError``."""
    if data is None:
        raise InputError("training needs a data set: inception detect train DATA")
    config = _on_this_machine(config)
    train_set, val_set = _sets(data)
    detector = _design(config, train_set.classes)
    freeze = _checked_freeze(detector, config)
    folder = Path(out or new_folder_name(f"detect-{detector.mode}", data))
    place, identity = Path(data).resolve(), _identity(detector, train_set, val_set, config)
    return DetectStart(folder, place, detector, config, train_set, val_set, freeze, identity)


def _sets(data: str | Path) -> tuple[DetectionSet, DetectionSet]:
    train_set = open_detection(data, "train")
    return train_set, open_detection(data, "val").with_classes(train_set.classes)


def _on_this_machine(config: DetectConfig) -> DetectConfig:
    threads = config.threads or machine.available_cores()
    return replace(config, device=pick_device(config.device).type, threads=threads)


def _design(config: DetectConfig, classes: tuple[str, ...]) -> Detector:
    """The detector a run trains: its own, or what it begins from where that is one."""
    spec = _spec_of(find_model(config.init))
    size = spec.image_size
    context = round(16 * size / 224) if config.context_px is None else config.context_px
    return design(
        spec,
        classes,
        config.mode,
        stage=config.stage,
        picture_size=config.picture_size,
        boxes=config.boxes,
        keep_grid=config.keep_grid,
        context_px=context,
        search=SelectiveSearch(config.search, config.superpixels, config.least_px),  # type: ignore[arg-type]
        most_regions=config.most_regions,
    )


def _spec_of(path: Path) -> Spec:
    values = read_description(path)
    if isinstance(values, Mapping) and DETECTOR in values:
        return read_detector(path).detector.network
    return read_info(path).spec


def _checked_freeze(detector: Detector, config: DetectConfig) -> str | None:
    freeze = freeze_to(detector, config.freeze)
    if freeze not in (None, *detector.network.stages):
        raise unknown("stage", str(freeze), detector.network.stages)
    return freeze


def _identity(
    detector: Detector, train_set: DetectionSet, val_set: DetectionSet, config: DetectConfig
) -> dict[str, str]:
    return {
        "network": detector.network.digest(),
        "train": train_set.digest(),
        "val": val_set.digest(),
        "init": digest_of(find_model(config.init)),
    }


def record_start(start: DetectStart) -> None:
    """Writes ``config.json``: settings, machine, data, detector, versions."""
    settings = start.config.to_json()
    values = {
        "config": {n: v for n, v in settings.items() if n not in MACHINE},
        "machine": {n: settings[n] for n in MACHINE},
        "data": {"place": str(start.place), **data_json(start)},
        "identity": dict(start.identity),
        DETECTOR: start.detector.to_json(),
        "model": start.detector.network.name,
        "versions": versions(),
        "commit": commit(),
    }
    write_text(start.folder / CONFIG, json.dumps(values, indent=1, allow_nan=False))


def data_json(start: DetectStart) -> dict[str, Any]:
    """How many pictures there are."""
    return {"train_pictures": len(start.train), "val_pictures": len(start.val)}


def resumed(
    folder: Path, data: str | Path | None, on: Mapping[str, Any]
) -> tuple[DetectStart, State | None]:
    """The run of a folder, ready to go on as if it had not stopped; and how far it was.

    Raises:
        InputError: it is none, or its data, model or settings are not what they were.
    """
    values = _read_start(folder)
    saved = DetectConfig.from_json({**values["config"], **values["machine"]})
    if strange := [name for name in on if name not in MACHINE]:
        raise unknown("setting of a machine", strange[0], MACHINE)
    config = _on_this_machine(replace(saved, **on))
    place = Path(data or values["data"]["place"])
    if not place.exists():
        say = command("detect", "train", "DATA", "--resume", folder)
        raise InputError(f"the pictures of {folder} are no more at {place}; say where: {say}")
    detector = Detector.from_json(values[DETECTOR])
    train_set, val_set = _sets(place)
    identity = _identity(detector, train_set, val_set, config)
    for name, digest in identity.items():
        if values["identity"].get(name) != digest:
            raise InputError(f"the {_NAMES[name]} of {folder} is not what the run began with")
    state = read_checkpoint(folder / LAST)[0] if (folder / LAST).exists() else None
    changed = [n for n in MACHINE if getattr(config, n) != getattr(saved, n)]
    start = DetectStart(
        folder, place, detector, config, train_set, val_set,
        _checked_freeze(detector, config),
        identity,
        resumed_at=None if state is None else (state.epoch, state.step),
        moved=tuple(f"{n} {getattr(config, n)} (was {getattr(saved, n)})" for n in changed),
    )  # fmt: skip
    return start, state


_NAMES = {
    "network": "network",
    "train": "training set",
    "val": "validation set",
    "init": "model it was made of",
}


def _read_start(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.exists():
        raise InputError(f"{folder} is no run folder: it has no {CONFIG}")
    try:
        values = json.loads(path.read_text("utf-8"))
        known = all(isinstance(values[name], dict) for name in ("config", "machine", "identity"))
        if known and DETECTOR in values and isinstance(values["data"]["place"], str):
            return dict(values)
    except (OSError, ValueError, LookupError, TypeError):
        pass
    go_on = command("train", "--resume", folder)
    raise InputError(f"{folder} is no run of a detector; if it is a classifier's: {go_on}")
