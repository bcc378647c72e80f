"""Engines, which run a network on pictures, and the pipeline that feeds them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inception.data.images import Picture
from inception.errors import InputError, unknown

ENGINES = ("auto", "torch")

Floats = npt.NDArray[np.float32]


class Engine(Protocol):
    """Runs a network on pictures of its own size, any number at once."""

    name: str

    def run(self, pictures: Picture) -> dict[str, Floats]:
        """Named outputs of ``uint8 [N, H, W, 3]``: ``probabilities`` is ``[N, classes]``."""


def create_engine(
    model: Path, engine: str = "auto", *, device: str = "auto", threads: int | None = None
) -> Engine:
    """An engine with a model file's network in it.

    Raises:
        InputError: no such engine, or a device that is not there.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    from inception.runtime.torch_engine import TorchEngine  # torch
    from inception.weights.model_file import load_model

    loaded = load_model(model, aux=False)
    temperature = loaded.info.temperature
    return TorchEngine(loaded.network, temperature=temperature, device=device, threads=threads)


def check_threads(threads: int | None) -> None:
    """Raises ``InputError`` where a number of threads is below 1."""
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1; got {threads}")
