"""How fresh weights are drawn. No truncated normals: they take seconds on large networks."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn

from inception.models.spec import Initialisation

Weighted = nn.Conv2d | nn.Linear


def initialise(network: nn.Module, logits: Iterable[Weighted], scheme: Initialisation) -> None:
    """Draws every weight in place, from torch's default generator.

    ``logits`` are the layers that know the classes: of the classifier and of each head.

    ``caffe``: xavier (uniform, fan-in), biases 0.2, those of classifiers 0, as BVLC GoogLeNet.
    ``he``: normal with variance 2 / fan-in, biases 0; classifiers with deviation 0.01.
    ``alexnet``: normal with deviation 0.01; biases 1 of grouped convolutions and hidden linear
    layers (conv2, conv4, conv5, fc6, fc7), else 0.
    ``lecun``: uniform to 2.4 / fan-in on both sides, biases too.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            if module.weight is not None:
                nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, Weighted):
            _draw(module, scheme)
    for layer in logits:
        draw_logits(layer, scheme)


def draw_logits(module: Weighted, scheme: Initialisation) -> None:
    """Draws the last layer of a classifier in place."""
    _draw(module, scheme)
    if scheme == "he":
        nn.init.normal_(module.weight, std=0.01)
    if module.bias is not None and scheme != "lecun":
        nn.init.zeros_(module.bias)


def _draw(module: Weighted, scheme: Initialisation) -> None:
    fan_in = module.weight[0].numel()
    bias = 0.0
    if scheme == "caffe":
        bound = math.sqrt(3 / fan_in)
        nn.init.uniform_(module.weight, -bound, bound)
        bias = 0.2
    elif scheme == "lecun":
        nn.init.uniform_(module.weight, -2.4 / fan_in, 2.4 / fan_in)
    elif scheme == "alexnet":
        nn.init.normal_(module.weight, std=0.01)
        bias = float(isinstance(module, nn.Linear) or module.groups > 1)
    else:
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
    if module.bias is not None:
        nn.init.constant_(module.bias, bias)
    if module.bias is not None and scheme == "lecun":
        nn.init.uniform_(module.bias, -2.4 / fan_in, 2.4 / fan_in)
