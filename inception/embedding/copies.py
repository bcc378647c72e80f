"""Which pictures of a set a network sees nearly the same: resized, cut, relit, re-encoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inception.data.datasets import Dataset
from inception.data.images import Picture
from inception.embedding.embed import Embedder, Embeddings, gathered, items_of
from inception.embedding.similar import ROWS, unit
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.prediction import find_model
from inception.runtime import Floats
from inception.weights.model_file import read_info

# Cosine of two pictures' vectors from which on they count as copies: docs/embeddings.md has what it
# finds and what it errs on. Mirrored ones are not seen alike: data.likeness compares those.
LIKE = 0.78
SHARPNESS = 2 / 3  # short side of what is shown, of the model's: smaller copies are as sharp then
BRIGHTNESS = 110.0  # mean of what is shown, of 255
FLOOR = 0.01  # of the largest variance: what is added to each, so that noise is not made large


@dataclass(frozen=True)
class Copy:
    """Two pictures that may be one."""

    first: str
    second: str
    likeness: float

    def to_json(self) -> dict[str, Any]:
        """Both paths and the likeness."""
        return asdict(self)


class Onlooker:
    """A model made ready to tell pictures from their copies.

    It looks by the stage at half of the network's work: the first ones see little but colours, the
    last ones of a classifier nothing but classes. Pictures are ``evened`` first.

    Args:
        model: a MODEL (``find_model``), no exported one.
        threads: by default as many as there are cores.

    Raises:
        InputError: as ``Embedder``.
    """

    def __init__(self, model: str | Path, *, threads: int | None = None) -> None:
        spec = read_info(find_model(model)).spec
        stage, self._side = middle(spec), round(SHARPNESS * spec.image_size)
        self._embedder = Embedder(model, stage=stage, threads=threads)

    def copies(self, splits: Sequence[Dataset]) -> list[Copy]:
        """Pairs within and across the splits, the likest first; unreadable pictures left out."""
        items = [item for split in splits for item in items_of(split)]
        seen = self.see(items)
        return [Copy(seen.paths[a], seen.paths[b], c) for a, b, c in pairs_alike(seen.vectors)]

    def see(self, pictures: Iterable[Any]) -> Embeddings:
        """The vectors that are compared, of whatever ``pictures.One`` is."""
        return gathered(self._embedder.stream(pictures, lambda one: evened(one, self._side)))


def evened(picture: Picture, side: int) -> Picture:
    """The picture with at most ``side`` px as its short side, as bright as all others."""
    image = Image.fromarray(picture)
    shrunk = min(1.0, side / min(image.size))
    small = image.resize(
        (round(image.width * shrunk), round(image.height * shrunk)), Image.Resampling.BILINEAR
    )
    values = np.asarray(small, np.float32)
    lit = values * (BRIGHTNESS / max(float(values.mean()), 1.0))
    made: Picture = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return made


def middle(spec: Spec) -> str:
    """The first stage by which half of the network's multiply-adds are spent."""
    *stages, _ = cost(spec).stages
    spent = np.cumsum([stage.multiply_adds for stage in stages])
    return stages[int((spent >= spent[-1] / 2).argmax())].name


def pairs_alike(vectors: Floats, least: float = LIKE) -> list[tuple[int, int, float]]:
    """Pairs of rows with their cosine after ``whitened``, from ``least`` on, the likest first."""
    ready, found = unit(whitened(vectors)), []
    for top in range(0, len(ready), ROWS):
        for left in range(top, len(ready), ROWS):
            cosines = ready[top : top + ROWS] @ ready[left : left + ROWS].T
            for i, j in np.argwhere(cosines >= least):
                first, second = top + int(i), left + int(j)
                if first < second:
                    found.append((first, second, min(float(cosines[i, j]), 1.0)))
    return sorted(found, key=lambda pair: -pair[2])


def whitened(vectors: Floats) -> Floats:
    """Without what all vectors share, and every direction in which they differ with equal weight.

    Activations are positive and go together: any two point into one corner, and differ mostly in
    brightness. What tells pictures apart is in the directions that vary little.
    """
    x = vectors.astype(np.float64)
    x -= x.mean(axis=0)
    variances, directions = np.linalg.eigh(x.T @ x / len(x))
    few = 1 + x.shape[1] / len(x)  # of few pictures most directions are not known
    scales = 1 / np.sqrt(np.maximum(variances, 0) + few * FLOOR * max(variances[-1], 1e-12))
    made: Floats = (x @ (directions * scales)).astype(np.float32)
    return made
