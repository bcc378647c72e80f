"""Mixup (arXiv:1710.09412) and CutMix (arXiv:1905.04899): pictures of a batch mixed in pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.data.loading import Batch

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mix:
    """How the pictures of a batch are mixed.

    Attributes:
        partners: ``[n]`` the other picture of each.
        share: what its own label counts for, from 0 to 1; the partner's for the rest.
        box: ``(top, left, bottom, right)`` that shows the partner; none where the two are blended.
    """

    partners: Rows
    share: float
    box: tuple[int, int, int, int] | None = None


def draw_mix(
    count: int, size: int, *, mixup: float, cutmix: float, rng: np.random.Generator
) -> Mix | None:
    """A mix of ``count`` pictures of ``size`` px, one share for all; none where neither is wanted.

    Args:
        count: pictures in the batch.
        size: their side in pixels.
        mixup: both parameters of the beta distribution of the share; 0 for no mixup.
        cutmix: likewise. Where both are wanted each has every other batch, by chance.
        rng: all chance comes from it.
    """
    wanted = [name for name, alpha in (("mixup", mixup), ("cutmix", cutmix)) if alpha > 0]
    if not wanted:
        return None
    kind = wanted[int(rng.integers(len(wanted)))]
    partners = rng.permutation(count)
    alpha = mixup if kind == "mixup" else cutmix
    share = float(rng.beta(alpha, alpha))
    if kind == "mixup":
        return Mix(partners, share)
    box = _box(size, share, rng)
    top, left, bottom, right = box
    return Mix(partners, 1 - (bottom - top) * (right - left) / size**2, box)


def mixed(
    batch: Batch, rows: Rows, mix: Mix | None, num_classes: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Pictures ``[rows, H, W, 3]`` and labels of some rows of a batch.

    Labels are ``[rows]`` indices as they were, or ``[rows, classes]`` shares of a mix.
    """
    pictures, labels = batch.pictures[rows], batch.labels[rows]
    if mix is None:
        return pictures, labels
    partners = mix.partners[rows]
    one_hot = np.eye(num_classes, dtype=np.float32)
    shares = mix.share * one_hot[labels] + (1 - mix.share) * one_hot[batch.labels[partners]]
    return _blended(pictures, batch.pictures[partners], mix), shares.astype(np.float32)


def _blended(own: npt.NDArray[Any], other: npt.NDArray[Any], mix: Mix) -> npt.NDArray[Any]:
    if mix.box is None:
        share = np.float32(mix.share)
        return own * share + other * (1 - share)
    top, left, bottom, right = mix.box
    own = own.copy()
    own[:, top:bottom, left:right] = other[:, top:bottom, left:right]
    return own


def _box(size: int, share: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A square of ``1 - share`` of the area around a random place, cut off at the edges."""
    half = size * np.sqrt(1 - share) / 2
    y, x = rng.uniform(0, size, 2)
    edges = (y - half, x - half, y + half, x + half)
    top, left, bottom, right = (int(np.clip(round(edge), 0, size)) for edge in edges)
    return top, left, bottom, right
