"""What a candidate may cost, and candidates made narrower until they fit. No torch here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from inception.errors import InputError
from inception.models.cost import cost
from inception.models.spec import Spec
from inception.search.memory import peak_activations
from inception.search.space import Genome, decode

STEP: Final = 1 / 16  # of the factor on all widths
UNITS: Final = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True)
class Price:
    """What a network costs for one picture.

    Attributes:
        activation_mb: the most that its values take at once, 10^6 bytes.
        latency_ms: where somebody told how to predict it.
    """

    multiply_adds: int
    parameters: int
    activation_mb: float
    latency_ms: float | None = None


@dataclass(frozen=True)
class Budget:
    """The most a candidate may cost; None for no limit."""

    multiply_adds: int | None = None
    parameters: int | None = None
    activation_mb: float | None = None
    latency_ms: float | None = None

    def over(self, price: Price) -> list[str]:
        """What a price exceeds, each in words; nothing where it fits."""
        lines = []
        for name, most in self.__dict__.items():
            asked = getattr(price, name)
            if most is not None and asked is not None and asked > most:
                lines.append(f"{name.replace('_', ' ')} {asked:,.4g} over {most:,.4g}")
        return lines


class Pricing:
    """Tells prices; latency by ``latency_ms``, where given.

    ``height`` is that of the pictures, 1 for signals, where they are not square.
    """

    def __init__(
        self, latency_ms: Callable[[Spec], float] | None = None, *, height: int | None = None
    ) -> None:
        self.latency_ms, self.height = latency_ms, height

    def of(self, spec: Spec) -> Price:
        """The price of a network at its own picture size, heads left out."""
        size = (self.height or spec.image_size, spec.image_size)
        counted = cost(spec, size)
        return Price(
            counted.multiply_adds,
            counted.parameters,
            peak_activations(spec, size) / 1e6,
            None if self.latency_ms is None else self.latency_ms(spec),
        )


def fitted(genome: Genome, budget: Budget, pricing: Pricing, num_classes: int) -> Genome | None:
    """The genome at the widest factor, at most its own, at which it is within the budget.

    None where even an eighth of its widths is too much.
    """
    low, high = 1, round(genome.width / STEP)  # sixteenths: the widest that fits lies above low
    while low < high:
        middle = (low + high + 1) // 2
        narrower = replace(genome, width=middle * STEP)
        if budget.over(pricing.of(decode(narrower, num_classes))):
            high = middle - 1
        else:
            low = middle
    return replace(genome, width=low * STEP) if low > 1 else None


def parse_count(text: str, name: str) -> int:
    """A number of things as people write it: ``1.58G``, ``7M``, ``250k``, ``1_000``.

    Raises:
        InputError: it is none, or not above 0.
    """
    found = re.fullmatch(r"([0-9][0-9_,]*\.?[0-9]*|\.[0-9]+)\s*([kKmMgG]?)", text.strip())
    value = float(re.sub("[_,]", "", found[1])) * UNITS[found[2].lower()] if found else 0.0
    if value < 1:
        raise InputError(f"{name} must be a number above 0, such as 1.58G, 7M, 250k; got {text!r}")
    return round(value)
