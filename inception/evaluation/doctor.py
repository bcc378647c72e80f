"""The model doctor: which pixels, size, crop and order of classes a file of weights expects.

A network does not refuse pictures in the wrong form, it only answers worse, and often more surely.
The doctor shows it the same pictures in every form weights are known to be published for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from inception.data.crops import views
from inception.data.images import Picture
from inception.errors import InputError
from inception.evaluation.metrics import SMALLEST, Labels
from inception.preprocessing import IMAGENET_MEAN, IMAGENET_STD, ChannelOrder, Preprocessing
from inception.runtime import Floats

if TYPE_CHECKING:
    from inception.evaluation.patient import Heard, Patient


class Pixels(NamedTuple):
    """A way to bring pixels of 0 to 255 to a network's range, in the order red, green, blue."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


ONES, ZEROS = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
HALF = (127.5, 127.5, 127.5)
PIXELS: dict[str, Pixels] = {  # reference: the sources named in weights.catalogue
    "ImageNet's mean and std": Pixels(IMAGENET_MEAN, IMAGENET_STD),
    "-1 to 1": Pixels(HALF, HALF),
    "0 to 1": Pixels(ZEROS, (255.0, 255.0, 255.0)),
    "less Caffe's mean": Pixels((123.0, 117.0, 104.0), ONES),
    "0 to 255": Pixels(ZEROS, ONES),
}
RELATIVES: dict[str, dict[str, Pixels]] = {  # hardly to be told from the first, so tried after it
    "-1 to 1": {
        "(x - 128) / 128": Pixels((128.0,) * 3, (128.0,) * 3),
        "(x - 127.5) / 128": Pixels(HALF, (128.0,) * 3),
    },
    "less Caffe's mean": {
        "less Oxford's mean": Pixels((123.68, 116.779, 103.939), ONES),
        "less BN-Inception's mean": Pixels((128.0, 117.0, 104.0), ONES),
        "less 117": Pixels((117.0,) * 3, ONES),
    },
}
ORDERS: tuple[ChannelOrder, ...] = ("rgb", "bgr")
SIZES = (32, 64, 96, 112, 128, 160, 192, 224, 256, 299, 331)
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
UNLIKE = 0.05  # misfit of 40 pictures of cats and dogs is 0.002 to 0.015, of 40 cats alone 0.1
LEADERS = 2  # normalisations that are tried at other sizes
SMALL = 128  # px at which all are tried: which is right hardly depends on the size
BATCH = 32


@dataclass(frozen=True, eq=False)
class Trial:
    """A network shown the pictures in one form.

    Attributes:
        pixels: what the normalisation is called.
        offset: output of a label, less its number: 1 where a background class comes first.
        accuracy: share right, where there are labels.
        confidence: mean probability of the likeliest class.
        misfit: how far it is from what the batch norms remember, where there are any.
        tells: ``[N]`` nats that each answer tells beyond their mean: much where the network is
            sure, and yet not of the same class for every picture.
        losses: ``[N]`` of each picture, where there are labels.
    """

    preprocessing: Preprocessing
    pixels: str
    offset: int
    accuracy: float | None
    confidence: float
    misfit: float | None
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
    def badness(self) -> float:
        """What trials are ranked by: the loss, or how little the answers tell; and the misfit."""
        return float(self._each.mean())

    @property
    def _each(self) -> Floats:
        """``[N]`` the badness of each picture."""
        each = -self.tells if self.losses is None else self.losses
        return each if self.misfit is None else each + np.float32(WEIGHT * self.misfit)

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
    """

    trials: tuple[Trial, ...]
    equals: int
    said: Preprocessing | None
    pictures: int
    classes: int

    @property
    def best(self) -> Trial:
        """The form that the network expects."""
        return self.trials[0]

    @property
    def agrees(self) -> bool:
        """Whether the file says what was found, or says nothing."""
        return self.said is None or (self.best.preprocessing, self.best.offset) == (self.said, 0)

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
            "expects": self.best.to_json(),
            "says": None if self.said is None else self.said.to_json(),
            "agrees": self.agrees,
            "guessing": self.guessing,
            "unlike": self.unlike,
            "as_good": [trial.to_json() for trial in self.trials[1 : self.equals]],
            "trials": [trial.to_json() for trial in self.trials],
        }


Progress = Callable[[Trial], None]


def examine(
    patient: Patient,
    pictures: Callable[[], Iterator[Picture]],
    labels: Labels | None = None,
    *,
    progress: Progress = lambda trial: None,
) -> Diagnosis:
    """Which form of pictures a network expects.

    The known normalisations and orders of channels are tried first, then other sizes as long as
    they are better, then the rules of cutting, and the near relatives of the best normalisation.

    Args:
        patient: the network.
        pictures: gives the pictures, the same ones at every call.
        labels: ``[N]`` places of their classes among the outputs, as far as the file tells.
        progress: told each trial.

    Raises:
        InputError: no pictures, or a network of neither one nor three channels.
    """
    if patient.info.spec.in_channels != 3:
        raise InputError("the doctor knows only networks that take colour pictures")
    return _Examination(patient, pictures, labels, progress).diagnosis()


class _Examination:
    """Trials in the order they were made, each form tried once."""

    def __init__(
        self,
        patient: Patient,
        pictures: Callable[[], Iterator[Picture]],
        labels: Labels | None,
        progress: Progress,
    ) -> None:
        self.patient, self.pictures, self.labels = patient, pictures, labels
        self.progress = progress
        self.trials: dict[Preprocessing, list[Trial]] = {}
        self._squares: tuple[Preprocessing, Picture] | None = None

    def diagnosis(self) -> Diagnosis:
        base = self.patient.info.preprocessing
        if self.patient.said is not None:
            self._try(base, _pixels_name(base))
        small = replace(base, size=max(min(base.size, SMALL), self.patient.network.smallest_size))
        for name, pixels in PIXELS.items():
            for order in ORDERS:
                self._try(_with_pixels(small, pixels, order), name)
        for leader in self._leaders():
            whole = self._try(replace(leader.preprocessing, size=base.size), leader.pixels)
            best = min(leader, whole, key=lambda trial: trial.badness)
            self._climb(best, -1)
            self._climb(best, 1)
        for cut in CUTS:
            best = self._best()
            self._try(replace(best.preprocessing, **cut), best.pixels)
        best = self._best()
        for name, pixels in RELATIVES.get(best.pixels, {}).items():
            order = best.preprocessing.channel_order
            self._try(_with_pixels(best.preprocessing, pixels, order), name)
        ranked, equals = self._ranked()
        classes = len(self.patient.info.classes)
        count = len(ranked[0].tells)
        return Diagnosis(tuple(ranked), equals, self.patient.said, count, classes)

    def _ranked(self) -> tuple[list[Trial], int]:
        trials = [trial for trials in self.trials.values() for trial in trials]
        return rank(trials, self.patient.said)

    def _best(self) -> Trial:
        trials = [trial for trials in self.trials.values() for trial in trials]
        return min(trials, key=lambda trial: trial.badness)

    def _leaders(self) -> list[Trial]:
        """The best trial of each of the ``LEADERS`` best normalisations and orders of channels."""
        best: dict[tuple[str, ChannelOrder], Trial] = {}
        for trial in self._ranked()[0]:
            best.setdefault((trial.pixels, trial.preprocessing.channel_order), trial)
        return list(best.values())[:LEADERS]

    def _climb(self, best: Trial, step: int) -> None:
        """Tries the next smaller or larger size, as long as it is better."""
        smallest = self.patient.network.smallest_size
        while True:
            size = best.preprocessing.size
            beyond = [s for s in SIZES if (s - size) * step > 0 and s >= smallest]
            if not beyond:
                return
            other = replace(best.preprocessing, size=min(beyond, key=lambda s: abs(s - size)))
            tried = self._try(other, best.pixels)
            if tried.badness >= best.badness:
                return
            best = tried

    def _try(self, preprocessing: Preprocessing, pixels: str) -> Trial:
        """The best trial of that form, which is made where it was not yet."""
        if preprocessing not in self.trials:
            heard = self.patient.hear(self._cut(preprocessing), preprocessing, batch_size=BATCH)
            made = list(_trials(heard, self.labels, preprocessing, pixels))
            self.trials[preprocessing] = made
            for trial in made:
                self.progress(trial)
        return min(self.trials[preprocessing], key=lambda trial: trial.badness)

    def _cut(self, preprocessing: Preprocessing) -> Picture:
        """The squares, ``uint8 [N, size, size, 3]``; kept for the next form that cuts alike."""
        how = replace(preprocessing, channel_order="rgb", mean=(0.0,), std=(1.0,))
        if self._squares is None or self._squares[0] != how:
            squares = [views(picture, how)[0] for picture in self.pictures()]
            if not squares:
                raise InputError("the doctor needs pictures, and none could be read")
            self._squares = how, np.stack(squares)
        return self._squares[1]


def _with_pixels(base: Preprocessing, pixels: Pixels, order: ChannelOrder) -> Preprocessing:
    step = 1 if order == "rgb" else -1
    return replace(
        base, channel_order=order, mean=tuple(pixels.mean[::step]), std=tuple(pixels.std[::step])
    )


def _pixels_name(preprocessing: Preprocessing) -> str:
    known = PIXELS | {n: p for relatives in RELATIVES.values() for n, p in relatives.items()}
    for name, pixels in known.items():
        if _with_pixels(preprocessing, pixels, preprocessing.channel_order) == preprocessing:
            return name
    return "the file's own mean and std"


def _trials(
    heard: Heard, labels: Labels | None, preprocessing: Preprocessing, pixels: str
) -> Iterator[Trial]:
    """One trial, or with labels one for each place the classes may be shifted to."""
    p = np.maximum(heard.probabilities, SMALLEST)
    told = Trial(
        preprocessing,
        pixels,
        offset=0,
        accuracy=None,
        confidence=float(p.max(axis=1).mean()),
        misfit=heard.misfit,
        tells=(p * np.log(p / p.mean(axis=0))).sum(axis=1),
    )
    if labels is None:
        yield told
        return
    count = p.shape[1]
    for offset in sorted({0, 1 % count, -1 % count}, key=lambda o: (o != 0, o)):
        places = (labels + offset) % count
        losses = -np.log(p[np.arange(len(p)), places])
        accuracy = float((p.argmax(axis=1) == places).mean())
        signed = offset if offset <= 1 else offset - count
        yield replace(told, offset=signed, accuracy=accuracy, losses=losses)


def rank(trials: Sequence[Trial], said: Preprocessing | None = None) -> tuple[list[Trial], int]:
    """The trials, best first, and how many of the first the pictures cannot tell apart.

    Among those that only chance separates from the least bad, what the file says is believed, else
    the commonest rule of cutting.
    """
    ordered = sorted(trials, key=lambda trial: trial.badness)
    best = ordered[0]
    level = [trial for trial in ordered if not trial.worse_than(best)]
    rest = [trial for trial in ordered if trial.worse_than(best)]

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


def _cut_of(preprocessing: Preprocessing) -> dict[str, Any]:
    return {name: getattr(preprocessing, name) for name in CUTS[0]}
