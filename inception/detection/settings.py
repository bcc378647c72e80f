"""What the training of a detector is told, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from inception.detection.detector import Mode, Scoring
from inception.prediction import BACKBONE
from inception.training.settings import check, known_settings, parse_settings, setting

Optimiser = Literal["adamw", "muon"]
POOLED, NOTHING = "pooled", "none"  # what may be frozen, beside a stage of one's choice


@dataclass(frozen=True)
class DetectConfig:
    """Everything that decides the training of a detector, its data aside. Saved with the run."""

    init: str = setting(BACKBONE, "the MODEL it is made of, a classifier or a detector")
    mode: Mode = setting(
        "fast",
        "fast passes a picture once and pools its regions; rcnn warps and passes each region",
        choices=get_args(Mode),
    )
    stage: str | None = setting(
        None, "whose features are pooled; the last before the grid is last halved by default"
    )
    freeze: str = setting(
        POOLED, "the last stage that stays as it is; pooled is the one that is pooled, or none"
    )
    picture_size: int | None = setting(
        None,
        "px that fast brings the long side to; 2.5 times the model's own size by default",
        above=0,
    )
    context_px: int | None = setting(
        None, "of the surroundings that rcnn warps with a region; 16 at 224 px by default", least=0
    )
    boxes: bool | None = setting(
        None, "whether regions are moved to their objects; in fast alone by default"
    )
    keep_grid: bool | None = setting(
        None,
        "whether the last layer sees every cell of a region, not their mean; in fast by default",
    )
    scoring: Scoring = setting(
        "softmax",
        "of a region: softmax, or linear SVMs fitted at the end",
        choices=get_args(Scoring),
    )
    superpixels: int = setting(
        150, "of Selective Search, base and step: 300 halves the regions", above=0
    )
    search: str = setting(
        "fast", "Selective Search in its fast or its quality mode", choices=("fast", "quality")
    )
    least_px: int = setting(
        20, "shortest side of a region, in a picture 500 px wide", above=0, most=500
    )
    most_regions: int = setting(2000, "of a picture, the first that are proposed", above=0)
    epochs: int = setting(12, "passes over the training pictures", above=0)
    batch_size: int = setting(4, "pictures an update is made of", above=0)
    regions: int = setting(32, "of each picture of a batch", above=0)
    kept_regions: int = setting(
        64, "of each picture that rcnn passes through what is frozen, once and for all", above=0
    )
    positives: float = setting(
        0.25, "largest share of a picture's regions that show an object", above=0, most=1
    )
    positive_iou: float = setting(
        0.5, "with an object, from which a region shows it", least=0, most=1
    )
    near: float = setting(
        0.5,
        "share of the background drawn that overlaps an object by a tenth or more, if so much does",
        least=0,
        most=1,
    )
    mirror: bool = setting(True, "half of the pictures")
    smaller: tuple[float, ...] = setting(
        (0.7,),
        "shares of picture_size at which fast also learns from each picture",
        above=0,
        most=1,
    )
    optimiser: Optimiser = setting(
        "muon", "muon, or adamw for kernels too", choices=get_args(Optimiser)
    )
    lr: float = setting(1e-3, "peak learning rate", above=0)
    warmup: float = setting(0.1, "share of the run in which it rises", least=0, most=1)
    weight_decay: float = setting(0.05, "not on biases and norms", least=0)
    clip_norm: float | None = setting(1.0, "largest norm of the gradient", above=0)
    seed: int = setting(0, "of everything random", least=0)
    device: str = setting("auto", "where torch computes: auto, cpu or cuda", machine=True)
    threads: int | None = setting(
        None, "as many as cores by default", above=0, most=1024, machine=True
    )
    max_unreadable: float = setting(
        0.01, "share of pictures that may be unreadable", least=0, most=1, machine=True
    )
    checkpoint_s: float = setting(120.0, "seconds between checkpoints", above=0, machine=True)

    def __post_init__(self) -> None:
        for each in fields(self):
            check(each, getattr(self, each.name))

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DetectConfig:
        """The inverse of ``to_json``; raises ``InputError`` on a setting that is none."""
        return cls(**known_settings(cls, values))

    def with_settings(self, settings: Sequence[str]) -> DetectConfig:
        """The same with ``key=value`` settings over it.

        Raises:
            InputError: no such setting, or a value of another type.
        """
        return replace(self, **parse_settings(DetectConfig, settings))


MACHINE = tuple(f.name for f in fields(DetectConfig) if f.metadata["machine"])
