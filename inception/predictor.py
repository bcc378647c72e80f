"""Pictures to labelled probabilities."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inception.data.crops import largest_resize
from inception.data.images import UnreadableImageError
from inception.errors import InputError
from inception.pictures import Item, Pictures, is_one, named, read
from inception.prediction import check_same_classes, find_members, find_model
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats, create_engine
from inception.runtime.pipeline import Member, Opinions, ask, check_finite
from inception.weights.model_file import BACKBONE, read_info

if TYPE_CHECKING:  # a second's tenth each, which only whoever asks for them need wait for
    from inception.embedding.embed import Embedder, Embeddings
    from inception.evaluation.evaluate import Evaluation

SPARE = 2  # fast decoding leaves each side so many times what the network is shown


@dataclass(frozen=True)
class Label:
    """A class with its probability, from 0 to 1."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of a picture, best first, or why there are none."""

    path: str
    top: tuple[Label, ...]
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"path", "top": [{"label", "index", "probability"}], "error"}``."""
        return {"path": self.path, "top": [asdict(t) for t in self.top], "error": self.error}


class Predictor:
    """A model made ready to classify pictures.

    Args:
        model: a MODEL (``find_model``), or an ensemble's folder: the mean of its members.
        engine: ``auto`` picks.
        device: ``auto``, ``cpu`` or ``cuda``.
        crops: squares shown of each picture.
        batch_size: squares in one run of the network.
        threads: by default as many as there are cores.
        exit_confidence: the first auxiliary head surer than this answers
            (``runtime.early_exit``); by default the classifier does.
        fast_decode: large JPEG files are decoded at a fraction of their size (``read_image``),
            at least twice what the network is shown; probabilities may change by some 0.01.

    Raises:
        InputError: no such model, engine or device; early exits without heads or with more crops.

    Example:
        >>> predictor = Predictor("cats-and-dogs")
        >>> for prediction in predictor.predict(["photo.jpg", "pets/val/cat"], top=1):
        ...     print(prediction.path, len(prediction.top))
        photo.jpg 1
        pets/val/cat/0.png 1
        pets/val/cat/1.png 1
        >>> predictor.evaluate("pets").images
        4
        >>> predictor.embed("pets/val").vectors.shape
        (4, 536)
    """

    def __init__(
        self,
        model: str | Path,
        engine: str = "auto",
        *,
        device: str = "auto",
        crops: int = 1,
        batch_size: int = 32,
        threads: int | None = None,
        exit_confidence: float | None = None,
        fast_decode: bool = False,
    ) -> None:
        names = find_members(model)
        paths = [find_model(name) for name in names]
        infos = [read_info(path) for path in paths]
        for name, info in zip(names, infos, strict=True):
            if info.classes == (BACKBONE,):
                raise InputError(
                    f"{name} is a backbone and knows no classes; "
                    f"train some with it: inception train DATA --init {name}"
                )
            check_same_classes(infos[0].classes, info.classes, str(names[0]), str(name))
        self._infos = infos
        self._model, self._asked = model, {"engine": engine, "device": device}
        self._embedders: dict[str | None, Embedder] = {}
        self._names, self.classes = [str(name) for name in names], infos[0].classes
        self.preprocessing: Preprocessing = infos[0].preprocessing
        if exit_confidence is None:
            engines = [create_engine(p, engine, device=device, threads=threads) for p in paths]
        else:
            if len(paths) > 1:
                raise InputError(f"--exit-confidence is of one model; give one, {names[0]}")
            engines = [_exit_engine(paths[0], exit_confidence, engine, crops, device, threads)]
        self.engine: Engine = engines[0]
        self._members = [
            Member(own, info.preprocessing) for own, info in zip(engines, infos, strict=True)
        ]
        self._crops, self._batch_size, self._threads = crops, batch_size, threads
        sides = [largest_resize(info.preprocessing, crops) for info in infos]
        self._least_side = SPARE * max(sides) if fast_decode else None

    def __repr__(self) -> str:
        names = ", ".join(self._names)
        return f"Predictor({names!r}, {self.engine.name}, classes={reprlib.repr(self.classes)})"

    def predict(
        self,
        pictures: Pictures,
        *,
        top: int = 5,
    ) -> list[Prediction]:
        """The likeliest classes of each picture, in order.

        Args:
            pictures: one of, or several, of whatever ``pictures.One`` is.
            top: how many classes to give.

        Raises:
            InputError: no pictures at all. An unreadable picture, or a path without any, among
                others does not raise: its prediction has an ``error``.
        """
        several: Any = [pictures] if is_one(pictures) else pictures
        return list(self.stream(several, top=top))

    def stream(self, pictures: Iterable[Any], *, top: int = 5) -> Iterator[Prediction]:
        """Like ``predict``, one by one, for any number of pictures."""
        if top < 1:
            raise InputError(f"top must be at least 1; got {top}")
        told = ask(
            self._members,
            named(pictures),
            partial(read, least_side=self._least_side),
            counts=(self._crops,),
            batch_size=self._batch_size,
            threads=self._threads,
        )
        for item, opinions in told:
            yield self._prediction(item, opinions, top)

    def evaluate(
        self, data: str | Path, *, split: str | None = None, limit: int | None = None
    ) -> Evaluation:
        """What the model reaches on a labelled set, asked as this predictor asks.

        Args:
            data: a data set (``data.datasets.open_data``).
            split: by default val, else test, else all.
            limit: evaluate only so many pictures, drawn once and for all.

        Raises:
            InputError: no such data or split, classes that differ, too many unreadable.
        """
        from inception.evaluation.evaluate import evaluate_members, identified
        from inception.evaluation.request import Request

        how = Request(split, limit, batch_size=self._batch_size, threads=self._threads)
        whole = how.whole(data, self.classes)
        some, names = whole.limited(limit), self._names
        result = evaluate_members(self._members, some, names, how, crops=self._crops)
        return identified(result, whole, self._infos)

    def embed(self, pictures: Pictures, *, stage: str | None = None) -> Embeddings:
        """The pictures as vectors, ``.vectors [N, features]``: alike where pictures are.

        Args:
            pictures: as for ``predict``.
            stage: whose output is averaged over its grid; by default what the classifier sees.

        Raises:
            InputError: no such stage, no picture that could be read, or an ensemble.
        """
        from inception.embedding.embed import Embedder

        if stage not in self._embedders:
            self._embedders[stage] = Embedder(
                self._model, **self._asked, stage=stage, crops=self._crops,
                batch_size=self._batch_size, threads=self._threads,
            )  # fmt: skip
        return self._embedders[stage].embed(pictures)

    def _prediction(
        self, item: Item, opinions: Opinions | UnreadableImageError, top: int
    ) -> Prediction:
        if isinstance(opinions, UnreadableImageError):
            return Prediction(item.path, (), opinions.reason)
        for name, told in zip(self._names, opinions.probabilities, strict=True):
            check_finite(told, name, item.path)
        return Prediction(item.path, self._labels(opinions.probabilities[:, 0].mean(axis=0), top))

    def _labels(self, probabilities: Floats, top: int) -> tuple[Label, ...]:
        best = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(Label(self.classes[i], int(i), float(probabilities[i])) for i in best)


def _exit_engine(
    path: Path, confidence: float, engine: str, crops: int, device: str, threads: int | None
) -> Engine:
    if crops != 1:
        raise InputError(f"--exit-confidence is of one crop; leave out --crops {crops}")
    from inception.runtime.early_exit import create_exit_engine

    return create_exit_engine(path, confidence, engine, device=device, threads=threads)
