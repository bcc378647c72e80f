"""The models that are served, by name: found, and replaced when changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from inception.detection.detector_file import exported_backbone, holds_detector
from inception.errors import InputError, unknown
from inception.prediction import MODEL_FILES, SHIPPED, find_model
from inception.serving.classifier import ServedClassifier
from inception.serving.detector import ServedDetector
from inception.serving.workshop import Workshop

Served: TypeAlias = ServedClassifier | ServedDetector
Kind = TypeVar("Kind", ServedClassifier, ServedDetector)

ELSEWHERE = {  # what is said of a model that is not of the kind asked for
    ServedClassifier: "is a detector: ask it at /v1/detect",
    ServedDetector: "is a classifier and knows no boxes: ask it at /v1/predict",
}


def open_model(name: str, source: str | Path, workshop: Workshop) -> Served:
    """A MODEL or a detector made ready; which of them it is its file says.

    Raises:
        InputError: it is neither.
    """
    path = exported_backbone(source) or find_model(source)
    kind = ServedDetector if holds_detector(path) else ServedClassifier
    return kind(name, source, path, workshop)


class Shelf:
    """The models that are served, by name; the first is the one meant where none is named.

    Raises:
        InputError: one is neither MODEL nor detector, or what proposes has no detector to serve.
    """

    def __init__(self, sources: Mapping[str, str | Path], workshop: Workshop) -> None:
        self.workshop = workshop
        self._models = {name: open_model(name, at, workshop) for name, at in sources.items()}
        proposing = workshop.choice.search or workshop.choice.multibox
        if proposing and not any(isinstance(m, ServedDetector) for m in self._models.values()):
            raise InputError("--search and --multibox are of detectors, and none is served")

    @property
    def names(self) -> list[str]:
        """The models' names in their order."""
        return list(self._models)

    def find(self, name: str | None) -> Served:
        """The model of that name.

        Raises:
            InputError: there is none.
        """
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise unknown("model", name, self._models)
        return self._models[name]

    def pick(self, name: str | None, kind: type[Kind]) -> Kind | str:
        """The model of that name, or the first of that kind; or why it is none of that kind.

        Raises:
            InputError: there is no such model.
        """
        of_kind = [model for model in self._models.values() if isinstance(model, kind)]
        if name is None and of_kind:
            return of_kind[0]
        model = self.find(name)
        return model if isinstance(model, kind) else f"{model.name} {ELSEWHERE[kind]}"

    async def reload(self, name: str) -> None:
        """Reads a model's file again; requests under way keep the one they began with.

        Raises:
            InputError: the file is no model any more; the one that was read before stays.
        """
        source = self.find(name).source
        self._models[name] = await asyncio.to_thread(open_model, name, source, self.workshop)


def named(model: str | None, more: Sequence[str]) -> dict[str, str]:
    """A MODEL for each name, the first by its file's or folder's own; the shipped one if none.

    Raises:
        InputError: not NAME=PATH, or a name given twice.
    """
    sources: dict[str, str] = {}
    if model is not None:
        given = Path(model)
        sources[given.stem if given.suffix in MODEL_FILES else given.resolve().name] = model
    for entry in more:
        name, equals, path = entry.partition("=")
        if not (name and equals and path):
            raise InputError(f"--model takes NAME=PATH; got {entry}")
        if name in sources:
            raise InputError(f"two models named {name}; give them as --model NAME=PATH")
        sources[name] = path
    return sources or {SHIPPED: SHIPPED}
