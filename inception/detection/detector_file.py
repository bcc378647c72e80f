"""One detector is one model file: its description, its weights. No torch unless it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inception.detection.detector import Detector
from inception.errors import InputError, command
from inception.fields import check_fields, known_fields, shown
from inception.prediction import RUN_MODEL
from inception.weights.description import DETECTOR, FORMAT, check_format, read_description
from inception.weights.model_file import save_model

BACKBONE, HEAD = "backbone", "head"  # the graphs of an exported detector, in a folder of its own
GRAPHS = (".xml", ".onnx")  # and their suffixes

save_detector = save_model  # the same file, described by a ``DetectorInfo``


@dataclass(frozen=True)
class DetectorInfo:
    """What a detector's file says of itself; the fields are those of ``ModelInfo``."""

    detector: Detector
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "a detector's file")

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values."""
        return {
            "format": FORMAT,
            DETECTOR: self.detector.to_json(),
            "metrics": dict(self.metrics),
            "training": dict(self.training),
            "licence": self.licence,
            "parents": list(self.parents),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DetectorInfo:
        """The inverse of ``to_json``. Raises ``InputError`` where it describes no detector."""
        if not isinstance(values, Mapping):
            raise InputError(f"not a detector's description: {shown(values)}")
        rest = dict(values)
        check_format(rest.pop("format", FORMAT))
        given = known_fields(rest, cls, "a detector's file")
        if isinstance(given.get("parents"), list):
            given["parents"] = tuple(given["parents"])
        return cls(**{**given, DETECTOR: Detector.from_json(given[DETECTOR])})


def find_detector(place: str | Path) -> Path:
    """The file of a detector: a ``.safetensors``, or that of a run's or of an export's folder.

    Raises:
        InputError: there is none.
    """
    path = Path(place)
    if path.is_dir():
        path = exported_backbone(path) or path / RUN_MODEL
        if not path.exists():
            raise InputError(f"{place} has no {RUN_MODEL}: no run of a detector, or not yet ended")
    if not path.exists():
        make = command("detect", "train", "DATA", "--out", place)
        raise InputError(f"no such detector: {place}; one is made by {make}")
    return path


def exported_backbone(folder: str | Path) -> Path | None:
    """The first graph of an exported detector, where the folder is one's."""
    files = (Path(folder, f"{BACKBONE}{suffix}") for suffix in GRAPHS)
    return next((file for file in files if file.exists()), None)


def holds_detector(path: Path) -> bool:
    """Whether a model file says that it is a detector's.

    Raises:
        InputError: no such file, or none of ours.
    """
    values = read_description(path)
    return isinstance(values, Mapping) and DETECTOR in values


def read_detector(path: Path) -> DetectorInfo:
    """What a detector's file says of itself.

    Raises:
        InputError: no such file, or it holds no detector.
    """
    values = read_description(path)
    if isinstance(values, Mapping) and DETECTOR not in values:
        make = command("detect", "train", "DATA", "--init", path)
        raise InputError(f"{path} is a classifier; a detector is made of it by {make}")
    try:
        return DetectorInfo.from_json(values)
    except RecursionError:
        raise InputError(f"{path}: its description is nested too deep") from None
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error
