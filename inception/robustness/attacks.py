"""Changes of at most a few grey values that raise a network's loss: FGSM and PGD, in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from inception.errors import InputError, unknown

Kind = Literal["fgsm", "pgd"]
KINDS: tuple[str, ...] = get_args(Kind)

WHITE = 255.0
PACE = 2.5  # a picture may walk so many times the radius in all (Madry et al., arXiv:1706.06083)
FAST = 1.25  # the step of training by FGSM from a random start (Wong et al., arXiv:2001.03994)


@dataclass(frozen=True)
class Attack:
    """How a picture is changed, every value by at most ``eps``.

    Attributes:
        kind: ``fgsm``, one step from the picture; ``pgd``, several from a random start.
        eps: of the range from black to white, 0 to 1.
        steps: of ``pgd``.

    Raises:
        InputError: no such attack, or a number out of range.
    """

    kind: Kind = "pgd"
    eps: float = 2 / 255
    steps: int = 10

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("attack", self.kind, KINDS)
        if not 0 < self.eps <= 1:
            raise InputError(f"--eps is above 0 and at most 1, 2/255 for example; got {self.eps:g}")
        if self.steps < 1:
            raise InputError(f"an attack takes at least 1 step; got {self.steps}")

    def __call__(
        self,
        logits: Callable[[Tensor], Tensor],
        pictures: Tensor,
        labels: Tensor,
        start: Tensor | None = None,
        *,
        step: float | None = None,
    ) -> Tensor:
        """The pictures changed.

        Args:
            logits: of pictures from 0 to 255, ``[N, classes]``; each must depend on its own alone.
            pictures: ``[N, H, W, 3]``, from 0 to 255.
            labels: ``[N]`` class indices, or ``[N, classes]`` shares.
            start: where to begin, from -1 to 1 of the radius; the pictures themselves by default.
            step: of each step, as a share of the radius.
        """
        radius, steps = self.eps * WHITE, 1 if self.kind == "fgsm" else self.steps
        share = step or (1.0 if self.kind == "fgsm" else PACE / steps)
        low, high = (pictures - radius).clamp(min=0), (pictures + radius).clamp(max=WHITE)
        x = pictures if start is None else (pictures + radius * start).clamp(0, WHITE)
        for _ in range(steps):
            x = x.detach().requires_grad_()
            loss = F.cross_entropy(logits(x).float(), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, x)
            x = torch.clamp(x.detach() + share * radius * gradient.sign(), low, high)
        return x.detach()


def parse_eps(text: str) -> float:
    """A radius as it is typed, ``2/255`` or ``0.01``. Raises ``InputError`` where it is none."""
    try:
        return float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"--eps is from 0 to 1, 2/255 for example; got {text!r}") from error
