"""The proof beside an export: it and the torch network, on the same pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.benchmark.rounds import interleave
from inception.data.images import Picture, UnreadableImageError
from inception.errors import InputError
from inception.export.pictures import Pictures, squares
from inception.preprocessing import Preprocessing
from inception.runtime import Engine
from inception.runtime.pipeline import Member, Opinions, ask
from inception.runtime.program import PROBABILITIES

LEAST_AGREEMENT = 0.98
LARGEST = {"fp32": 1e-4, "fp16": 1e-2}  # differences of a probability; int8 is judged by classes
SURE = 1.645  # standard deviations that 95 % lie beyond, to one side
BATCH, ROUNDS = 32, 5


@dataclass(frozen=True)
class Comparison:
    """What two engines say of the same pictures.

    Attributes:
        probabilities: ``[N, 2, classes]``, torch first.
        labels: ``[N]``, or None.
        seconds: of each engine for a picture, decoding left out.
        before_rounding: largest difference of the program that was exported, in fp32.
    """

    probabilities: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    seconds: tuple[float, float]
    unreadable: int
    before_rounding: float | None = None

    @property
    def not_numbers(self) -> int:
        """Pictures of which one of the two says what is no number."""
        return int((~np.isfinite(self.probabilities)).any(axis=(1, 2)).sum())

    @property
    def agreement(self) -> float:
        """Share of the pictures that both put into the same class."""
        best = self.probabilities.argmax(axis=2)
        return float((best[:, 0] == best[:, 1]).mean())

    @property
    def largest_difference(self) -> float | None:
        """Of any probability; None where one is no number."""
        if self.not_numbers:
            return None
        return float(np.abs(self.probabilities[:, 0] - self.probabilities[:, 1]).max())

    def right(self, engine: int) -> npt.NDArray[np.bool_] | None:
        """``[N]`` whether the engine, 0 or 1, puts a picture into its class."""
        if self.labels is None:
            return None
        return np.asarray(self.probabilities[:, engine].argmax(axis=1) == self.labels)


@dataclass(frozen=True)
class Bars:
    """What an export must reach.

    Attributes:
        min_agreement: share of pictures put into the same class.
        max_drop: points of accuracy, of 100, that may be lost.
    """

    min_agreement: float = LEAST_AGREEMENT
    max_drop: float = 0.5

    def __post_init__(self) -> None:
        if not (self.max_drop >= 0 and math.isfinite(self.max_drop)):
            raise InputError(f"max-drop is in points, from 0; got {self.max_drop:g}")
        if not 0 <= self.min_agreement <= 1:
            raise InputError(f"min-agreement is from 0 to 1; got {self.min_agreement:g}")


@dataclass(frozen=True)
class Certificate:
    """How an exported file answers beside the network it came from; shares from 0 to 1.

    Attributes:
        options: under which the file was run and the figures hold.
        not_numbers: pictures of which it or torch says what is no number.
        agreement: share of the pictures that both put into the same class; of all such pictures
            it is, 95 % sure, between the two of ``agreement_range``.
        largest_difference: of any probability of any picture.
        largest_before_rounding: likewise of the program the file was made from, in fp32: what is
            left out or wrong there, a temperature for example, rounding does not hide.
        accuracy_torch: None where the pictures have no labels the model knows.
        drop_points_range: points of accuracy lost, of 100; 95 % sure, of all such pictures.
        pictures_from: where they are.
        calibrated_on: pictures int8's ranges were measured on; ``calibrated_alike`` of them are
            among those compared on.
        max_drop: points of accuracy that may be lost, of 100.
    """

    model: str
    file: str
    format: str
    precision: str
    options: dict[str, str]
    bytes: int
    pictures: int
    pictures_from: str
    unreadable: int
    calibrated_on: int
    calibrated_alike: int
    not_numbers: int
    agreement: float
    agreement_range: tuple[float, float]
    largest_difference: float | None
    largest_before_rounding: float | None
    accuracy_torch: float | None
    accuracy: float | None
    drop_points_range: tuple[float, float] | None
    images_per_second_torch: float
    images_per_second: float
    min_agreement: float
    max_drop: float
    versions: dict[str, str]

    @classmethod
    def of(cls, comparison: Comparison, bars: Bars, **facts: Any) -> Certificate:
        """The certificate of a comparison; the facts are the fields that it does not know."""
        count = len(comparison.probabilities)
        right = [comparison.right(engine) for engine in (0, 1)]
        return cls(
            pictures=count,
            unreadable=comparison.unreadable,
            not_numbers=comparison.not_numbers,
            agreement=comparison.agreement,
            agreement_range=share_range(round(comparison.agreement * count), count),
            largest_difference=comparison.largest_difference,
            largest_before_rounding=comparison.before_rounding,
            accuracy_torch=None if right[0] is None else float(right[0].mean()),
            accuracy=None if right[1] is None else float(right[1].mean()),
            drop_points_range=drop_range(right[0], right[1]),
            images_per_second_torch=1 / comparison.seconds[0],
            images_per_second=1 / comparison.seconds[1],
            **asdict(bars),
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
        """Why the export is refused; nothing where it is good.

        Shares are refused where they are too low beyond chance, so few pictures refuse no good
        model; ``agreement_range`` tells how much they prove.
        """
        if self.not_numbers:
            return (f"its or torch's answers to {self.not_numbers} pictures are no numbers",)
        found, largest = [], LARGEST.get(self.precision, 1.0)
        if self.agreement_range[1] < self.min_agreement:
            found.append(f"agreement {self.agreement:.2%} is under {self.min_agreement:.0%}")
        if self.drop_points_range and self.drop_points_range[0] > self.max_drop:
            found.append(f"accuracy drops by {self.drop:.2f} points, more than {self.max_drop:g}")
        if self.largest_difference is not None and self.largest_difference > largest:
            found.append(
                f"probabilities differ by {self.largest_difference:.2g}, more than {largest:g}"
            )
        if (self.largest_before_rounding or 0) > LARGEST["fp32"]:
            found.append(
                f"before any rounding they differ by {self.largest_before_rounding:.2g}, more "
                f"than {LARGEST['fp32']:g}"
            )
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether the export is good."""
        return not self.failures

    @property
    def advice(self) -> str:
        """What to try where it is refused; nothing where only the model itself can be mended."""
        if self.not_numbers or not self.failures or self.precision == "fp32":
            return ""
        if self.precision == "fp16":
            return "try --precision fp32"
        return (
            f"try more and more various pictures to calibrate on (there were {self.calibrated_on}),"
            f" --precision fp16, or other bars: --min-agreement {self._lower():g} --max-drop 2"
        )

    def _lower(self) -> float:
        return math.floor(100 * self.agreement) / 100

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, with ``drop_points`` and ``passed``."""
        return asdict(self) | {"drop_points": self.drop, "passed": self.passed}

    def to_text(self) -> str:
        """The same for people."""
        rows = [
            ("model", self.model),
            ("exported", f"{self.format}, {self.precision}, {self.bytes / 1e6:.1f} MB"),
            ("holds with", ", ".join(f"{k}={v}" for k, v in self.options.items()) or "any options"),
            ("pictures", f"{self.pictures} of {self.pictures_from}{self._unread()}"),
            ("calibrated", self._calibrated()),
            ("same class", self._agreement()),
            ("probabilities", self._probabilities()),
            ("accuracy", self._accuracy()),
            (
                "speed",
                f"{self.images_per_second:.1f} pictures/s, torch "
                f"{self.images_per_second_torch:.1f}, on this machine, in turns, decoding left out",
            ),
            ("verdict", "; ".join(self.failures) or "answers as the original does"),
        ]
        return "\n".join(f"{name:<14}{value}" for name, value in rows if value) + "\n"

    def _unread(self) -> str:
        return f", {self.unreadable} more could not be read" if self.unreadable else ""

    def _calibrated(self) -> str:
        if not self.calibrated_on:
            return ""
        alike = f"{self.calibrated_alike} of them" if self.calibrated_alike else "none of them"
        return f"on {self.calibrated_on} pictures, {alike} among those compared on"

    def _agreement(self) -> str:
        low, high = self.agreement_range
        return (
            f"{self.agreement:.2%}, of all such pictures {low:.1%} to {high:.1%} (95 % sure); "
            f"at least {self.min_agreement:.0%} wanted"
        )

    def _probabilities(self) -> str:
        if self.largest_difference is None:
            return "are no numbers"
        most = LARGEST.get(self.precision)
        wanted = "" if most is None else f" (at most {most:g})"
        return f"differ by {self.largest_difference:.2g} at most{wanted}"

    def _accuracy(self) -> str:
        if self.drop_points_range is None or self.accuracy is None:
            return "unknown: these pictures have no labels of the model's classes"
        low, high = self.drop_points_range
        return (
            f"{self.accuracy:.2%}, torch {self.accuracy_torch:.2%}, a drop of {self.drop:.2f} "
            f"points, of all such pictures {low:.1f} to {high:.1f} (at most {self.max_drop:g})"
        )


def share_range(hits: int, count: int) -> tuple[float, float]:
    """Clopper and Pearson's: each end is wrong in 5 % of samples at most."""

    def at_least(share: float) -> float:  # probability of so many hits or more
        steps = range(hits, count + 1)
        return math.fsum(_binomial(k, count, share) for k in steps)

    def at_most(share: float) -> float:
        return math.fsum(_binomial(k, count, share) for k in range(hits + 1))

    low = 0.0 if hits == 0 else _bisected(lambda share: at_least(share) - 0.05)
    high = 1.0 if hits == count else _bisected(lambda share: 0.05 - at_most(share))
    return low, high


def _binomial(hits: int, count: int, share: float) -> float:
    ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(ways + hits * math.log(share) + (count - hits) * math.log1p(-share))


def _bisected(rising: Callable[[float], float]) -> float:
    """Where a function that rises over the shares crosses 0."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def drop_range(
    before: npt.NDArray[np.bool_] | None, after: npt.NDArray[np.bool_] | None
) -> tuple[float, float] | None:
    """Points of accuracy lost, of 100, from the pictures that one of two alone has right.

    Each end is wrong in 5 % of samples at most, roughly: Agresti and Min's interval for pairs.
    """
    if before is None or after is None:
        return None
    count = len(before) + 2
    lost, won = ((before & ~after).sum() + 0.5, (after & ~before).sum() + 0.5)
    share = (lost - won) / count
    spread = SURE * math.sqrt(lost + won - (lost - won) ** 2 / count) / count
    return float(100 * (share - spread)), float(100 * (share + spread))


def compare(
    reference: Engine,
    exported: Engine,
    pictures: Pictures,
    how: Preprocessing,
    threads: int | None = None,
    *,
    program: Engine,
) -> Comparison:
    """Both engines on the same squares; the first of them in the program itself too.

    Raises:
        InputError: not one picture can be read.
    """
    members = [Member(reference, how), Member(exported, how)]
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
    labels = None if pictures.labels is None else pictures.labels[[n for n, _ in good]]
    shown = np.concatenate(squares(pictures.first(BATCH), how, threads) or [_blank(how)])
    before = [engine.run(shown)[PROBABILITIES] for engine in (reference, program)]
    difference = float(np.abs(before[0] - before[1]).max())
    return Comparison(
        np.stack([o.probabilities[:, 0] for _, o in good]),
        labels,
        timed(reference, exported, shown),
        unreadable,
        difference if math.isfinite(difference) else 1.0,  # the most there can be
    )


def _blank(how: Preprocessing) -> Picture:
    return np.zeros((1, how.size, how.size, 3), np.uint8)


def timed(reference: Engine, exported: Engine, shown: Picture) -> tuple[float, float]:
    """Seconds a picture of each, in turns that alternate, with nothing decoded beside them."""
    ways = {0: lambda: reference.run(shown), 1: lambda: exported.run(shown)}
    timings = interleave(ways, rounds=ROUNDS)
    return timings[0].median / len(shown), timings[1].median / len(shown)


def size_of(files: Sequence[Path]) -> int:
    """Bytes of all files together."""
    return sum(file.stat().st_size for file in files)
