"""Pictures to vectors, through whichever engine. No torch here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inception.data.datasets import Dataset
from inception.data.images import Picture, UnreadableImageError
from inception.errors import InputError, unknown
from inception.models.spec import pooling_of
from inception.pictures import Item, Pictures, is_one, named, read
from inception.prediction import find_original
from inception.runtime import Floats, create_engine
from inception.runtime.pipeline import Member, ask, check_finite
from inception.runtime.program import EMBEDDING, POOLED
from inception.weights.model_file import read_info, read_weights


@dataclass(frozen=True)
class Embedded:
    """One picture's vector, ``[features]``, or why there is none."""

    path: str
    vector: Floats | None
    error: str | None = None


@dataclass(frozen=True)
class Embeddings:
    """Several pictures' vectors, in order.

    Attributes:
        paths: of those that could be read.
        vectors: ``[N, features]``, float32.
        unreadable: path and reason of the others.
    """

    paths: tuple[str, ...]
    vectors: Floats
    unreadable: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Embeddings({self.vectors.shape[0]} vectors of {self.vectors.shape[1]} numbers)"


class Embedder:
    """A model made ready to give vectors.

    Args:
        model: a MODEL (``find_model``), backbones too, but no exported one.
        engine: ``auto`` picks.
        stage: whose output is averaged over its grid; by default what the classifier's trained
            part sees, the network's ``embed``.
        device: ``auto``, ``cpu`` or ``cuda``.
        crops: squares shown of each picture, their vectors averaged.
        batch_size: squares in one run of the network.
        threads: by default as many as there are cores.

    Raises:
        InputError: no such model, stage, engine or device; an ensemble, or an exported file.
    """

    def __init__(
        self,
        model: str | Path,
        engine: str = "auto",
        *,
        stage: str | None = None,
        device: str = "auto",
        crops: int = 1,
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        path = find_original(model)
        info = read_info(path)
        if stage is not None and stage not in info.spec.stages:
            raise unknown("stage", stage, info.spec.stages)
        self.output = EMBEDDING if stage is None else f"{POOLED}{stage}"
        self.name, self.stage, self._path = str(model), stage, path
        self.engine = create_engine(
            path, engine, device=device, threads=threads, outputs=(self.output,)
        )
        self._member = Member(self.engine, info.preprocessing, self.output)
        self._how: dict[str, Any] = {
            "counts": (crops,), "batch_size": batch_size, "threads": threads,
        }  # fmt: skip

    def embed(self, pictures: Pictures) -> Embeddings:
        """The vectors of one or several of whatever ``pictures.One`` is.

        Raises:
            InputError: no pictures, or none that could be read.
        """
        several: Any = [pictures] if is_one(pictures) else pictures
        return gathered(self.stream(several))

    def stream(
        self, pictures: Iterable[Any], look: Callable[[Picture], Picture] = lambda picture: picture
    ) -> Iterator[Embedded]:
        """Like ``embed``, one by one, for any number of pictures, each changed by ``look``."""

        def looked(item: Item) -> Picture:
            return look(read(item))

        for item, told in ask([self._member], named(pictures), looked, **self._how):
            if isinstance(told, UnreadableImageError):
                yield Embedded(item.path, None, told.reason)
                continue
            check_finite(told.probabilities, self.name, item.path)
            yield Embedded(item.path, told.probabilities[0, 0])

    def digest(self) -> str:
        """32 hexadecimal digits: vectors of equal ones are of one kind, and may be compared."""
        return backbone_digest(self._path, self.output)


def backbone_digest(model: Path, use: str) -> str:
    """32 hexadecimal digits of a model without its classifier, and of the use made of it."""
    spec = read_info(model).spec
    network = replace(spec, num_classes=1, classifier=pooling_of(spec.classifier), aux={})
    digest = hashlib.sha256(f"{network.digest()} {use}".encode())
    for name, tensor in read_weights(model).items():
        if not name.startswith(("classifier.", "aux.")):
            digest.update(name.encode() + np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()[:32]


def items_of(dataset: Dataset) -> list[Item]:
    """A labelled set's pictures, to embed."""
    rows = dataset.rows.tolist()
    return [Item(dataset.path(i), (dataset.source, row)) for i, row in enumerate(rows)]


def gathered(stream: Iterable[Embedded]) -> Embeddings:
    """All of a stream. Raises ``InputError`` where nothing in it could be read."""
    told = list(stream)
    unreadable = tuple((one.path, one.error) for one in told if one.error is not None)
    good = [one for one in told if one.vector is not None]
    if not good:
        raise none_readable(unreadable)
    vectors = np.stack([one.vector for one in good if one.vector is not None])
    return Embeddings(tuple(one.path for one in good), vectors, unreadable)


def none_readable(unreadable: Iterable[tuple[str, str]]) -> InputError:
    """The error where no picture gave a vector."""
    for path, reason in unreadable:
        return InputError(f"no picture could be read; the first: {path}: {reason}")
    return InputError("no pictures given")
