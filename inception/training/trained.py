"""Which parts of a network train, and from how many pictures they can."""

from __future__ import annotations

from torch import nn

from inception.errors import InputError
from inception.models.network import InceptionNet
from inception.training.config import TrainConfig


def least_batch(network: InceptionNet, config: TrainConfig) -> int:
    """The fewest pictures to learn from together: batch norm that trains learns nothing from one.

    Raises:
        InputError: the run's batches are smaller.
    """
    train_mode(network, config)
    least = 2 if training_norms(network) else 1
    if config.batch_size < least:
        raise InputError(
            f"--batch-size {config.batch_size} leaves batch norm one picture, from which it learns "
            f"nothing: give {least} or more, or do without it, --set norm=none"
        )
    return least


def training_norms(network: nn.Module) -> list[nn.Module]:
    """The batch norms whose statistics move."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return [m for m in network.modules() if isinstance(m, kinds) and m.training]


def frozen_stages(network: InceptionNet, config: TrainConfig) -> list[str]:
    """The stages that do not train: none, all, or those before ``unfreeze_from``."""
    stages = list(network.spec.stages)
    if config.freeze == "none":
        return []
    return stages if config.unfreeze_from is None else stages[: stages.index(config.unfreeze_from)]


def train_mode(network: InceptionNet, config: TrainConfig) -> None:
    """Training mode, but for frozen stages, whose batch-norm statistics stay as they are."""
    network.train()
    for stage in frozen_stages(network, config):
        network.get_submodule(stage).eval()
