"""The model doctor: which pixels, size, crop and order of classes a file of weights expects.

A network does not refuse pictures in the wrong form, it only answers worse, and often more surely.
The doctor shows it the same pictures in every form weights are known to be published for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inception.data.images import Picture
from inception.errors import InputError
from inception.evaluation.diagnosis import CUTS, REACH, Diagnosis, Trial, rank
from inception.evaluation.metrics import SMALLEST, Labels
from inception.evaluation.showings import PLAIN, SHOWINGS
from inception.preprocessing import IMAGENET_MEAN, IMAGENET_STD, ChannelOrder, Preprocessing

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
SIZES = (32, 64, 96, 112, 128, 144, 160, 192, 224, 256, 299, 331)
LEADERS = 2  # normalisations that are tried at other sizes
SHOWN = 4  # that tell how pictures were shown in training
SMALL = 128  # px at which all are tried: which is right hardly depends on the size
BATCH = 32


Progress = Callable[[Trial], None]


def examine(
    patient: Patient,
    pictures: Callable[[], Iterator[Picture]],
    labels: Labels | None = None,
    *,
    progress: Progress = lambda trial: None,
) -> Diagnosis:
    """Which form of pictures a network expects.

    The known normalisations and orders of channels are tried first; how training showed pictures is
    what fits the best of them. Then come other sizes as long as they are better, the rules of
    cutting, and the near relatives of the best normalisation.

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
        self.showing = PLAIN
        self._kept: dict[tuple[Preprocessing, str], Heard] = {}
        self._squares: dict[str, tuple[Preprocessing, Picture]] = {}

    def diagnosis(self) -> Diagnosis:
        base = self.patient.info.preprocessing
        if self.patient.said is not None:
            self._try(base, _pixels_name(base))
        small = replace(base, size=max(min(base.size, SMALL), self.patient.network.smallest_size))
        for name, pixels in PIXELS.items():
            for order in ORDERS:
                self._try(_with_pixels(small, pixels, order), name)
        self._find_showing()
        for leader in self._leaders(LEADERS):
            whole = self._try(replace(leader.preprocessing, size=base.size), leader.pixels)
            best = min(leader, whole, key=lambda trial: trial.badness)
            self._climb(best, -1)
            self._climb(best, 1)
        if self.labels is None:
            self._try_larger(self._best())
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
        said = self.patient.said
        return Diagnosis(tuple(ranked), equals, said, count, classes, self.showing)

    def _ranked(self) -> tuple[list[Trial], int]:
        trials = [trial for trials in self.trials.values() for trial in trials]
        return rank(trials, self.patient.said)

    def _best(self) -> Trial:
        trials = [trial for trials in self.trials.values() for trial in trials]
        return min(trials, key=lambda trial: trial.badness)

    def _find_showing(self) -> None:
        """Chooses the showing that fits what norms remember best, and judges the trials by it."""
        leaders, fits = self._leaders(SHOWN), {}
        for name in SHOWINGS:
            heard = [self._heard(leader.preprocessing, name) for leader in leaders]
            known = [float(one.misfits.mean()) for one in heard if one.misfits is not None]
            if not known:
                return  # no norm remembers
            fits[name] = max(min(known), 0.0)  # below 0 by chance alone
        self.showing = min(fits, key=fits.__getitem__)  # of equal ones the first
        for form, trials in self.trials.items():
            misfits = self._heard(form, self.showing).misfits
            self.trials[form] = [replace(trial, misfits=misfits) for trial in trials]

    def _leaders(self, count: int) -> list[Trial]:
        """The best trial of each of the best normalisations and orders of channels."""
        best: dict[tuple[str, ChannelOrder], Trial] = {}
        for trial in self._ranked()[0]:
            best.setdefault((trial.pixels, trial.preprocessing.channel_order), trial)
        return list(best.values())[:count]

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

    def _try_larger(self, learnt: Trial) -> None:
        """Tries the sizes at which it may be asked, if that is the one it learnt from."""
        least = learnt.preprocessing.size
        for size in (s for s in SIZES if least < s <= REACH * least):
            self._try(replace(learnt.preprocessing, size=size), learnt.pixels)

    def _try(self, preprocessing: Preprocessing, pixels: str) -> Trial:
        """The best trial of that form, which is made where it was not yet."""
        if preprocessing not in self.trials:
            misfits = self._heard(preprocessing, self.showing).misfits
            heard = replace(self._heard(preprocessing, PLAIN), misfits=misfits)
            made = list(_trials(heard, self.labels, preprocessing, pixels))
            self.trials[preprocessing] = made
            for trial in made:
                self.progress(trial)
        return min(self.trials[preprocessing], key=lambda trial: trial.badness)

    def _heard(self, preprocessing: Preprocessing, showing: str) -> Heard:
        if showing != PLAIN:  # its crops follow no rule of cutting
            preprocessing = replace(preprocessing, **CUTS[0])
        asked = preprocessing, showing
        if asked not in self._kept:
            squares = self._cut(preprocessing, showing)
            self._kept[asked] = self.patient.hear(squares, preprocessing, batch_size=BATCH)
        return self._kept[asked]

    def _cut(self, preprocessing: Preprocessing, showing: str) -> Picture:
        """The squares, ``uint8 [N, size, size, 3]``; kept for the next form that cuts alike."""
        how = replace(preprocessing, channel_order="rgb", mean=(0.0,), std=(1.0,))
        kept = self._squares.get(showing)
        if kept is None or kept[0] != how:
            squares = SHOWINGS[showing].squares(self.pictures(), how)
            if not squares:
                raise InputError("the doctor needs pictures, and none could be read")
            self._squares[showing] = kept = how, np.stack(squares)
        return kept[1]


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
        misfits=heard.misfits,
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
