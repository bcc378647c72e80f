"""What each channel is worth to a trained network: Taylor scores (arXiv:1906.10771)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.data.loading import Batch
from inception.models.network import InceptionNet, Normalise

Scores = Mapping[str, npt.NDArray[np.float64]]


def taylor_scores(
    network: InceptionNet,
    batches: Iterable[Batch],
    paths: Iterable[str],
    *,
    progress: Callable[[int], None] = lambda pictures: None,
) -> dict[str, npt.NDArray[np.float64]]:
    """By how much the loss would change without a channel, to first order, for each by path.

    The mean over pictures of ``|sum over places of output * gradient|``. The network stays as it
    is, its batch norms at their running statistics.

    Args:
        network: a trained one; scored in eval mode.
        batches: labelled pictures.
        paths: of convolutional layers.
        progress: told how many pictures have been seen.
    """
    network.eval()
    normalise = Normalise(network.spec.preprocessing)
    sums: dict[str, Tensor] = {}
    seen = 0
    watched = [_watch(network.get_submodule(path), path, sums) for path in paths]
    try:
        for batch in batches:
            with torch.enable_grad():
                logits = network(normalise(torch.from_numpy(batch.pictures)))
                labels = torch.from_numpy(batch.labels)
                loss = F.cross_entropy(logits, labels, reduction="sum")
                torch.autograd.backward(loss)
            network.zero_grad(set_to_none=True)
            seen += len(batch.labels)
            progress(seen)
    finally:
        for handle in watched:
            handle.remove()
    return {path: (total / max(seen, 1)).numpy() for path, total in sums.items()}


def _watch(
    layer: nn.Module, path: str, sums: dict[str, Tensor]
) -> torch.utils.hooks.RemovableHandle:
    """Adds up a layer's scores, picture by picture, whenever gradients come back through it."""

    def forward(module: nn.Module, given: object, output: Tensor) -> None:
        values = output.detach()

        def backward(gradient: Tensor) -> None:
            change = (values * gradient).sum(dim=(2, 3)).abs().sum(dim=0).double()  # [channels]
            sums[path] = sums.get(path, 0) + change

        output.register_hook(backward)  # type: ignore[no-untyped-call]

    return layer.register_forward_hook(forward)
