"""A model evaluated on pictures that noise, blur, JPEG and brightness have changed. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from inception.data.crops import views
from inception.data.datasets import Dataset
from inception.data.images import Picture
from inception.evaluation.ensemble import find_ensemble
from inception.evaluation.evaluate import Evaluation, evaluate_members, identified
from inception.evaluation.request import Request
from inception.preprocessing import Preprocessing
from inception.robustness.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from inception.runtime.pipeline import Member

PASSES = 1 + len(CORRUPTIONS) * STRENGTHS


@dataclass(frozen=True)
class Changed(Dataset):
    """A set whose pictures are read as squares, each changed in its own way.

    Attributes:
        kind: of corruption; none for the squares as they are.
    """

    how: Preprocessing = field(default_factory=Preprocessing)
    kind: str | None = None
    strength: int = 0

    def read(self, index: int) -> Picture:
        """The square the network is shown, changed; the same in every run."""
        square: Picture = views(super().read(index), self.how)[0]
        if self.kind is None:
            return square
        rng = np.random.default_rng([CORRUPTIONS.index(self.kind), self.strength, index])
        return corrupted(square, self.kind, self.strength, rng)


@dataclass(frozen=True)
class Corrupted:
    """Accuracies on the same pictures.

    Attributes:
        changed: by kind, at strengths 1 to 5.
    """

    clean: Evaluation
    changed: dict[str, tuple[Evaluation, ...]]

    def mean(self, kind: str) -> float:
        """Top-1 over the strengths of a kind, from 0 to 1."""
        return float(np.mean([each.top1_accuracy for each in self.changed[kind]]))

    @property
    def mean_accuracy(self) -> float:
        """Top-1 over all kinds and strengths."""
        return float(np.mean([self.mean(kind) for kind in self.changed]))

    def rows(self) -> list[dict[str, Any]]:
        """One a kind and strength."""
        return [
            {
                "corruption": kind,
                "strength": strength,
                "top1_accuracy": each.top1_accuracy,
                "low": each.interval[0],
                "high": each.interval[1],
            }
            for kind, strengths in self.changed.items()
            for strength, each in enumerate(strengths, start=1)
        ]

    def to_json(self) -> dict[str, Any]:
        """All accuracies, and the evaluation of the pictures as they are."""
        return {
            "clean_accuracy": self.clean.top1_accuracy,
            "mean_accuracy": self.mean_accuracy,
            "images": self.clean.images,
            "corruptions": self.rows(),
            "clean": self.clean.to_json(),
        }


def evaluate_corrupted(model: str | Path, data: str | Path, how: Request) -> Corrupted:
    """A MODEL on a labelled set, one crop of each picture, by every corruption and strength.

    Raises:
        InputError: as ``evaluate``.
    """
    ensemble = find_ensemble([str(model)])
    whole = how.whole(data, ensemble.classes)
    dataset = whole.limited(how.limit)
    (member,) = ensemble.open(how, expected=PASSES * len(dataset))
    squared = replace(member.preprocessing, resize="squash", crop=1.0)  # leaves a square as it is
    asked = Member(member.engine, squared)

    def measured(number: int, kind: str | None, strength: int = 0) -> Evaluation:
        def progress(done: int, total: int) -> None:
            how.progress(number * total + done, PASSES * total)

        changed = Changed(
            **dataset.__dict__, how=member.preprocessing, kind=kind, strength=strength
        )
        request = replace(how, progress=progress)
        return evaluate_members([asked], changed, ensemble.names, request)

    clean = identified(measured(0, None), whole, ensemble.infos)
    strengths = range(1, STRENGTHS + 1)
    return Corrupted(
        clean,
        {
            kind: tuple(measured(1 + STRENGTHS * n + s - 1, kind, s) for s in strengths)
            for n, kind in enumerate(CORRUPTIONS)
        },
    )
