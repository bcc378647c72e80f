"""How fresh weights are drawn. No truncated normals: they take minutes on large networks."""

import math

from torch import nn

from inception.models.network import InceptionNet
from inception.models.spec import Initialisation

Weighted = nn.Conv2d | nn.Linear


def initialise(network: InceptionNet, scheme: Initialisation) -> None:
    """Draws every weight in place, from torch's default generator.

    ``caffe``: xavier (uniform, fan-in), biases 0.2, those of classifiers 0, as BVLC GoogLeNet.
    ``he``: normal with variance 2 / fan-in, biases 0; classifiers with deviation 0.01.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_running_stats()
            if module.weight is not None:
                nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, Weighted):
            _draw(module, scheme)
    for logits in network.logits_layers():
        _draw_logits(logits, scheme)


def _draw(module: Weighted, scheme: Initialisation) -> None:
    fan_in = module.weight[0].numel()
    if scheme == "caffe":
        bound = math.sqrt(3 / fan_in)
        nn.init.uniform_(module.weight, -bound, bound)
    else:
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
    if module.bias is not None:
        nn.init.constant_(module.bias, 0.2 if scheme == "caffe" else 0.0)


def _draw_logits(module: Weighted, scheme: Initialisation) -> None:
    if scheme == "he":
        nn.init.normal_(module.weight, std=0.01)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
