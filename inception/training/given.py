"""Settings as a caller of ``train`` gives them: by name, in a mapping, or as a ``TrainConfig``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypedDict

from inception.errors import InputError
from inception.models.variants import Head, NormKind
from inception.training.config import (
    Average,
    Freeze,
    Optimiser,
    Precision,
    Schedule,
    TrainConfig,
)
from inception.training.recipes import recipe
from inception.training.settings import find_setting


class Settings(TypedDict, total=False):
    """Names and types of ``TrainConfig``'s fields, for editors; a test holds them equal."""

    recipe: str
    model: str | None
    width: float
    norm: NormKind
    head: Head
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
    aux_weight: float
    augment: str
    area: tuple[float, float] | None
    mirror: bool | None
    photometric: float | None
    lighting: float | None
    interpolations: tuple[str, ...] | None
    mixup: float
    cutmix: float
    average: Average
    average_decay: float
    average_start: float
    clip_norm: float | None
    patience: int | None
    seed: int
    data_seed: int | None
    precision: Precision
    device: str
    threads: int | None
    max_unreadable: float
    checkpoint_s: float


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
    given |= named
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
