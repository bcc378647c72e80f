"""The loss of a network with auxiliary heads."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

MAIN = "main"  # the classifier's loss, among those of the heads


def losses_by_head(
    logits: Tensor, aux: Mapping[str, Tensor], labels: Tensor, *, label_smoothing: float = 0.0
) -> dict[str, Tensor]:
    """Cross-entropy of the classifier (``main``) and of each head, in float32, batch means.

    Args:
        logits: ``[N, classes]``.
        aux: the heads' logits by stage.
        labels: ``[N]`` class indices, or ``[N, classes]`` shares.
        label_smoothing: share of the target spread evenly over all classes.
    """
    outputs = {MAIN: logits, **aux}
    return {
        name: F.cross_entropy(output.float(), labels, label_smoothing=label_smoothing)
        for name, output in outputs.items()
    }


def total_loss(losses: Mapping[str, Tensor], aux_weight: float) -> Tensor:
    """The classifier's loss plus ``aux_weight`` times each head's (0.3 in the paper)."""
    weights = [1.0 if name == MAIN else aux_weight for name in losses]
    return torch.stack(
        [weight * loss for weight, loss in zip(weights, losses.values(), strict=True)]
    ).sum()
