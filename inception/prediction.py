"""What is a MODEL, and pictures to labelled probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inception.data.crops import largest_resize
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.sources import pictures_at
from inception.errors import InputError
from inception.models import MODELS
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats, create_engine
from inception.runtime.early_exit import create_exit_engine
from inception.runtime.pipeline import Answer, classify
from inception.weights.catalogue import CATALOGUE, pulled
from inception.weights.model_file import read_info

if TYPE_CHECKING:
    from inception.weights.model_file import Model

MODEL_FILES = (".safetensors", ".xml", ".onnx")
RUN_MODEL = "model.safetensors"  # a run folder's best weights
SPARE = 2  # fast decoding leaves each side so many times what the network is shown
SHIPPED = "cats-and-dogs"  # the trained model that comes with the package
SHIPPED_FILE = Path(__file__).parent / "weights" / f"{SHIPPED}.safetensors"


def find_model(name: str | Path) -> Path:
    """The file of a MODEL.

    A ``.safetensors``, an exported ``.xml`` or ``.onnx``, a run folder, a catalogue tag, or
    ``cats-and-dogs``.

    Raises:
        InputError: nothing there, a tag that was not pulled, or an architecture's name, which has
            no weights.
    """
    path = Path(name)
    if path.is_dir():
        if not (path / RUN_MODEL).exists():
            raise InputError(
                f"{path} has no {RUN_MODEL}: no run folder, or no epoch of it has ended"
            )
        return path / RUN_MODEL
    if path.exists():
        return path
    if str(name) == SHIPPED:
        return SHIPPED_FILE
    if str(name) in CATALOGUE:
        return pulled(str(name))
    if str(name) in MODELS:
        raise InputError(
            f"{name} is an architecture and has no weights: train it first, "
            f"`inception train DATA --model {name}`, and give the run folder"
        )
    raise InputError(
        f"no such model: {name}; give a {', '.join(MODEL_FILES)} file, a run folder, {SHIPPED}, or "
        "a tag of `inception weights list`"
    )


def is_model(name: str | Path) -> bool:
    """Whether a command's argument is meant as a MODEL rather than as a picture."""
    path = Path(name)
    known = str(name) in (*MODELS, *CATALOGUE, SHIPPED)
    return known or path.suffix in MODEL_FILES or (path / RUN_MODEL).exists()


def load(name: str | Path) -> Model:
    """The model of a file or run folder: ``.network .classes .preprocessing .metadata``.

    Raises:
        InputError: as ``find_model``, or the file is not one of ours.
    """
    from inception.weights.model_file import load_model

    return load_model(find_model(name))


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
        model: a MODEL (``find_model``).
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
        path = find_model(model)
        info = read_info(path)
        self.classes = info.classes
        self.preprocessing: Preprocessing = info.preprocessing
        self.engine: Engine
        if exit_confidence is None:
            self.engine = create_engine(path, engine, device=device, threads=threads)
        else:
            self.engine = _exit_engine(path, exit_confidence, engine, crops, device, threads)
        self._crops, self._batch_size, self._threads = crops, batch_size, threads
        self._least_side = (
            SPARE * largest_resize(self.preprocessing, crops) if fast_decode else None
        )

    def predict(
        self, pictures: str | Path | Picture | bytes | Iterable[Any], *, top: int = 5
    ) -> list[Prediction]:
        """The likeliest classes of each picture, in order.

        Args:
            pictures: one of, or several: a path (file, folder, glob, tar), encoded bytes, or an
                RGB array ``uint8 [H, W, 3]``.
            top: how many classes to give.

        Raises:
            InputError: a path without pictures. One unreadable picture among them does not
                raise: its prediction has an ``error``.
        """
        if isinstance(pictures, str | Path | bytes | np.ndarray):
            pictures = [pictures]
        return list(self.stream(pictures, top=top))

    def stream(self, pictures: Iterable[Any], *, top: int = 5) -> Iterator[Prediction]:
        """Like ``predict``, one by one, for any number of pictures."""
        if top < 1:
            raise InputError(f"top must be at least 1; got {top}")
        answers = classify(
            self.engine,
            _items(pictures),
            partial(_read, least_side=self._least_side),
            self.preprocessing,
            crops=self._crops,
            batch_size=self._batch_size,
            threads=self._threads,
        )
        for answer in answers:
            yield self._prediction(answer, top)

    def _prediction(self, answer: Answer[_Item], top: int) -> Prediction:
        if answer.probabilities is None:
            return Prediction(answer.item.path, (), answer.error.reason if answer.error else "")
        return Prediction(answer.item.path, self._labels(answer.probabilities, top))

    def _labels(self, probabilities: Floats, top: int) -> tuple[Label, ...]:
        best = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(Label(self.classes[i], int(i), float(probabilities[i])) for i in best)


def _exit_engine(
    path: Path, confidence: float, engine: str, crops: int, device: str, threads: int | None
) -> Engine:
    if crops != 1:
        raise InputError(f"--exit-confidence is of one crop; leave out --crops {crops}")
    return create_exit_engine(path, confidence, engine, device=device, threads=threads)


@dataclass(frozen=True)
class _Item:
    path: str
    source: Any  # a Source and an index, bytes, or an array


def check_paths(paths: Iterable[str]) -> None:
    """Raises ``InputError`` for the first path at which there is nothing."""
    for path in paths:
        if not _expanded(path)[0].exists():
            raise InputError(f"no such file or folder: {path}")


def _items(pictures: Iterable[Any]) -> Iterator[_Item]:
    for number, picture in enumerate(pictures):
        if isinstance(picture, str | Path):
            for place in _expanded(str(picture)):
                yield from (_Item(s.path(i), (s, i)) for s, i in pictures_at(place))
        elif isinstance(picture, bytes | np.ndarray):
            yield _Item(f"picture {number}", picture)
        else:
            kind = type(picture).__name__
            raise InputError(f"a picture is a path, bytes or a uint8 array; got a {kind}")


def _expanded(path: str) -> list[Path]:
    if Path(path).exists() or not any(sign in path for sign in "*?["):
        return [Path(path)]
    found = sorted(glob(path, recursive=True))
    if not found:
        raise InputError(f"no file matches {path}")
    return [Path(name) for name in found]


def _read(item: _Item, *, least_side: int | None) -> Picture:
    if isinstance(item.source, bytes):
        return read_image(item.source, name=item.path, least_side=least_side)
    if isinstance(item.source, np.ndarray):
        return _checked(item.source, item.path)
    source, index = item.source
    return read_image(source.read(index), name=item.path, least_side=least_side)


def _checked(picture: Picture, name: str) -> Picture:
    if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not picture.size:
        shape = f"{picture.dtype} {list(picture.shape)}"
        raise UnreadableImageError(name, f"an array must be uint8 [H, W, 3]; got {shape}")
    return picture
