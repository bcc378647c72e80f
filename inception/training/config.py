"""What a training run is told, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from inception.data.holdout import Fold
from inception.data.transforms import AUGMENTATIONS, Augmentation, augmentation
from inception.errors import InputError
from inception.models.variants import Head, NormKind
from inception.training import settings as settings_of
from inception.training.settings import (
    check,
    find_setting,
    known_settings,
    range_of,
    setting,
    shown,
)

Optimiser = Literal["sgd", "adamw", "muon", "rmsprop"]
Schedule = Literal["one_cycle", "cosine", "step", "exponential", "poly", "constant"]
Average = Literal["ema", "polyak", "none"]
Precision = Literal["auto", "fp32", "bf16"]
Balance = Literal["none", "weights", "sampling"]
Freeze = Literal["none", "backbone"]
Adversarial = Literal["none", "fgsm", "pgd"]
LoggerName = Literal["none", "tensorboard", "mlflow", "wandb"]

_AUGMENTATION = ("area", "mirror", "photometric", "lighting", "interpolations")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run, its data set aside. Saved with the run, resolved.

    ``inception train --set help`` says what each setting is, and the values it takes.

    Example:
        >>> TrainConfig(epochs=10, image_size=96, mixup=0.2)
        TrainConfig(image_size=96, epochs=10, mixup=0.2)
        >>> TrainConfig(imagesize=96)
        Traceback (most recent call last):
        inception.errors.InputError: no setting named 'imagesize'; did you mean 'image_size'?
    """

    recipe: str = setting("default", "the one these settings began as")
    model: str | None = setting(None, "a network, or a spec in JSON; init's, else googlenet_bn")
    width: float = setting(1.0, "factor on the width of every convolution", above=0)
    norm: NormKind = setting("own", "instead of the network's own", choices=get_args(NormKind))
    head: Head = setting(
        "own",
        "the classifier; knn, on cached features, trains nothing: it tells how often the nearest "
        "neighbours are right, and keeps the nearest class mean",
        choices=get_args(Head),
    )
    cut_after: str | None = setting(None, "the last stage that stays, right before the classifier")
    neighbours: int = setting(10, "that vote, of head=knn", above=0)
    dropout: float | None = setting(None, "the classifier's, in place of its own", least=0, most=1)
    aux_heads: int | None = setting(None, "how many train, the last ones; all by default", least=0)
    init: str | None = setting(None, "a MODEL to start from; its classes may differ")
    freeze: Freeze = setting(
        "none",
        "what stays as it is, batch-norm statistics too; with backbone the heads alone train",
        choices=get_args(Freeze),
    )
    unfreeze_from: str | None = setting(None, "the first stage that trains again under freeze")
    layer_decay: float = setting(
        1.0, "factor of the rate from each stage to the one before it", least=0, most=1
    )
    cached_views: int = setting(
        0,
        "views of each picture (as evaluated, then augmented) that pass a frozen backbone once and "
        "for all, the classifier training on their features; 0 computes them anew",
        least=0,
    )
    image_size: int | None = setting(None, "side in px; the model's own by default", above=0)
    progressive: tuple[int, ...] = setting(
        (), "smaller sizes before image_size, each for an equal share of the epochs"
    )
    eval_crop: float = setting(
        0.875, "share of the resized picture that validation sees", least=0, most=1
    )
    epochs: int = setting(20, "passes over the training set", above=0)
    steps: int | None = setting(None, "updates that end the run, instead of epochs", above=0)
    batch_size: int = setting(64, "pictures an update is made of, over all processes", above=0)
    accumulate: int = setting(1, "parts a batch is cut into, to fit into memory", above=0)
    sync_norm: bool = setting(
        False, "batch norm over the whole batch of all processes, not over each one's share"
    )
    checkpoint_activations: bool = setting(
        False, "less memory, a third more time, the same weights"
    )
    optimiser: Optimiser = setting(
        "sgd",
        "what updates; muon learns most in few epochs, its rates are AdamW's",
        choices=get_args(Optimiser),
    )
    lr: float = setting(0.05, "peak learning rate", above=0)
    bias_lr: float = setting(1.0, "factor on the rate of biases", least=0)
    momentum: float = setting(0.9, "of SGD and RMSProp", least=0, most=1)
    nesterov: bool = setting(True, "of SGD")
    rms_decay: float = setting(0.9, "of RMSProp's mean square", least=0, most=1)
    eps: float = setting(1e-8, "RMSProp's, inside the root, and AdamW's", least=0)
    weight_decay: float = setting(2e-4, "not on biases and norms", least=0)
    schedule: Schedule = setting("one_cycle", "of the rate", choices=get_args(Schedule))
    warmup: float = setting(
        0.3, "share of the run in which it rises (one_cycle, cosine)", least=0, most=1
    )
    gamma: float = setting(
        0.96, "factor every step_epochs (step: in stairs; exponential: smoothly)", least=0, most=1
    )
    step_epochs: float = setting(8.0, "see gamma", above=0)
    power: float = setting(0.5, "of the poly schedule", least=0)
    label_smoothing: float = setting(
        0.0, "share of each label spread over all classes", least=0, most=1
    )
    balance: Balance = setting(
        "none",
        "equal shares for small and large classes, of the loss or of the pictures drawn",
        choices=get_args(Balance),
    )
    teacher: str | None = setting(
        None, "MODEL,MODEL… of the same classes, whose mean answer is learned beside the labels"
    )
    teacher_weight: float = setting(
        0.7, "share of the labels that the teacher's answer stands for", least=0, most=1
    )
    aux_weight: float = setting(0.3, "of each auxiliary head's loss", least=0)
    augment: str = setting(
        "light", "how training pictures are changed", choices=tuple(AUGMENTATIONS)
    )
    area: tuple[float, float] | None = setting(None, "share that training crops keep, LOW,HIGH")
    mirror: bool | None = setting(None, "half of the pictures; of augment by default")
    photometric: float | None = setting(None, "strength; of augment by default", least=0, most=1)
    lighting: float | None = setting(None, "deviation; of augment by default", least=0)
    interpolations: tuple[str, ...] | None = setting(None, "one is drawn for each picture")
    mixup: float = setting(
        0.0, "of its beta distribution, 0.2 say: pictures are blended in pairs", least=0
    )
    cutmix: float = setting(0.0, "likewise, a box pasted into the other", least=0)
    adversarial: Adversarial = setting(
        "none",
        "learn from pictures that an adversary changed: fgsm, one step from a random start, or pgd",
        choices=get_args(Adversarial),
    )
    adversarial_eps: float = setting(
        2 / 255, "how far it may change a value, of the range from black to white", above=0, most=1
    )
    adversarial_steps: int = setting(7, "of adversarial=pgd", above=0)
    average: Average = setting(
        "ema",
        "weights for evaluation: ema with average_decay, warmed up; polyak, the mean since the "
        "share average_start of the run",
        choices=get_args(Average),
    )
    average_decay: float = setting(0.999, "see average", least=0, most=1)
    average_start: float = setting(0.5, "see average", least=0, most=1)
    # Without it the classifier, which sees a thousand positive features, swings wildly at the peak
    clip_norm: float | None = setting(1.0, "largest norm of the gradient", above=0)
    patience: int | None = setting(
        None, "epochs without a better validation that end the run", above=0
    )
    seed: int = setting(0, "of everything random", least=0)
    folds: int | None = setting(
        None, "parts of the training pictures, each of which validates one run", least=2
    )
    fold: int | None = setting(None, "which of the folds validates, from 1", least=1)
    data_seed: int | None = setting(
        None,
        "of order, augmentation and dropout, so that seed is left with fresh weights and which "
        "pictures are held out",
        least=0,
    )
    precision: Precision = setting(
        "auto",
        "auto is bf16 where the device computes in it",
        choices=get_args(Precision),
        machine=True,
    )
    device: str = setting(
        "auto", "where torch computes: auto, cpu or cuda; mps on a Mac, untried", machine=True
    )
    # One and two threads differ in the last bits, so a resumed run keeps their number
    threads: int | None = setting(
        None, "as many as cores by default", above=0, most=1024, machine=True
    )
    keep_decoded_mb: int | None = setting(
        None,
        "memory for training pictures that are then decoded once only; a quarter of what is free, "
        "at most 2000, by default",
        least=0,
        machine=True,
    )
    max_unreadable: float = setting(
        0.01, "share of pictures that may be unreadable", least=0, most=1, machine=True
    )
    checkpoint_s: float = setting(
        120.0, "seconds between checkpoints within an epoch", above=0, machine=True
    )
    logger: LoggerName = setting(
        "none",
        "who else is told the settings and every epoch",
        choices=get_args(LoggerName),
        machine=True,
    )
    keep: int = setting(
        0,
        "the last so many epochs' checkpoints stay, epoch-N.safetensors, to --resume from",
        least=0,
        machine=True,
    )

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        """Where a name is no setting's, says which is the nearest."""
        for name in settings:
            find_setting(name, fields(cls))
        return super().__new__(cls)

    def __repr__(self) -> str:
        own = [f for f in fields(self) if getattr(self, f.name) != f.default]
        return f"TrainConfig({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in own)})"

    def __post_init__(self) -> None:
        for each in fields(self):
            check(each, getattr(self, each.name))
        if any(size < 1 for size in self.progressive):
            raise InputError(f"progressive sizes must be above 0; got {self.progressive}")
        if self.fold is not None and self.fold > (self.folds or 0):
            raise InputError(f"fold {self.fold} is none of {self.folds or 'no'} folds")
        self.augmentation()

    def train_size(self, epoch: int, epochs: int) -> int:
        """Side in pixels of the training pictures of an epoch, counted from 0."""
        sizes = [*self.progressive, self.image_size or 0]
        return sizes[min(epoch * len(sizes) // epochs, len(sizes) - 1)]

    def augmentation(self) -> Augmentation:
        """The named augmentation, with the parts this run has of its own."""
        own: dict[str, Any] = {n: v for n in _AUGMENTATION if (v := getattr(self, n)) is not None}
        return replace(augmentation(self.augment), **own)

    @property
    def held_fold(self) -> Fold | None:
        """The fold that validates; None where the data's own set does.

        Raises:
            InputError: folds, and none of them chosen.
        """
        if self.folds is None:
            return None
        if self.fold is None:
            raise InputError("folds are of several runs: train --folds N; or say which fold it is")
        return Fold(self.fold, self.folds)

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
        return cls(**known_settings(cls, values))

    def with_settings(self, settings: Sequence[str]) -> TrainConfig:
        """The same with ``key=value`` settings over it, values read by the field's type.

        Raises:
            InputError: no such setting, or a value of another type.
        """
        return replace(self, **parse_settings(settings))


MACHINE = tuple(f.name for f in fields(TrainConfig) if f.metadata["machine"])


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Values by name of ``key=value`` settings, read by the field's type.

    Raises:
        InputError: no such setting, or a value of another type.
    """
    if any(text.startswith("recipe=") for text in settings):
        raise InputError("a recipe is no setting but where they begin: --recipe NAME")
    return settings_of.parse_settings(TrainConfig, settings)


def settings_help() -> list[tuple[str, str, str]]:
    """Of every setting its name and default, the values it takes, and what it is."""
    told = settings_of.settings_help(TrainConfig)
    return [each for each in told if not each[0].startswith("recipe=")]


def setting_help(name: str) -> str:
    """What an option of that name says: meaning, values, default."""
    of = find_setting(name, fields(TrainConfig))
    about = of.metadata["about"]
    default = "" if of.default is None else f"default: {shown(of.default)}"
    facts = "; ".join(part for part in (range_of(of), default) if part)
    return f"{about[0].upper()}{about[1:]}." + (f"  [{facts}]" if facts else "")


def as_typed(config: TrainConfig, *, unlike: TrainConfig) -> dict[str, str]:
    """Settings of ``config`` that ``unlike`` has not, as ``--set`` takes them."""
    names = [f.name for f in fields(config) if f.name != "recipe"]
    return {n: shown(getattr(config, n)) for n in names if getattr(config, n) != getattr(unlike, n)}
