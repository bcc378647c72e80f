"""Two sets of pictures, or what is kept of them, and every score that they allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception.errors import InputError
from inception.fid.features import Extractor, Features
from inception.fid.scores import (
    NEIGHBOURS,
    SUBSETS,
    Coverage,
    Spread,
    coverage,
    frechet,
    inception_score,
    kernel_distance,
)
from inception.fid.statistics import Statistics, read_statistics, statistics_of

USUAL = 10_000  # pictures from which on a FID is mostly about the generator
KEPT = ".npz"


@dataclass(frozen=True)
class Side:
    """One of the two sets.

    Attributes:
        features: None where only its statistics were kept.
        seconds: that seeing them took.
    """

    place: str
    statistics: Statistics
    features: Features | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Where it lies and how many pictures it has."""
        unreadable = self.features.unreadable if self.features else ()
        return {
            "place": self.place,
            "pictures": self.statistics.pictures,
            "unreadable": [path for path, _ in unreadable],
        }


@dataclass(frozen=True)
class Scores:
    """How near fake pictures are to real ones.

    Attributes:
        kid: None where only statistics of a set were kept; ``coverage`` likewise, and where there
            are no more pictures than neighbours.
        score: the Inception Score of the fake ones; None likewise.
    """

    real: Side
    fake: Side
    fid: float
    kid: Spread | None
    score: Spread | None
    coverage: Coverage | None

    @property
    def few(self) -> int | None:
        """The smaller number of pictures where that is too few for a FID to say much."""
        known = [s.statistics.pictures for s in (self.real, self.fake)]
        least = min((n for n in known if n is not None), default=USUAL)
        return least if least < USUAL else None

    @property
    def pictures_per_second(self) -> float | None:
        """Of the sets that were seen; None where none was."""
        seen = [side for side in (self.real, self.fake) if side.features is not None]
        count = sum(len(side.features.values) for side in seen if side.features is not None)
        return count / sum(side.seconds for side in seen) if seen else None

    def to_json(self) -> dict[str, Any]:
        """All scores; null where a set's statistics do not allow one."""
        return {
            "fid": self.fid,
            "kid": None if self.kid is None else {**self.kid._asdict(), "subsets": SUBSETS},
            "inception_score": None if self.score is None else self.score._asdict(),
            "precision": None if self.coverage is None else self.coverage.precision,
            "recall": None if self.coverage is None else self.coverage.recall,
            "neighbours": NEIGHBOURS,
            "real": self.real.to_json(),
            "fake": self.fake.to_json(),
            "pictures_per_second": self.pictures_per_second,
        }


def side_of(place: str, extractor: Callable[[], Extractor], **how: Any) -> Side:
    """A set of pictures as the extractor sees it, or its statistics from an ``.npz``.

    Raises:
        InputError: nothing there, or statistics that another network or resize made.
    """
    if Path(place).suffix == KEPT:
        return Side(place, read_statistics(Path(place)))
    ready = extractor()
    began = time.perf_counter()
    features = ready.see([place], **how)
    seconds = time.perf_counter() - began
    statistics = statistics_of(features.values, resize=ready.resize, digest=ready.digest)
    return Side(place, statistics, features, seconds)


def compare(real: Side, fake: Side) -> Scores:
    """Every score of two sets.

    Raises:
        InputError: they were not seen by the same network in the same way.
    """
    _check_alike(real, fake)
    a, b = real.statistics, fake.statistics
    fid = frechet(a.mean, a.covariance, b.mean, b.covariance)
    kid, covered = None, None
    if real.features is not None and fake.features is not None:
        pair = real.features.values, fake.features.values
        kid = kernel_distance(*pair)
        covered = coverage(*pair) if min(map(len, pair)) > NEIGHBOURS else None
    score = inception_score(fake.features.logits) if fake.features is not None else None
    return Scores(real, fake, fid, kid, score, covered)


def _check_alike(real: Side, fake: Side) -> None:
    a, b = real.statistics, fake.statistics
    if len(a.mean) != len(b.mean):
        raise InputError(
            f"{real.place} has {len(a.mean)} features and {fake.place} {len(b.mean)}: they are of "
            "different networks"
        )
    for name, one, other in (("resize", a.resize, b.resize), ("weights", a.digest, b.digest)):
        if None not in (one, other) and one != other:
            raise InputError(
                f"{real.place} and {fake.place} are not of the same {name} ({one}, {other}): their "
                "distance means nothing"
            )
