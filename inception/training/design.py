"""Which network a run trains: a name or a spec, in the variant asked for, and where it starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from inception.errors import InputError, unknown
from inception.models import get_spec
from inception.models.cost import cost
from inception.models.network import InceptionNet
from inception.models.spec import Spec
from inception.models.variants import wider, with_aux_heads, with_dropout, with_head, with_norm
from inception.prediction import find_model
from inception.training.config import TrainConfig
from inception.weights.model_file import Transplant, load_weights, read_info, transplant

DEFAULT_MODEL = "googlenet_bn"


def design(config: TrainConfig, num_classes: int) -> tuple[Spec, Path | None]:
    """The network for so many classes, and the file whose weights it starts from.

    Raises:
        InputError: no such network, variant or file, or settings that contradict each other.
    """
    init = find_model(config.init) if config.init else None
    _check_freeze(config, init)
    own = init is not None and config.model is None
    spec = read_info(init).spec if init and own else _named_spec(config.model or DEFAULT_MODEL)
    size = config.image_size or spec.image_size
    if config.unfreeze_from not in (None, *spec.stages):
        raise unknown("stage", str(config.unfreeze_from), spec.stages)
    for each in (*config.progressive, size):
        cost(spec, each)  # refuses a size too small for the network
    preprocessing = replace(spec.preprocessing, size=size, crop=config.eval_crop)
    spec = _variant(replace(spec, num_classes=num_classes, preprocessing=preprocessing), config)
    # heads hang on features that a cache does not keep
    return replace(spec, aux={}) if config.cached_views else spec, init


def start_from(network: InceptionNet, init: Path) -> Transplant:
    """Gives the network those weights of a model that fit.

    Raises:
        InputError: none do.
    """
    moved = transplant(network, load_weights(init))
    if not any(name not in moved.fresh for name, _ in network.named_parameters()):
        raise InputError(f"nothing in {init} fits {network.spec.name}")
    return moved


def _check_freeze(config: TrainConfig, init: Path | None) -> None:
    if config.freeze != "none" and init is None:
        raise InputError("--freeze needs --init: weights that were never trained teach nothing")
    if config.cached_views and config.freeze != "backbone":
        raise InputError("cached_views needs --freeze backbone: else features change every step")
    if config.cached_views and (config.mixup or config.cutmix):
        raise InputError("mixup and cutmix mix pictures, not features; leave out cached_views")
    if config.head == "knn" and not config.cached_views:
        raise InputError("head=knn needs --freeze backbone --set cached_views=1: it trains nothing")
    if config.unfreeze_from and (config.freeze == "none" or config.cached_views):
        raise InputError("unfreeze_from needs --freeze backbone, and no cached_views")


def _named_spec(model: str) -> Spec:
    if not model.endswith(".json"):
        return get_spec(model)
    try:
        return Spec.from_json(json.loads(Path(model).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{model}: not a network's description ({error})") from error


def _variant(spec: Spec, config: TrainConfig) -> Spec:
    """The spec with what the settings change about it, each with a line among its departures."""
    spec = with_norm(wider(spec, config.width), config.norm)
    if config.aux_heads is not None:
        spec = with_aux_heads(spec, config.aux_heads)
    spec = with_head(spec, config.head)
    return spec if config.dropout is None else with_dropout(spec, config.dropout)
