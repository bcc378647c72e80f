"""A file as pytorch-fid's own is, with random weights."""

from pathlib import Path

import torch
from torch import nn

from inception.benchmark import import_torchvision


def random_inception(path: Path) -> Path:
    """Writes weights that leave no part without effect."""
    torch.manual_seed(0)
    network = import_torchvision().models.inception_v3(
        num_classes=1008, aux_logits=False, weights=None, init_weights=False
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path
