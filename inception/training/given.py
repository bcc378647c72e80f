"""Settings as a caller of ``train`` gives them: by name, in a mapping, or as a ``TrainConfig``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypedDict

from inception.errors import InputError, not_installed
from inception.files import read_text
from inception.models.variants import Head, NormKind
from inception.training.config import (
    Adversarial,
    Average,
    Balance,
    Freeze,
    LoggerName,
    Optimiser,
    Precision,
    Schedule,
    TrainConfig,
)
from inception.training.folder import CONFIG
from inception.training.recipes import recipe
from inception.training.settings import find_setting, parse


class Settings(TypedDict, total=False):
    """Names and types of ``TrainConfig``'s fields, for editors; a test holds them equal."""

    recipe: str
    model: str | None
    width: float
    norm: NormKind
    head: Head
    cut_after: str | None
    neighbours: int
    dropout: float | None
    aux_heads: int | None
    init: str | None
    freeze: Freeze
    unfreeze_from: str | None
    layer_decay: float
    cached_views: int
    image_size: int | None
    progressive: tuple[int, ...]
    eval_crop: float
    epochs: int
    steps: int | None
    batch_size: int
    accumulate: int
    sync_norm: bool
    checkpoint_activations: bool
    optimiser: Optimiser
    lr: float
    bias_lr: float
    momentum: float
    nesterov: bool
    rms_decay: float
    eps: float
    weight_decay: float
    schedule: Schedule
    warmup: float
    gamma: float
    step_epochs: float
    power: float
    label_smoothing: float
    balance: Balance
    teacher: str | None
    teacher_weight: float
    aux_weight: float
    augment: str
    area: tuple[float, float] | None
    mirror: bool | None
    photometric: float | None
    lighting: float | None
    interpolations: tuple[str, ...] | None
    mixup: float
    cutmix: float
    adversarial: Adversarial
    adversarial_eps: float
    adversarial_steps: int
    average: Average
    average_decay: float
    average_start: float
    clip_norm: float | None
    patience: int | None
    seed: int
    folds: int | None
    fold: int | None
    data_seed: int | None
    precision: Precision
    device: str
    threads: int | None
    keep_decoded_mb: int | None
    max_unreadable: float
    checkpoint_s: float
    logger: LoggerName
    keep: int


def configured(
    config: TrainConfig | Mapping[str, Any] | None, named: Mapping[str, Any]
) -> TrainConfig:
    """The settings of ``config``, with those ``named`` over them.

    A mapping begins from the recipe it names, else from the default one; what a run's
    ``config.json`` holds is such a mapping.

    Raises:
        InputError: no such setting, with the nearest named, or a value that it does not take.
    """
    if {"epochs", "steps"} <= set(named):
        raise InputError("give either epochs or steps")
    given = {} if config is None or isinstance(config, TrainConfig) else _settings(config)
    given |= {"steps": None, **named} if "epochs" in named else named
    for name in given:
        find_setting(str(name), fields(TrainConfig))
    begun = config
    if "recipe" in named or not isinstance(begun, TrainConfig):
        begun = recipe(given.get("recipe", "default"))
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    return replace(begun, **changes)


def _settings(values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        kind = type(values).__name__
        raise InputError(f"settings are a TrainConfig or a mapping by names; got a {kind}")
    if isinstance(values.get("config"), Mapping):  # of config.json
        return {**values["config"], **values.get("machine", {})}
    return dict(values)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a file: a run's ``config.json``, or names and values in JSON, TOML or YAML.

    Raises:
        InputError: no such file, not of that form, or settings that are none.
    """
    path = path / CONFIG if path.is_dir() else path
    try:
        values = _READERS.get(path.suffix.lower(), json.loads)(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not the form its name ends in ({error})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: no settings by names")
    return {
        name: _read(find_setting(str(name), fields(TrainConfig)), value)
        for name, value in _settings(values).items()
    }


def _read(of: Field[Any], value: Any) -> Any:
    """A value as ``--set`` would read it where a file has it as text: YAML takes 1e-3 for that."""
    return parse(of, value) if isinstance(value, str) else value


def _yaml(text: str) -> Any:
    if find_spec("yaml") is None:
        raise not_installed("pyyaml")
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


_READERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}
