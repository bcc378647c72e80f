"""Every network by name. Reading this costs no torch; building a network does."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inception.errors import unknown

if TYPE_CHECKING:
    from inception.models.network import InceptionNet
    from inception.models.spec import Spec
    from inception.models.tables import MODELS as MODELS


def __getattr__(name: str) -> Any:
    """``MODELS`` is read when first used: whoever opens a model file does without."""
    if name != "MODELS":
        raise AttributeError(f"module 'inception.models' has no attribute {name!r}")
    return import_module("inception.models.tables").MODELS


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that match a shell pattern.

    Example:
        >>> list_models("xception*")
        ['xception', 'xception_timm', 'xception_small']
    """
    from inception.models.tables import MODELS

    return [name for name in MODELS if fnmatch(name, pattern)]


def get_spec(name: str) -> Spec:
    """The network of that name, as data.

    Raises:
        InputError: there is none; the message offers the nearest.
    """
    from inception.models.tables import MODELS

    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def create_model(
    model: str | Spec, num_classes: int | None = None, in_channels: int | None = None
) -> InceptionNet:
    """A network with fresh weights, drawn from torch's default generator.

    Args:
        model: a name of ``list_models`` or a spec of your own.
        num_classes: 1000, or what the spec says, where not given.
        in_channels: 3, or what the spec says, where not given; 1 means grey pictures. Mean and
            deviation follow (``Preprocessing.for_channels``).

    Raises:
        InputError: no such model, or numbers below 1.

    Example:
        >>> network = create_model("lenet5", num_classes=3)
        >>> network(torch.zeros(2, 1, network.image_size, network.image_size)).shape
        torch.Size([2, 3])
    """
    from inception.models.build import build  # torch

    spec = get_spec(model) if isinstance(model, str) else model
    if num_classes is not None:
        spec = replace(spec, num_classes=num_classes)
    if in_channels is not None:
        preprocessing = spec.preprocessing.for_channels(in_channels)
        spec = replace(spec, in_channels=in_channels, preprocessing=preprocessing)
    return build(spec)
