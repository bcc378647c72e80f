"""FID, KID, Inception Score, precision and recall of features: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inception.errors import InputError
from inception.runtime import Floats

Doubles = npt.NDArray[np.float64]

SEED = 2020  # torch-fidelity's: the same subsets and splits are drawn
SUBSETS, SUBSET = 100, 1000  # of KID
SPLITS = 10  # of the Inception Score
NEIGHBOURS = 3  # of precision and recall
ROWS = 1024  # compared with all others at once


class Spread(NamedTuple):
    """A mean with the deviation over parts of the pictures, of so many each."""

    mean: float
    deviation: float
    size: int


class Coverage(NamedTuple):
    """Shares of fake pictures near real ones, and of real ones near fake ones, from 0 to 1."""

    precision: float
    recall: float


def frechet(mean: Doubles, covariance: Doubles, other_mean: Doubles, other: Doubles) -> float:
    """The squared distance of two normal distributions, ``[D]`` and ``[D, D]`` each (FID).

    The trace of the root of a product is that of the root of a symmetric matrix with the same
    eigenvalues, so singular covariances, those of few pictures, need no special care.
    """
    root = _root(covariance)
    values = np.linalg.eigvalsh(root @ other @ root)
    crossed = np.sqrt(np.maximum(values, 0)).sum()
    apart = ((mean - other_mean) ** 2).sum()
    return float(max(apart + np.trace(covariance) + np.trace(other) - 2 * crossed, 0.0))


def kernel_distance(real: Floats, fake: Floats) -> Spread:
    """KID: the unbiased squared MMD under ``(x y / D + 1) ** 3``, over subsets of the pictures.

    Raises:
        InputError: fewer than two pictures in a set.
    """
    size = min(SUBSET, len(real), len(fake))
    if size < 2:
        raise InputError("KID needs at least two pictures of each kind")
    rng = np.random.RandomState(SEED)
    told = []
    for _ in range(SUBSETS):
        some_fake = fake[rng.choice(len(fake), size, replace=False)].astype(np.float64)
        some_real = real[rng.choice(len(real), size, replace=False)].astype(np.float64)
        told.append(_mmd(some_fake, some_real))
    return Spread(float(np.mean(told)), float(np.std(told)), size)


def inception_score(logits: Floats) -> Spread:
    """How sure and how varied the network's answers are, over splits of the pictures."""
    order = np.random.RandomState(SEED).permutation(len(logits))
    x = logits[order].astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    logs = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    splits, told = min(SPLITS, len(x)), []
    for part in range(splits):
        own = logs[part * len(x) // splits : (part + 1) * len(x) // splits]
        shares = np.exp(own)
        divergence = (shares * (own - np.log(shares.mean(axis=0)))).sum(axis=1).mean()
        told.append(np.exp(divergence))
    return Spread(float(np.mean(told)), float(np.std(told)), len(x) // splits)


def coverage(real: Floats, fake: Floats) -> Coverage:
    """Improved precision and recall (arXiv:1904.06991): within reach of the third neighbour.

    Raises:
        InputError: fewer pictures in a set than neighbours and itself.
    """
    if min(len(real), len(fake)) <= NEIGHBOURS:
        raise InputError(f"precision and recall need more than {NEIGHBOURS} pictures of each kind")
    return Coverage(_share_within(fake, real), _share_within(real, fake))


def _root(matrix: Doubles) -> Doubles:
    values, vectors = np.linalg.eigh(matrix)
    made: Doubles = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return made


def _mmd(x: Doubles, y: Doubles) -> float:
    n = len(x)
    within = sum(k.sum() - np.trace(k) for k in (_kernel(x, x), _kernel(y, y)))
    return float(within / (n * (n - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Doubles, y: Doubles) -> Doubles:
    made: Doubles = (x @ y.T / x.shape[1] + 1) ** 3
    return made


def _share_within(asked: Floats, known: Floats) -> float:
    """Share of ``asked`` that lie in the ball of a known one, which reaches to its neighbour."""
    reach = np.concatenate(
        [np.partition(d, NEIGHBOURS, axis=1)[:, NEIGHBOURS] for d in _distances(known, known)]
    )
    return float(
        np.concatenate([(d <= reach).any(axis=1) for d in _distances(asked, known)]).mean()
    )


def _distances(some: Floats, others: Floats) -> Iterator[Doubles]:
    """Squared distances, block by block, ``[rows, N]`` each."""
    all_others = others.astype(np.float64)
    lengths = (all_others**2).sum(axis=1)
    for start in range(0, len(some), ROWS):
        rows = some[start : start + ROWS].astype(np.float64)
        found = (rows**2).sum(axis=1)[:, None] + lengths - 2 * rows @ all_others.T
        yield np.maximum(found, 0)
