"""Several models that answer together, whatever their architectures and sizes of picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inception.errors import InputError
from inception.evaluation.request import Request
from inception.prediction import check_same_classes, find_members, find_model
from inception.runtime import create_engine
from inception.runtime.pipeline import Member
from inception.weights.model_file import ModelInfo, read_info

Models = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Ensemble:
    """One model or several, with the same classes.

    Attributes:
        names: what the caller called them.
        paths: their files.
        infos: what those say of themselves.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    infos: tuple[ModelInfo, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the logits."""
        return self.infos[0].classes

    def open(self, how: Request, *, expected: int) -> tuple[Member, ...]:
        """Each model in an engine of its own, for so many squares. Raises as ``create_engine``."""
        engines = [
            create_engine(
                path, how.engine, device=how.device, threads=how.threads, expected=expected
            )
            for path in self.paths
        ]
        pairs = zip(engines, self.infos, strict=True)
        return tuple(Member(engine, info.preprocessing) for engine, info in pairs)


def find_ensemble(models: Models) -> Ensemble:
    """The files of a MODEL (``prediction.find_model``) or of a list of them; ensembles unfold.

    Raises:
        InputError: none given, no such model, or classes that differ.
    """
    given = [models] if isinstance(models, str | Path) else list(models)
    names = [member for name in given for member in find_members(name)]
    if not names:
        raise InputError("an ensemble needs at least one model")
    paths = [find_model(name) for name in names]
    infos = [read_info(path) for path in paths]
    for name, info in zip(names, infos, strict=True):
        check_same_classes(infos[0].classes, info.classes, str(names[0]), str(name))
    return Ensemble(tuple(map(str, names)), tuple(paths), tuple(infos))
