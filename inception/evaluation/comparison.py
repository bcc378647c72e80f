"""Two models on the same pictures: which is right where the other is wrong, and is that chance?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception.data.datasets import Dataset
from inception.errors import InputError
from inception.evaluation.ensemble import Models
from inception.evaluation.evaluate import Evaluation, evaluate_request
from inception.evaluation.request import Request
from inception.evaluation.scores import mcnemar
from inception.runtime import Floats

CHANCE = 0.05  # a difference that is likelier than this by chance alone shows nothing


@dataclass(frozen=True)
class Comparison:
    """What two models reached on the pictures that both could be shown.

    Attributes:
        both: pictures that both got right; ``neither`` likewise.
        only_first: pictures that the first alone got right; ``only_second`` likewise.
    """

    first: Evaluation
    second: Evaluation
    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def p_value(self) -> float:
        """Of a difference at least as large if they were equally good (McNemar, exact)."""
        return mcnemar(self.only_first, self.only_second)

    @property
    def surely_different(self) -> bool:
        """Whether so large a difference would seldom be chance, 1 time of 20."""
        return self.p_value < CHANCE

    def to_json(self) -> dict[str, Any]:
        """The counts, the probability, and both evaluations."""
        counts = {n: getattr(self, n) for n in ("both", "only_first", "only_second", "neither")}
        difference = self.second.top1_accuracy - self.first.top1_accuracy
        return {
            **counts,
            "top1_difference": difference,
            "p_value": self.p_value,
            "first": self.first.to_json(),
            "second": self.second.to_json(),
        }


def compare(
    first: Models, second: Models, data: str | Path, how: Request, *, crops: int = 1
) -> Comparison:
    """Two MODELs, or lists of them as ensembles, on the same pictures.

    Their classes may stand in another order, and pictures are read for each in turn.

    Raises:
        InputError: as ``evaluate``; or no picture could be shown to both.
    """
    one, right = _judged(first, data, how, crops)
    other, right_too = _judged(second, data, how, crops)
    pairs = [(right[index], right_too[index]) for index in right.keys() & right_too.keys()]
    if not pairs:
        raise InputError(f"no picture of {data} could be shown to both models")
    return Comparison(
        one,
        other,
        both=pairs.count((True, True)),
        only_first=pairs.count((True, False)),
        only_second=pairs.count((False, True)),
        neither=pairs.count((False, False)),
    )


def _judged(
    model: Models, data: str | Path, how: Request, crops: int
) -> tuple[Evaluation, dict[int, bool]]:
    """An evaluation, and of each picture by number whether the answer was right."""
    right: dict[int, bool] = {}

    def see(dataset: Dataset, index: int, probabilities: Floats) -> None:
        right[index] = int(probabilities.argmax()) == int(dataset.labels[index])

    return evaluate_request(model, data, how, crops=crops, observe=see), right
