"""The model doctor: which pixels, size, crop and order of classes a file of weights expects.

A network does not refuse pictures in the wrong form, it only answers worse, and often more surely.
The doctor shows it the same pictures in every form weights are known to be published for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inception.data.crops import views
from inception.data.images import Picture
from inception.errors import InputError
from inception.evaluation.diagnosis import CUTS, Diagnosis, Trial, rank
from inception.evaluation.metrics import SMALLEST, Labels
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
SIZES = (32, 64, 96, 112, 128, 160, 192, 224, 256, 299, 331)
LEADERS = 2  # normalisations that are tried at other sizes
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
