"""Pictures of a training step as an adversary would change them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inception.models.network import InceptionNet
from inception.robustness.attacks import FAST, Attack, Kind
from inception.training.config import TrainConfig
from inception.training.trained import train_mode


def adversarial(
    network: InceptionNet,
    normalise: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    config: TrainConfig,
) -> Tensor:
    """The pictures, ``[N, H, W, 3]`` from 0 to 255, changed against the network as it is now.

    The change is looked for in evaluation mode: by batch norm's running statistics pictures do not
    depend on each other, and those are not to move meanwhile. As they are where none is wanted.
    """
    if config.adversarial == "none":
        return pictures
    network.eval()
    kind: Kind = "fgsm" if config.adversarial == "fgsm" else "pgd"
    attack = Attack(kind, config.adversarial_eps, config.adversarial_steps)
    pictures = pictures.float()
    start = 2 * torch.rand_like(pictures) - 1  # seeded by the step, as dropout is

    def logits(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, config.precision == "bf16"):
            told: Tensor = network(normalise(x))
        return told

    changed = attack(logits, pictures, labels, start, step=FAST if kind == "fgsm" else None)
    train_mode(network, config)
    return changed
