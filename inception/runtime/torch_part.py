"""A part of a network in torch, float32, for an engine that stops early."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inception.machine import torch_threads
from inception.runtime import Floats, check_threads
from inception.runtime.program import Program
from inception.runtime.torch_engine import pick_device
from inception.runtime.torch_graph import ProgramModule


class TorchPart:
    """Runs a ``Program`` from whatever it starts from.

    Raises:
        InputError: no such device, or fewer than one thread.
    """

    def __init__(
        self, program: Program, *, device: str = "auto", threads: int | None = None
    ) -> None:
        check_threads(threads)
        self._device = pick_device(device)
        self._threads = threads
        self._module = ProgramModule(program).to(self._device)
        self._outputs = tuple(program.outputs)

    @torch.inference_mode()
    def run(self, x: npt.NDArray[Any]) -> dict[str, Floats]:
        """The program's outputs by name."""
        start = torch.from_numpy(np.ascontiguousarray(x)).to(self._device)
        if start.is_floating_point():  # features; pictures have their channels last already
            start = start.contiguous(memory_format=torch.channels_last)
        with torch_threads(self._threads):
            values = self._module(start)
        return {n: v.cpu().numpy() for n, v in zip(self._outputs, values, strict=True)}
