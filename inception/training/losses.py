"""The loss of a network with auxiliary heads."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inception.errors import InputError
from inception.training.config import TrainConfig

MAIN = "main"  # the classifier's loss, among those of the heads


def losses_by_head(
    logits: Tensor,
    aux: Mapping[str, Tensor],
    labels: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Cross-entropy of the classifier (``main``) and of each head, in float32, batch means.

    Args:
        logits: ``[N, classes]``.
        aux: the heads' logits by stage.
        labels: ``[N]`` class indices, or ``[N, classes]`` shares.
        label_smoothing: share of the target spread evenly over all classes.
        class_weights: ``[classes]``, factors of the pictures' losses, whose mean is still taken
            over the pictures, so that parts of a batch add up.
    """
    outputs = {MAIN: logits, **aux}
    how: dict[str, Any] = {"label_smoothing": label_smoothing}
    if class_weights is None:
        return {name: F.cross_entropy(x.float(), labels, **how) for name, x in outputs.items()}
    how |= {"weight": class_weights, "reduction": "sum"}
    return {
        name: F.cross_entropy(x.float(), labels, **how) / len(labels) for name, x in outputs.items()
    }


def share_right(logits: Tensor, labels: Tensor) -> Tensor:
    """How often the likeliest class is the label, from 0 to 1.

    Args:
        logits: ``[N, classes]``.
        labels: ``[N]`` class indices, or ``[N, classes]`` shares: of a picture that is mixed of
            two, its likeliest class is right by the share that this class has.
    """
    best = logits.argmax(dim=1)
    if labels.ndim == 1:
        return (best == labels).float().mean()
    return labels.gather(1, best[:, None]).mean()


def precise(value: Tensor) -> Tensor:
    """In float64, which Apple's GPUs do not have: from there it comes to the CPU."""
    return (value.cpu() if value.device.type == "mps" else value).double()


def balancing_weights(labels: npt.NDArray[np.int64], classes: int) -> Tensor:
    """``[classes]``: a class's share of the loss is that of any other; their mean over all is 1."""
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weights.astype(np.float32))


def total_loss(losses: Mapping[str, Tensor], aux_weight: float) -> Tensor:
    """The classifier's loss plus ``aux_weight`` times each head's (0.3 in the paper)."""
    weights = [1.0 if name == MAIN else aux_weight for name in losses]
    return torch.stack(
        [weight * loss for weight, loss in zip(weights, losses.values(), strict=True)]
    ).sum()


class NotFiniteError(InputError):
    """A loss that is no number: such a run has nothing more to learn."""


def check_finite(loss: float, name: str, when: str, config: TrainConfig) -> None:
    """Raises ``NotFiniteError`` where a loss is no number."""
    if not math.isfinite(loss):
        raise NotFiniteError(
            f"the {name} is {loss} {when}: the run stopped; begin again with a lower --lr (it is "
            f"{config.lr:g}){'' if config.clip_norm else ' or --set clip_norm=1'}"
        )
