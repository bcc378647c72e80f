"""A network as the steps of its inference, the same for every engine. No torch here.

Batch norm is folded into what stands before it, windows have explicit padding, and everything from
``uint8`` pictures to probabilities is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from inception.errors import InputError
from inception.models.shapes import Pads, Sides, Windows
from inception.models.spec import ActivationKind
from inception.preprocessing import ChannelOrder

Floats: TypeAlias = npt.NDArray[np.float32]

PICTURES = "pictures"  # what a graph calls its input: uint8 [N, H, W, 3]
PROBABILITIES, LOGITS = "probabilities", "logits"
HEAD_OUTPUTS = AUX, AUX_LOGITS = ("aux:", "aux_logits:")  # a stage's name follows
DEFAULT_OUTPUTS = (PROBABILITIES,)
EMBEDDING = "embedding"  # what the classifier's trained part sees, flat
POOLED = "pooled:"  # before a stage's name: the mean of its grid
START = "/pictures"  # values that no layer gives have a slash, as no layer's name has
STEP = "step:"  # before a step's name: what it gives, as an output
LUMA = (0.299, 0.587, 0.114)  # Rec. 601: what grey is made of


@dataclass(frozen=True, eq=False)
class Step:
    """One operation on the values named ``inputs``; what it gives has the step's own name."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Normalise(Step):
    """``uint8 [N, H, W, 3]`` to ``[N, C, H, W]``: order of the channels, mean, std."""

    order: ChannelOrder
    mean: Floats
    std: Floats


@dataclass(frozen=True, eq=False)
class Convolve(Step):
    """Convolution, bias, activation.

    Attributes:
        weight: ``[out, in / groups, height, width]``.
        bias: ``[out]``.
    """

    weight: Floats
    bias: Floats
    strides: Sides = (1, 1)
    pads: Pads = ((0, 0), (0, 0))
    groups: int = 1
    activation: ActivationKind | None = None


@dataclass(frozen=True, eq=False)
class Multiply(Step):
    """``x @ weight + bias`` of ``[N, in]``, activation; ``weight`` is ``[in, out]``."""

    weight: Floats
    bias: Floats
    activation: ActivationKind | None = None


@dataclass(frozen=True, eq=False)
class Window(Step):
    """Maximum or average over windows; maxima see no padding.

    Attributes:
        count_pad: an average divides by the window's size, padding included.
    """

    kind: Literal["max", "average"]
    windows: Windows
    count_pad: bool = False


@dataclass(frozen=True, eq=False)
class Regions(Step):
    """Maximum or average of each of ``rows`` times ``columns``, spans from start to stop."""

    kind: Literal["max", "average"]
    rows: tuple[Sides, ...]
    columns: tuple[Sides, ...]


@dataclass(frozen=True, eq=False)
class ResponseNorm(Step):
    """``x / (k + alpha / size * sum of squares) ** beta``, the sum over neighbouring channels."""

    channels: int
    size: int
    alpha: float
    beta: float
    k: float

    @property
    def band(self) -> Floats:
        """``[C, C, 1, 1]``: the sum as a 1x1 convolution of the squares, alpha / size in it."""
        offset = np.subtract.outer(np.arange(self.channels), np.arange(self.channels))
        near = (offset <= self.size // 2) & (offset >= -((self.size - 1) // 2))
        return near.astype(np.float32)[:, :, None, None] * np.float32(self.alpha / self.size)


@dataclass(frozen=True, eq=False)
class Pad(Step):
    """Zeros around."""

    pads: Pads


@dataclass(frozen=True, eq=False)
class Activate(Step):
    """A non-linearity."""

    kind: ActivationKind


@dataclass(frozen=True, eq=False)
class Concatenate(Step):
    """Channels side by side."""


@dataclass(frozen=True, eq=False)
class Add(Step):
    """``inputs[0] + scale * inputs[1]``, activation."""

    scale: float
    activation: ActivationKind | None


@dataclass(frozen=True, eq=False)
class Flatten(Step):
    """``[N, C, H, W]`` to ``[N, C * H * W]``."""


@dataclass(frozen=True, eq=False)
class Softmax(Step):
    """Over the classes, after a division by ``temperature``."""

    temperature: float = 1.0


@dataclass(frozen=True)
class Program:
    """The steps in order.

    Attributes:
        size: side in pixels of the pictures.
        outputs: the name of each output, and of the step that gives it.
        start: the value it starts from: pictures, or what another program gave.
        start_shape: ``[C, H, W]`` of that other program's value.
    """

    size: int
    steps: tuple[Step, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)
    start: str = START
    start_shape: tuple[int, int, int] | None = None


def needed(steps: Sequence[Step], values: Iterable[str], start: str = START) -> tuple[Step, ...]:
    """The steps on which the values depend, given ``start``."""
    wanted, kept = set(values), []
    for step in reversed(steps):
        if step.name in wanted and step.name != start:
            wanted |= set(step.inputs)
            kept.append(step)
    return tuple(reversed(kept))


def check_outputs(outputs: Sequence[str], known: Sequence[str]) -> None:
    """Raises ``InputError`` for the first output that is not among the known ones."""
    for output in outputs:
        if output not in known:
            raise InputError(f"no output named {output!r}; there are: {', '.join(known)}")
