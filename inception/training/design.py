"""What a run trains, in the variant asked for, where it starts, and what its machine decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from inception.errors import InputError, unknown
from inception.machine import free_memory_mb
from inception.models import create_model, get_spec
from inception.models.build import build_empty
from inception.models.check import check
from inception.models.cost import cost
from inception.models.network import InceptionNet
from inception.models.spec import Spec
from inception.models.variants import (
    cut_after,
    wider,
    with_aux_heads,
    with_dropout,
    with_head,
    with_norm,
)
from inception.prediction import find_model
from inception.runtime.torch_engine import pick_device
from inception.training.config import TrainConfig
from inception.training.group import local_cores, local_processes
from inception.training.heads import FIRST_SCALE, level_rows
from inception.weights.model_file import Transplant, load_weights, read_info, transplant

DEFAULT_MODEL = "googlenet_bn"
MOST_DECODED_MB = 2000  # kept without being asked to


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
    check(spec)
    # heads hang on features that a cache does not keep
    return replace(spec, aux={}) if config.cached_views else spec, init


class Moved(NamedTuple):
    """What a run took over from the model it starts from.

    Attributes:
        kept_classes: those whose rows of the classifiers were kept; None where all were, the
            classes being the same.
    """

    transplant: Transplant
    kept_classes: tuple[str, ...] | None


def begin(
    spec: Spec, config: TrainConfig, init: Path | None, classes: Sequence[str]
) -> tuple[InceptionNet, Moved | None]:
    """The network as it is before its first step, with the weights of ``init`` that fit.

    Raises:
        InputError: none do.
    """
    torch.manual_seed(config.seed)
    network = create_model(spec)
    moved = None if init is None else start_from(network, init, classes)
    if config.head in ("cosine", "knn"):
        level_rows(network.classifier, FIRST_SCALE)
    return network, moved


def start_from(network: InceptionNet, init: Path, classes: Sequence[str]) -> Moved:
    """Gives the network those weights of a model that fit, of the classifiers by class name.

    Raises:
        InputError: none do.
    """
    weights, theirs = load_weights(init), read_info(init).classes
    kept, dropped = None, []
    if tuple(classes) != theirs:
        kept = tuple(name for name in classes if name in theirs)
        rows = _class_rows(network.spec)
        dropped = [name for name in rows if name in weights]
        weights = _by_name(network, weights, rows, theirs, classes)
    moved = transplant(network, weights)
    if not any(name not in moved.fresh for name, _ in network.named_parameters()):
        raise InputError(f"nothing in {init} fits {network.spec.name}")
    lost = tuple(name for name in dropped if name not in weights)
    return Moved(replace(moved, dropped=(*moved.dropped, *lost)), kept)


def _class_rows(spec: Spec) -> list[str]:
    """Parameters with a row a class: those that are larger with one class more."""
    shapes = [
        {n: t.shape for n, t in build_empty(each).state_dict().items()}
        for each in (spec, replace(spec, num_classes=spec.num_classes + 1))
    ]
    return [name for name, shape in shapes[0].items() if shapes[1][name] != shape]


def _by_name(
    network: InceptionNet,
    weights: Mapping[str, torch.Tensor],
    rows: Sequence[str],
    theirs: Sequence[str],
    classes: Sequence[str],
) -> dict[str, torch.Tensor]:
    """The weights, those with a row a class put together: theirs of equal names, else fresh."""
    pairs = [(i, theirs.index(name)) for i, name in enumerate(classes) if name in theirs]
    own, result = network.state_dict(), dict(weights)
    for name in rows:
        given = result.pop(name, None)
        wanted = (len(theirs), *own[name].shape[1:])
        if given is None or not pairs or given.shape != wanted:
            continue
        to, from_ = map(list, zip(*pairs, strict=True))
        result[name] = own[name].clone()
        result[name][to] = given[from_]
    return result


def _check_freeze(config: TrainConfig, init: Path | None) -> None:
    if config.freeze != "none" and init is None:
        raise InputError("--freeze needs --init: weights that were never trained teach nothing")
    if config.cached_views and config.freeze != "backbone":
        raise InputError("cached_views needs --freeze backbone: else features change every step")
    if config.cached_views and (config.mixup or config.cutmix):
        raise InputError("mixup and cutmix mix pictures, not features; leave out cached_views")
    if config.cached_views and config.adversarial != "none":
        raise InputError("adversarial changes pictures, not features; leave out cached_views")
    if config.cached_views and config.teacher:
        raise InputError("a teacher looks at pictures, not features; leave out cached_views")
    if config.head == "knn" and not config.cached_views:
        raise InputError("head=knn needs --freeze backbone --set cached_views=1: it trains nothing")
    if config.unfreeze_from and (config.freeze == "none" or config.cached_views):
        raise InputError("unfreeze_from needs --freeze backbone, and no cached_views")


def _named_spec(model: str) -> Spec:
    if not model.endswith(".json"):
        return get_spec(model)
    try:
        return Spec.from_json(json.loads(Path(model).read_text("utf-8")))
    except InputError as error:
        raise InputError(f"{model}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{model}: not a network's description ({error})") from error


def _variant(spec: Spec, config: TrainConfig) -> Spec:
    """The spec with what the settings change about it, each with a line among its departures."""
    spec = with_norm(wider(spec, config.width), config.norm)
    if config.cut_after is not None:
        spec = cut_after(spec, config.cut_after)
    if config.aux_heads is not None:
        spec = with_aux_heads(spec, config.aux_heads)
    spec = with_head(spec, config.head)
    return spec if config.dropout is None else with_dropout(spec, config.dropout)


def resolve(config: TrainConfig) -> TrainConfig:
    """The same with device, threads, precision and memory decided for this machine."""
    device = pick_device(config.device)
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    threads = config.threads or local_cores()
    kept = config.keep_decoded_mb
    if kept is None:
        kept = min(MOST_DECODED_MB, free_memory_mb() // 4 // local_processes())
    return replace(
        config, device=device.type, precision=precision, threads=threads, keep_decoded_mb=kept
    )


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 itself, rather than emulating it slowly."""
    if device.type == "mps":
        return False  # never tried there
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
