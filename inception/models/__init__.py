"""Every network by name. Reading this costs no torch; building a network does."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from inception.errors import unknown
from inception.models import (
    bn_inception,
    classics,
    googlenet,
    inception_resnet,
    inception_v3,
    inception_v4,
    xception,
)
from inception.models.spec import Spec

if TYPE_CHECKING:
    from inception.models.network import InceptionNet

MODELS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        googlenet.GOOGLENET,
        googlenet.GOOGLENET_BN,
        googlenet.GOOGLENET_TV,
        googlenet.GOOGLENET_SLIM,
        googlenet.GOOGLENET_5H,
        googlenet.GOOGLENET_PLAIN,
        googlenet.GOOGLENET_NAIVE,
        googlenet.GOOGLENET_SMALL,
        bn_inception.BN_INCEPTION,
        bn_inception.INCEPTION_V2_SLIM,
        inception_v3.INCEPTION_V2_RETHINKING,
        inception_v3.INCEPTION_V3,
        inception_v3.INCEPTION_V3_TV,
        inception_v3.INCEPTION_V3_FID,
        inception_v3.INCEPTION_V3_SMALL,
        inception_v4.INCEPTION_V4,
        inception_v4.INCEPTION_V4_SMALL,
        inception_resnet.INCEPTION_RESNET_V1,
        inception_resnet.INCEPTION_RESNET_V1_FACENET,
        inception_resnet.INCEPTION_RESNET_V2,
        inception_resnet.INCEPTION_RESNET_V2_PAPER,
        inception_resnet.INCEPTION_RESNET_V2_SMALL,
        xception.XCEPTION,
        xception.XCEPTION_TIMM,
        xception.XCEPTION_SMALL,
        classics.LENET5,
        classics.ALEXNET,
        classics.ALEXNET_TV,
        classics.NIN,
        classics.NIN_SMALL,
        classics.VGG16,
        classics.VGG16_BN,
        classics.VGG19,
        classics.VGG19_BN,
    )
}


def list_models(pattern: str = "*") -> list[str]:
    """Names of the networks that match a shell pattern.

    Example:
        >>> list_models("xception*")
        ['xception', 'xception_timm', 'xception_small']
    """
    return [name for name in MODELS if fnmatch(name, pattern)]


def get_spec(name: str) -> Spec:
    """The network of that name, as data.

    Raises:
        InputError: there is none; the message offers the nearest.
    """
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
