"""How a picture becomes a network's input: numbers only, which travel with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from operator import mul
from typing import Annotated, Any, Literal, TypeAlias

from inception.errors import InputError
from inception.fields import Range, check_fields, known_fields

Resize = Literal["short_side", "squash", "central"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "lanczos"]
ChannelOrder = Literal["rgb", "bgr", "grey"]
Value: TypeAlias = Annotated[float, Range(-1e6, 1e6)]
Deviation: TypeAlias = Annotated[float, Range(1e-6, 1e6)]

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
LUMA = (0.299, 0.587, 0.114)  # Rec. 601: what red, green and blue add to grey


@dataclass(frozen=True)
class Preprocessing:
    """Size, resize and crop rule, and normalisation of a network's input.

    Attributes:
        size: side of the square input, in pixels.
        resize: ``short_side`` brings the short side to ``size / crop`` and keeps the proportions;
            ``squash`` makes a square of that side; both then keep the centre ``size`` square.
            ``central`` keeps the centre share ``crop`` of both sides, then squashes it to
            ``size`` (TF-slim).
        crop: share of the resized side that the centre crop keeps, above 0 and up to 1.
        interpolation: filter of the resize, antialiased as in Pillow.
        channel_order: order in which the network takes the channels.
        mean: subtracted, one number a channel in the network's order, in units of 0 to 255.
        std: divided by, likewise.

    Raises:
        InputError: a value is out of range.
    """

    size: Annotated[int, Range(1, 8192)] = 224
    resize: Resize = "short_side"
    crop: Annotated[float, Range(0.05, 1)] = 0.875
    interpolation: Interpolation = "bilinear"
    channel_order: ChannelOrder = "rgb"
    mean: tuple[Value, ...] = IMAGENET_MEAN
    std: tuple[Deviation, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        check_fields(self, "a preprocessing")
        if len(self.mean) != len(self.std):
            raise InputError("mean and std of a preprocessing need one number a channel, both")

    @property
    def resized(self) -> int:
        """Side in pixels to which a picture is brought before the centre crop."""
        return round(self.size / self.crop)

    def for_channels(self, channels: int) -> Preprocessing:
        """The same for pictures of another number of channels; one channel is grey.

        Grey takes the colours' mean and deviation as they add to it; further channels take those
        of the first ones in turn.
        """
        if channels == len(self.mean):
            return self
        if channels == 1 and len(self.mean) == len(LUMA):
            shares = LUMA[::-1] if self.channel_order == "bgr" else LUMA
            mean = sum(map(mul, shares, self.mean))
            std = sum(map(mul, shares, self.std))
            return replace(self, channel_order="grey", mean=(mean,), std=(std,))
        order: ChannelOrder = "rgb" if self.channel_order == "grey" else self.channel_order
        means, stds = (tuple(islice(cycle(v), channels)) for v in (self.mean, self.std))
        return replace(self, channel_order=order, mean=means, std=stds)

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The inverse of ``to_json``. Raises ``InputError`` where it is none."""
        given = known_fields(values, cls, "a preprocessing")
        for name in ("mean", "std"):
            if isinstance(given.get(name), list):
                given[name] = tuple(given[name])
        return cls(**given)
