"""What a training run is told, checked once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from inception.data.transforms import Augmentation, augmentation
from inception.errors import InputError, unknown
from inception.models.variants import Head, NormKind

Optimiser = Literal["sgd", "adamw", "rmsprop"]
Schedule = Literal["one_cycle", "cosine", "step", "exponential", "poly", "constant"]
Average = Literal["ema", "polyak", "none"]
Precision = Literal["auto", "fp32", "bf16"]
Freeze = Literal["none", "backbone"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "optimiser": get_args(Optimiser),
    "schedule": get_args(Schedule),
    "average": get_args(Average),
    "precision": get_args(Precision),
    "freeze": get_args(Freeze),
    "head": get_args(Head),
    "norm": get_args(NormKind),
}
_POSITIVE = ("epochs", "steps", "batch_size", "accumulate", "lr", "step_epochs", "clip_norm",
             "patience", "threads", "checkpoint_s", "image_size", "width",
             "neighbours")  # fmt: skip
_SHARES = ("momentum", "label_smoothing", "average_decay", "average_start", "warmup", "eval_crop",
           "max_unreadable", "rms_decay", "gamma", "layer_decay", "dropout")  # fmt: skip
_NOT_NEGATIVE = ("weight_decay", "aux_weight", "seed", "data_seed", "cached_views", "aux_heads",
                 "mixup", "cutmix")  # fmt: skip
_AUGMENTATION = ("area", "mirror", "photometric", "lighting", "interpolations")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run, its data set aside. Saved with the run, resolved.

    Attributes:
        recipe: the one these settings began as.
        model: a name, or the path of a spec in JSON; by default that of ``init``, else
            ``googlenet_bn``.
        width: factor on the width of every convolution.
        norm: ``batch``, ``lrn`` or ``none`` instead of the network's own.
        head: the classifier: ``linear``, ``flatten``, ``nin`` or ``cosine`` instead of the
            network's own (``models.variants.with_head``); ``knn``, on cached features, trains
            nothing: it tells how often the nearest ``neighbours`` are right, and keeps the nearest
            class mean. ``dropout``: the classifier's, in place of the network's.
        aux_heads: how many of the network's auxiliary heads train, the last ones; all by default.
        init: a MODEL to start from; what does not fit is dropped or fresh, and said so.
        freeze: ``backbone`` trains the classifier and heads only, batch-norm statistics fixed.
        unfreeze_from: the first stage that trains again under ``freeze``, by name.
        layer_decay: factor of the rate from each stage to the one before it.
        cached_views: with a frozen backbone, views of each picture (as evaluated, then augmented
            ones) that go through it once and for all; the classifier alone then trains on their
            features, in seconds. 0 computes features anew for every step.
        image_size: side in pixels; the model's own by default.
        progressive: smaller sizes to begin with, each for an equal share of the epochs, before
            ``image_size``; validation is always at ``image_size``.
        eval_crop: share of the resized picture that the evaluation crop keeps.
        epochs: passes over the training set; ``steps`` where given ends the run instead.
        batch_size: pictures an update is made of, over all processes.
        accumulate: parts a batch is cut into, one after the other, to fit into memory.
        checkpoint_activations: keep less for the gradients and compute it again: the same weights
            from much less memory, in a third more time.
        lr: peak rate. ``bias_lr`` multiplies it for biases.
        weight_decay: not on biases and norms.
        momentum: of SGD and RMSProp.
        rms_decay: of RMSProp's mean square. ``eps``: RMSProp's (inside the root) and AdamW's.
        warmup: share of the run in which the rate rises (one_cycle, cosine).
        gamma: factor every ``step_epochs`` (step: in stairs; exponential: smoothly).
        power: of the poly schedule.
        aux_weight: of each auxiliary head's loss.
        augment: ``light``, ``googlenet``, ``caffe`` or ``none``; ``area``, ``mirror``,
            ``photometric``, ``lighting`` and ``interpolations`` replace parts of it
            (``data.transforms.Augmentation``).
        mixup: parameter of the beta distribution by which pictures are blended in pairs, labels
            too; 0 for none. ``cutmix``: likewise, a box of the one pasted into the other.
        average: weights for evaluation: ``ema`` with ``average_decay``, warmed up; ``polyak``,
            the mean since the share ``average_start`` of the run; or ``none``.
        precision: ``auto`` is bf16 where the device computes in it, else fp32.
        clip_norm: largest norm of the gradient. Without it the classifier, which sees a thousand
            positive features, swings wildly at the default's peak rate.
        patience: epochs without a better validation that end the run.
        threads: of torch, part of the run: one and two differ in the last bits.
        seed: of everything random. ``data_seed`` where given draws order, augmentation and
            dropout, so that ``seed`` is left with fresh weights and which pictures are held out.
        checkpoint_s: seconds between checkpoints within an epoch.
    """

    recipe: str = "default"
    model: str | None = None
    width: float = 1.0
    norm: NormKind = "own"
    head: Head = "own"
    neighbours: int = 10
    dropout: float | None = None
    aux_heads: int | None = None
    init: str | None = None
    freeze: Freeze = "none"
    unfreeze_from: str | None = None
    layer_decay: float = 1.0
    cached_views: int = 0
    image_size: int | None = None
    progressive: tuple[int, ...] = ()
    eval_crop: float = 0.875
    epochs: int = 20
    steps: int | None = None
    batch_size: int = 64
    accumulate: int = 1
    checkpoint_activations: bool = False
    optimiser: Optimiser = "sgd"
    lr: float = 0.05
    bias_lr: float = 1.0
    momentum: float = 0.9
    nesterov: bool = True
    rms_decay: float = 0.9
    eps: float = 1e-8
    weight_decay: float = 2e-4
    schedule: Schedule = "one_cycle"
    warmup: float = 0.3
    gamma: float = 0.96
    step_epochs: float = 8.0
    power: float = 0.5
    label_smoothing: float = 0.0
    aux_weight: float = 0.3
    augment: str = "light"
    area: tuple[float, float] | None = None
    mirror: bool | None = None
    photometric: float | None = None
    lighting: float | None = None
    interpolations: tuple[str, ...] | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    average: Average = "ema"
    average_decay: float = 0.999
    average_start: float = 0.5
    precision: Precision = "auto"
    clip_norm: float | None = 1.0
    patience: int | None = None
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    data_seed: int | None = None
    max_unreadable: float = 0.01
    checkpoint_s: float = 120.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise unknown(name, str(getattr(self, name)), choices)
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"{name} must be above 0; got {value}")
        for name in _SHARES:
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} must be from 0 to 1; got {value}")
        if any(size < 1 for size in self.progressive):
            raise InputError(f"progressive sizes must be above 0; got {self.progressive}")
        self.augmentation()
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError(f"{name} must not be negative; got {value}")

    def train_size(self, epoch: int, epochs: int) -> int:
        """Side in pixels of the training pictures of an epoch, counted from 0."""
        sizes = [*self.progressive, self.image_size or 0]
        return sizes[min(epoch * len(sizes) // epochs, len(sizes) - 1)]

    def augmentation(self) -> Augmentation:
        """The named augmentation, with the parts this run has of its own."""
        own: dict[str, Any] = {n: v for n in _AUGMENTATION if (v := getattr(self, n)) is not None}
        return replace(augmentation(self.augment), **own)

    @property
    def sampling_seed(self) -> int:
        """Of order, augmentation and dropout."""
        return self.seed if self.data_seed is None else self.data_seed

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of ``to_json``; raises ``InputError`` on a setting that is none."""
        names = [f.name for f in fields(cls)]
        for name in values:
            if name not in names:
                raise unknown("setting", name, names)
        known: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in values.items()
        }
        return cls(**known)

    def with_settings(self, settings: Sequence[str]) -> TrainConfig:
        """The same with ``key=value`` settings over it, values read by the field's type.

        Raises:
            InputError: no such setting, or a value of another type.
        """
        changes: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise InputError(f"a setting is key=value; got {setting!r}")
            if name == "recipe":
                raise InputError("a recipe is no setting but where they begin: --recipe NAME")
            if name not in (known := [f.name for f in fields(self)]):
                raise unknown("setting", name, known)
            changes[name] = _parse(name, text)
        return replace(self, **changes)


def _parse(name: str, text: str) -> Any:
    kind = next(str(f.type) for f in dataclasses.fields(TrainConfig) if f.name == name)
    if text == "none" and kind.endswith("| None"):
        return None
    try:
        if kind.startswith("tuple[int"):
            return tuple(int(part) for part in text.split(","))
        if kind.startswith("tuple[str"):
            return tuple(text.split(","))
        if kind.startswith("tuple"):
            low, high = (float(part) for part in text.split(","))
            return low, high
        if kind.startswith("bool"):
            return {"true": True, "false": False}[text.lower()]
        if kind.startswith("int"):
            return int(text)
        return float(text) if kind.startswith("float") else text
    except (ValueError, KeyError):
        wanted = {
            "t": "numbers with commas between, LOW,HIGH for a range",
            "b": "true or false",
            "i": "a whole number",
        }
        raise InputError(f"{name} takes {wanted.get(kind[0], 'a number')}; got {text!r}") from None
