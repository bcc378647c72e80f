"""What a doctor's trials are worth: each kind of evidence, which is best, and what is unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inception.evaluation.showings import PLAIN
from inception.preprocessing import Preprocessing
from inception.runtime import Floats

CUTS: tuple[dict[str, Any], ...] = (
    {"resize": "short_side", "crop": 0.875, "interpolation": "bilinear"},
    {"resize": "short_side", "crop": 0.875, "interpolation": "bicubic"},
    {"resize": "central", "crop": 0.875, "interpolation": "bilinear"},
    {"resize": "squash", "crop": 0.875, "interpolation": "bilinear"},
    {"resize": "short_side", "crop": 1.0, "interpolation": "bilinear"},
    {"resize": "squash", "crop": 1.0, "interpolation": "bilinear"},
)
CHANCE = 2.0  # standard errors within which two forms count as equally good
WEIGHT = 5.0  # of a misfit, found on cats-and-dogs with 40 to 200 pictures
REACH = 1.3  # a network is asked at up to so many times what it learnt from (arXiv:1906.06423)
UNLIKE = 0.05  # misfit of 40 pictures of cats and dogs is 0.002 to 0.015, of 40 cats alone 0.1


@dataclass(frozen=True, eq=False)
class Trial:
    """A network shown the pictures in one form.

    Attributes:
        pixels: what the normalisation is called.
        offset: output of a label, less its number: 1 where a background class comes first.
        accuracy: share right, where there are labels.
        confidence: mean probability of the likeliest class.
        misfits: ``[N]`` how far it is from what batch norms remember, where any do.
        tells: ``[N]`` nats that each answer tells beyond their mean: much where the network is
            sure, and yet not of the same class for every picture.
        losses: ``[N]`` of each picture, where there are labels.
    """

    preprocessing: Preprocessing
    pixels: str
    offset: int
    accuracy: float | None
    confidence: float
    misfits: Floats | None
    tells: Floats
    losses: Floats | None = None

    @property
    def information(self) -> float:
        """Mean of ``tells``."""
        return float(self.tells.mean())

    @property
    def loss(self) -> float | None:
        """Mean of ``losses``."""
        return None if self.losses is None else float(self.losses.mean())

    @property
    def misfit(self) -> float | None:
        """Mean of ``misfits``."""
        return None if self.misfits is None else float(self.misfits.mean())

    @property
    def badness(self) -> float:
        """What trials are ranked by: loss and misfit; the misfit; or how little answers tell."""
        if self.losses is None and self.misfits is not None:
            return max(float(self.misfits.mean()), 0.0)  # below 0 by chance alone
        return float(self._each.mean())

    @property
    def _each(self) -> Floats:
        """``[N]`` the badness of each picture.

        Without labels the answers count only where no norm remembers: a network is as sure of
        itself at a wrong size, and more so where its outputs are no classes of these pictures.
        """
        if self.losses is None:
            return -self.tells if self.misfits is None else self.misfits
        return self.losses + np.float32(WEIGHT * max(self.misfit or 0.0, 0.0))

    def worse_than(self, other: Trial) -> bool:
        """Whether it is, by more than the differences between pictures explain."""
        worse = self._each - other._each
        return float(worse.mean()) > CHANCE * float(worse.std()) / math.sqrt(len(worse))

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON values."""
        return {
            "preprocessing": self.preprocessing.to_json(),
            "pixels": self.pixels,
            "class_offset": self.offset,
            "accuracy": self.accuracy,
            "loss": self.loss,
            "confidence": self.confidence,
            "information": self.information,
            "misfit": self.misfit,
        }


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        trials: best first, as ``rank`` orders them.
        equals: how many of the first these pictures cannot tell apart.
        said: what the file says of itself.
        pictures: how many were shown.
        classes: how many outputs the network has.
        showing: how training showed pictures, as far as what norms remember tells (``showings``).
    """

    trials: tuple[Trial, ...]
    equals: int
    said: Preprocessing | None
    pictures: int
    classes: int
    showing: str = PLAIN

    @property
    def best(self) -> Trial:
        """The form that the network expects."""
        return self.trials[0]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes that the evidence leaves, smallest first; none where there is no evidence of it.

        Without labels that is only the misfit: sure answers come at wrong sizes too.
        """
        if self.best.losses is not None:
            return () if self.guessing else (self.best.preprocessing.size,)
        if self.best.misfit is None or self.unlike:
            return ()
        return tuple(sorted({trial.preprocessing.size for trial in self.trials[: self.equals]}))

    @property
    def agrees(self) -> bool:
        """Whether the file says what was found, as far as anything was, or says nothing."""
        if self.said is None:
            return True
        found = self.best.preprocessing
        found = found if self.sizes else replace(found, size=self.said.size)
        return (found, self.best.offset) == (self.said, 0)

    @property
    def guessing(self) -> bool:
        """Whether even the best is no better than chance at the labels."""
        if self.best.losses is None:
            return False
        error = float(self.best.losses.std()) / math.sqrt(self.pictures)
        surest_guess = math.log(self.classes)  # loss of equal probabilities
        return surest_guess <= float(self.best.losses.mean()) + CHANCE * error

    @property
    def unlike(self) -> bool:
        """Whether, without labels, no form fits the batch norms: pictures too few or too odd."""
        return self.best.losses is None and (self.best.misfit or 0.0) > UNLIKE

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON values."""
        return {
            "pictures": self.pictures,
            "expects": self._expects(),
            "sizes": list(self.sizes),
            "learnt_from": self.showing,
            "says": None if self.said is None else self.said.to_json(),
            "agrees": self.agrees,
            "guessing": self.guessing,
            "unlike": self.unlike,
            "as_good": [trial.to_json() for trial in self.trials[1 : self.equals]],
            "trials": [trial.to_json() for trial in self.trials],
        }

    def _expects(self) -> dict[str, Any]:
        best = self.best.to_json()
        if len(self.sizes) != 1:
            best["preprocessing"]["size"] = None
        return best


def rank(trials: Sequence[Trial], said: Preprocessing | None = None) -> tuple[list[Trial], int]:
    """The trials, best first, and how many of the first the pictures cannot tell apart.

    Among those that only chance separates from the least bad, what the file says is believed, else
    the answers that tell most where there are no labels, and the commonest rule of cutting.
    Misfits alone tell the size that a network learnt from, so that it may be asked at larger ones.
    """
    ordered = sorted(trials, key=lambda trial: trial.badness)
    best = ordered[0]
    fitting = [trial for trial in ordered if not trial.worse_than(best)]
    level = [t for t in ordered if t in fitting or any(_may_follow(t, other) for other in fitting)]
    rest = [trial for trial in ordered if trial not in level]
    if best.losses is None:
        best = max(level, key=lambda trial: trial.information)

    def doubt(trial: Trial) -> tuple[bool, bool, int]:
        """Small for what is believed."""
        how = trial.preprocessing
        as_said = (how, trial.offset) == (said, 0)
        cut = _cut_of(how)
        only_cut = replace(how, **_cut_of(best.preprocessing)) == best.preprocessing
        alike = only_cut and trial.offset == best.offset
        return not as_said, not alike, CUTS.index(cut) if cut in CUTS else len(CUTS)

    level.sort(key=doubt)
    return [*level, *rest], len(level)


def _may_follow(trial: Trial, learnt: Trial) -> bool:
    """Whether what learnt from the one form may be asked in the other, for all that misfits say."""
    a, b = trial.preprocessing, learnt.preprocessing
    if trial.misfits is None or trial.losses is not None or replace(a, size=b.size) != b:
        return False
    return b.size < a.size <= REACH * b.size


def _cut_of(preprocessing: Preprocessing) -> dict[str, Any]:
    return {name: getattr(preprocessing, name) for name in CUTS[0]}
