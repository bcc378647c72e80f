"""What is a MODEL, and pictures to labelled probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from glob import glob
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from inception.data.crops import largest_resize
from inception.data.images import Picture, UnreadableImageError, read_image
from inception.data.sources import pictures_at
from inception.data.tars import check_not_compressed
from inception.errors import InputError, command
from inception.files import read_text
from inception.models import MODELS
from inception.preprocessing import Preprocessing
from inception.runtime import Engine, Floats, create_engine
from inception.runtime.early_exit import create_exit_engine
from inception.runtime.pipeline import Member, Opinions, ask, check_finite
from inception.weights.catalogue import CATALOGUE, pulled
from inception.weights.model_file import read_info

if TYPE_CHECKING:
    from inception.weights.model_file import Model

MODEL_FILES = (".safetensors", ".xml", ".onnx")
RUN_MODEL = "model.safetensors"  # a run folder's best weights
RUN_CONFIG = "config.json"  # what makes a folder a run's, from its beginning
ENSEMBLE = "ensemble.json"  # what makes a folder an ensemble's, of runs
SPARE = 2  # fast decoding leaves each side so many times what the network is shown
SHIPPED = "cats-and-dogs"  # the trained model that comes with the package
SHIPPED_FILE = Path(__file__).parent / "weights" / f"{SHIPPED}.safetensors"


def find_model(name: str | Path) -> Path:
    """The file of a MODEL.

    A ``.safetensors``, an exported ``.xml`` or ``.onnx``, a run folder, a catalogue tag, or
    ``cats-and-dogs``. An ensemble is several: ``find_members``.

    Raises:
        InputError: nothing there, a tag that was not pulled, or an architecture's name, which has
            no weights.
    """
    path = Path(name)
    if path.is_dir():
        if (path / ENSEMBLE).exists():
            raise InputError(f"{path} is an ensemble, of runs: give one, {path / 'member-1'}")
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


def find_members(name: str | Path) -> list[str | Path]:
    """The MODELs that answer together where ``name`` is an ensemble's folder; else ``name`` alone.

    Raises:
        InputError: not all members of the ensemble are trained.
    """
    plan = Path(name) / ENSEMBLE
    if not plan.is_file():
        return [name]
    try:
        values = json.loads(read_text(plan))
        count, finished = len(values["members"]), len(values["finished"])
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{plan}: not an ensemble's plan") from error
    if finished < count or not count:
        go_on = command("train", "--resume", str(name))
        raise InputError(f"{finished} of {count} members of {name} are trained; go on: {go_on}")
    return [plan.with_name(f"member-{number}") for number in range(1, count + 1)]


def check_same_classes(first: Sequence[str], second: Sequence[str], a: str, b: str) -> None:
    """Raises ``InputError`` where models ``a`` and ``b`` differ in classes; it names the first."""
    for number, (one, other) in enumerate(zip_longest(first, second)):
        if one != other:
            has, but = ("no such class" if c is None else repr(c) for c in (one, other))
            raise InputError(
                f"models answer together only with the same classes in the same order: "
                f"class {number} is {has} in {a}, {but} in {b}"
            )


def is_model(name: str | Path) -> bool:
    """Whether a command's argument is meant as a MODEL rather than as a picture."""
    path = Path(name)
    known = str(name) in (*MODELS, *CATALOGUE, SHIPPED)
    marks = (RUN_MODEL, RUN_CONFIG, ENSEMBLE)
    return known or path.suffix in MODEL_FILES or any((path / mark).exists() for mark in marks)


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
            check_same_classes(infos[0].classes, info.classes, str(names[0]), str(name))
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

    def predict(
        self,
        pictures: str | Path | Picture | Image.Image | bytes | Iterable[Any],
        *,
        top: int = 5,
    ) -> list[Prediction]:
        """The likeliest classes of each picture, in order.

        Args:
            pictures: one of, or several: a path (file, folder, glob, tar), encoded bytes, a
                picture of Pillow's, or an RGB array ``uint8 [H, W, 3]``.
            top: how many classes to give.

        Raises:
            InputError: no pictures at all. An unreadable picture, or a path without any, among
                others does not raise: its prediction has an ``error``.
        """
        if isinstance(pictures, str | Path | bytes | np.ndarray | Image.Image):
            pictures = [pictures]
        return list(self.stream(pictures, top=top))

    def stream(self, pictures: Iterable[Any], *, top: int = 5) -> Iterator[Prediction]:
        """Like ``predict``, one by one, for any number of pictures."""
        if top < 1:
            raise InputError(f"top must be at least 1; got {top}")
        told = ask(
            self._members,
            _items(pictures),
            partial(_read, least_side=self._least_side),
            counts=(self._crops,),
            batch_size=self._batch_size,
            threads=self._threads,
        )
        for item, opinions in told:
            yield self._prediction(item, opinions, top)

    def _prediction(
        self, item: _Item, opinions: Opinions | UnreadableImageError, top: int
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
    return create_exit_engine(path, confidence, engine, device=device, threads=threads)


@dataclass(frozen=True)
class _Item:
    path: str
    source: Any  # a Source and an index, bytes, an array, Pillow's picture, or an error


def check_paths(paths: Iterable[str]) -> None:
    """Raises ``InputError`` for the first path at which there is nothing that could be read."""
    for path in paths:
        first = _expanded(path)[0]
        if not first.exists():
            raise InputError(f"no such file or folder: {path}")
        check_not_compressed(first)


def _items(pictures: Iterable[Any]) -> Iterator[_Item]:
    """The pictures; places without any wait for the first picture, and are an error without one."""
    empty: list[tuple[str, InputError]] | None = []
    for path, found in _found(pictures):
        if empty is not None and isinstance(found, InputError):
            empty.append((path, found))
            continue
        for place, error in empty or ():
            yield _Item(place, error)
        empty = None
        yield _Item(path, found)
    if empty:
        raise empty[0][1]


def _found(pictures: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for number, picture in enumerate(pictures):
        if isinstance(picture, str | Path):
            yield from _found_at(str(picture))
        elif isinstance(picture, bytes | np.ndarray | Image.Image):
            yield f"picture {number}", picture
        else:
            kind = type(picture).__name__
            raise InputError(f"a picture is Pillow's, a path, bytes or a uint8 array; got a {kind}")


def _found_at(path: str) -> Iterator[tuple[str, Any]]:
    try:
        places = _expanded(path)
    except InputError as error:
        yield path, error
        return
    for place in places:
        try:
            yield from ((s.path(i), (s, i)) for s, i in pictures_at(place))
        except InputError as error:
            yield str(place), error


def _expanded(path: str) -> list[Path]:
    if Path(path).exists() or not any(sign in path for sign in "*?["):
        return [Path(path)]
    found = sorted(glob(path, recursive=True))
    if not found:
        raise InputError(f"no file matches {path}")
    return [Path(name) for name in found]


def _read(item: _Item, *, least_side: int | None) -> Picture:
    if isinstance(item.source, InputError):
        told = str(item.source).removeprefix(f"{item.path}: ")
        nothing = told.startswith(f"no pictures in {item.path}")
        raise UnreadableImageError(item.path, "no pictures in it" if nothing else told)
    if isinstance(item.source, bytes | Image.Image):
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
