"""The proof beside an export: it and the torch network, on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.data.images import UnreadableImageError
from inception.errors import InputError
from inception.export.pictures import Pictures
from inception.preprocessing import Preprocessing
from inception.runtime import Engine
from inception.runtime.pipeline import Member, Opinions, ask

LEAST_AGREEMENT = 0.98
BATCH = 32


@dataclass(frozen=True)
class Comparison:
    """What two engines say of the same pictures.

    Attributes:
        probabilities: ``[N, 2, classes]``, torch first.
        labels: ``[N]``, or None.
        seconds: of each engine, in all.
    """

    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    seconds: tuple[float, float]
    unreadable: int

    @property
    def agreement(self) -> float:
        """Share of the pictures that both put into the same class."""
        best = self.probabilities.argmax(axis=2)
        return float((best[:, 0] == best[:, 1]).mean())

    @property
    def largest_difference(self) -> float:
        """Of any probability."""
        return float(np.abs(self.probabilities[:, 0] - self.probabilities[:, 1]).max())

    def accuracy(self, engine: int) -> float | None:
        """Share of the pictures that the engine, 0 or 1, puts into their class."""
        if self.labels is None:
            return None
        return float((self.probabilities[:, engine].argmax(axis=1) == self.labels).mean())


@dataclass(frozen=True)
class Certificate:
    """How an exported file answers beside the network it came from; shares from 0 to 1.

    Attributes:
        agreement: share of the pictures that both put into the same class.
        largest_difference: of any probability of any picture.
        accuracy_torch: None where the pictures have no labels the model knows.
        max_drop: points of accuracy that may be lost, of 100.
        pictures_from: where they are.
    """

    model: str
    file: str
    format: str
    precision: str
    bytes: int
    pictures: int
    pictures_from: str
    unreadable: int
    agreement: float
    largest_difference: float
    accuracy_torch: float | None
    accuracy: float | None
    images_per_second_torch: float
    images_per_second: float
    max_drop: float
    versions: dict[str, str]

    @classmethod
    def of(cls, comparison: Comparison, **facts: Any) -> Certificate:
        """The certificate of a comparison; the facts are the fields that it does not know."""
        count = len(comparison.probabilities)
        torch_s, own_s = comparison.seconds
        return cls(
            pictures=count,
            unreadable=comparison.unreadable,
            agreement=comparison.agreement,
            largest_difference=comparison.largest_difference,
            accuracy_torch=comparison.accuracy(0),
            accuracy=comparison.accuracy(1),
            images_per_second_torch=count / torch_s,
            images_per_second=count / own_s,
            **facts,
        )

    @property
    def drop(self) -> float | None:
        """Points of accuracy lost, of 100; below 0 where the export is the better one."""
        if self.accuracy is None or self.accuracy_torch is None:
            return None
        return 100 * (self.accuracy_torch - self.accuracy)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the export is refused; nothing where it is good."""
        found = []
        if not self.agreement >= LEAST_AGREEMENT:
            found.append(f"agreement {self.agreement:.2%} is under {LEAST_AGREEMENT:.0%}")
        if self.drop is not None and self.drop > self.max_drop:
            found.append(f"accuracy drops by {self.drop:.2f} points, more than {self.max_drop:g}")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, with ``drop_points`` and ``passed``."""
        return asdict(self) | {"drop_points": self.drop, "passed": not self.failures}

    def to_text(self) -> str:
        """The same for people."""
        rows = [
            ("model", self.model),
            ("exported", f"{self.format}, {self.precision}, {self.bytes / 1e6:.1f} MB"),
            ("pictures", f"{self.pictures} of {self.pictures_from}{self._unread()}"),
            ("same class", f"{self.agreement:.2%} (at least {LEAST_AGREEMENT:.0%})"),
            ("probabilities", f"differ by {self.largest_difference:.2g} at most"),
            ("accuracy", self._accuracy()),
            (
                "speed",
                f"{self.images_per_second:.1f} pictures/s, torch "
                f"{self.images_per_second_torch:.1f}, on this machine, decoding left out",
            ),
            ("verdict", "; ".join(self.failures) or "answers as the original does"),
        ]
        return "\n".join(f"{name:<14}{value}" for name, value in rows) + "\n"

    def _unread(self) -> str:
        return f", {self.unreadable} more could not be read" if self.unreadable else ""

    def _accuracy(self) -> str:
        if self.accuracy is None or self.accuracy_torch is None:
            return "unknown: these pictures have no labels of the model's classes"
        return (
            f"{self.accuracy:.2%}, torch {self.accuracy_torch:.2%}, a drop of {self.drop:.2f} "
            f"points (at most {self.max_drop:g})"
        )


def compare(
    reference: Engine,
    exported: Engine,
    pictures: Pictures,
    how: Preprocessing,
    threads: int | None = None,
) -> Comparison:
    """Both engines on the same squares.

    Raises:
        InputError: not one picture can be read.
    """
    members = [Member(reference, how), Member(exported, how)]
    for member in members:  # what happens once, compiling for example, is not part of the speed
        first = min(BATCH, len(pictures.items))
        member.engine.run(np.zeros((first, how.size, how.size, 3), np.uint8))
    told = ask(
        members,
        range(len(pictures.items)),
        pictures.read,
        counts=(1,),
        batch_size=BATCH,
        threads=threads,
    )
    good: list[tuple[int, Opinions]] = []
    unreadable = 0
    for number, opinions in told:
        if isinstance(opinions, UnreadableImageError):
            unreadable += 1
        else:
            good.append((number, opinions))
    if not good:
        raise InputError(f"none of the {unreadable} pictures to check with can be read")
    seconds = np.sum([o.seconds[:, 0] for _, o in good], axis=0)
    labels = None if pictures.labels is None else pictures.labels[[n for n, _ in good]]
    return Comparison(
        np.stack([o.probabilities[:, 0] for _, o in good]),
        labels,
        (float(seconds[0]), float(seconds[1])),
        unreadable,
    )


def size_of(files: Sequence[Path]) -> int:
    """Bytes of all files together."""
    return sum(file.stat().st_size for file in files)
