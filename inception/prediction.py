"""What is a MODEL: its file, its members."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from inception.data.images import EXTENSIONS
from inception.errors import InputError, command
from inception.files import read_text
from inception.weights.description import is_exported

if TYPE_CHECKING:
    from inception.weights.model_file import Model

MODEL_FILES = (".safetensors", ".xml", ".onnx")
RUN_MODEL = "model.safetensors"  # a run folder's best weights
RUN_CONFIG = "config.json"  # what makes a folder a run's, from its beginning
ENSEMBLE = "ensemble.json"  # what makes a folder an ensemble's, of runs
SHIPPED = "cats-and-dogs"  # the trained model that is taken where none is named
BACKBONE = "imagenette"  # and the one to start training from
SHIPPED_FILES = {  # what comes with the package
    name: Path(__file__).parent / "weights" / f"{name}.safetensors" for name in (SHIPPED, BACKBONE)
}
SHIPPED_FILE = SHIPPED_FILES[SHIPPED]


def find_model(name: str | Path) -> Path:
    """The file of a MODEL.

    A ``.safetensors``, an exported ``.xml`` or ``.onnx``, a run folder, a catalogue tag,
    ``cats-and-dogs`` or ``imagenette``. An ensemble is several: ``find_members``.

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
    if str(name) in SHIPPED_FILES:
        return SHIPPED_FILES[str(name)]
    from inception.models import MODELS  # the tables of all networks and all published weights:
    from inception.weights.catalogue import CATALOGUE, pulled  # a file needs neither

    if str(name) in CATALOGUE:
        return pulled(str(name))
    if str(name) in MODELS:
        raise InputError(
            f"{name} is an architecture and has no weights: train it first, "
            f"`inception train DATA --model {name}`, and give the run folder"
        )
    raise InputError(
        f"no such model: {name}; give a {', '.join(MODEL_FILES)} file, a run folder, "
        f"{', '.join(SHIPPED_FILES)}, or a tag of `inception weights list`"
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


def find_original(name: str | Path) -> Path:
    """The file of a MODEL that is one network with its weights, whose inside can be asked.

    Raises:
        InputError: as ``find_model``; an ensemble; or a file exported for other programs.
    """
    members = find_members(name)
    if len(members) > 1:
        raise InputError(f"{name} is an ensemble, whose members see differently: give {members[0]}")
    path = find_model(members[0])
    if is_exported(path):
        raise InputError(f"{path} was exported and gives its answers alone: give its original")
    return path


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
    path, marks = Path(name), (RUN_MODEL, RUN_CONFIG, ENSEMBLE)
    if path.suffix in MODEL_FILES or str(name) in SHIPPED_FILES:
        return True
    if path.suffix.lower() in EXTENSIONS:  # no network is called so
        return False
    from inception.models import MODELS
    from inception.weights.catalogue import CATALOGUE

    return str(name) in (*MODELS, *CATALOGUE) or any((path / mark).exists() for mark in marks)


def load(name: str | Path) -> Model:
    """The model of a file or run folder: ``.network .classes .preprocessing .metadata``.

    Raises:
        InputError: as ``find_model``, or the file is not one of ours.

    Example:
        >>> model = load("cats-and-dogs")
        >>> model.classes
        ('cat', 'dog')
        >>> model.network(torch.zeros(1, 3, 112, 112)).shape
        torch.Size([1, 2])
    """
    from inception.weights.model_file import load_model

    return load_model(find_model(name))
