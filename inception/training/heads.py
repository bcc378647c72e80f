"""Classifiers on the cosine of features: the rows of their weights have one length, a scale."""

import torch
from torch import nn

from inception.models.spec import LocalResponseNorm, Spec, leaves

FIRST_SCALE = 10.0  # what a cosine is multiplied by before anything is learned


def is_cosine(spec: Spec) -> bool:
    """Whether the classifier brings its features to length 1 (``models.variants.with_head``)."""
    return any(isinstance(layer, LocalResponseNorm) for layer in leaves(spec.classifier))


@torch.no_grad()
def level_rows(classifier: nn.Module, length: float | None = None) -> None:
    """Gives the rows of its last linear layer one length: their mean, or the one given."""
    *_, last = (module for module in classifier.modules() if isinstance(module, nn.Linear))
    lengths = last.weight.norm(dim=1, keepdim=True).clamp_min(1e-12)
    last.weight.mul_((lengths.mean() if length is None else length) / lengths)
