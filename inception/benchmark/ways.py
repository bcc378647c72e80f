"""What is measured of ours: an engine alone, JPEG files to labels, and the machine's ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from inception.benchmark.rounds import Run
from inception.data.images import Picture
from inception.machine import torch_threads
from inception.predictor import Predictor
from inception.runtime import create_engine
from inception.runtime.program import Convolve, Program

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
SIDE = 2048  # of the matrices that are multiplied: large enough to keep every core busy


def noise(batch: int, size: int) -> Picture:
    """Pictures of nothing, ``uint8 [batch, size, size, 3]``."""
    return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)


@dataclass(frozen=True)
class EngineWay:
    """An engine alone, on pictures that are ready in memory."""

    model: Path
    engine: str
    batch: int
    size: int
    device: str = "auto"
    threads: int | None = None

    def prepare(self) -> Run:
        """Times one batch."""
        engine = create_engine(self.model, self.engine, device=self.device, threads=self.threads)
        pictures = noise(self.batch, self.size)
        return lambda: engine.run(pictures)


@dataclass(frozen=True)
class FilesWay:
    """Encoded files to labels, as ``inception predict`` does it."""

    model: Path
    engine: str
    batch: int
    files: tuple[str, ...]
    device: str = "auto"
    threads: int | None = None

    def prepare(self) -> Run:
        """Times all the files."""
        predictor = Predictor(
            self.model,
            self.engine,
            device=self.device,
            batch_size=self.batch,
            threads=self.threads,
        )
        return lambda: predictor.predict(self.files, top=1)


@dataclass(frozen=True)
class MatrixProduct:
    """The product of two large matrices, in which a machine computes as fast as it can.

    Attributes:
        precision: ``fp32``, ``bf16``, ``fp16`` or ``int8``.
    """

    precision: str
    device: str = "auto"
    threads: int | None = None

    multiply_adds: ClassVar[int] = SIDE**3

    def prepare(self) -> Run:
        """Times one product."""
        return self._product(SIDE)

    def is_there(self) -> bool:
        """Whether torch can make such a product on this machine."""
        try:
            self._product(64)()
        except RuntimeError:
            return False
        return True

    def _product(self, side: int) -> Run:
        import torch

        from inception.runtime.torch_engine import pick_device

        device = pick_device(self.device)
        multiply = torch._int_mm if self.precision == "int8" else torch.mm
        a = torch.randint(-127, 128, (side, side), dtype=torch.int8)
        if self.precision != "int8":
            a = a.to(getattr(torch, DTYPES[self.precision])) / 127
        a = a.to(device)

        def run() -> None:
            with torch_threads(self.threads):
                multiply(a, a.t())
            if device.type == "cuda":
                torch.cuda.synchronize()

        return run


@dataclass(frozen=True)
class DenseConvolution:
    """A 3x3 convolution in an engine of ours: what multiplies there may beat torch's product.

    On AMD's processors torch's matrix product reaches half of what OpenVINO's convolutions do.
    """

    engine: str
    threads: int | None = None

    precision: ClassVar[str] = "fp32"
    channels: ClassVar[int] = 256
    side: ClassVar[int] = 28
    batch: ClassVar[int] = 8
    multiply_adds: ClassVar[int] = batch * side**2 * channels**2 * 9

    def prepare(self) -> Run:
        """Times one batch."""
        shape = (self.channels, self.side, self.side)
        weight = np.ones((self.channels, self.channels, 3, 3), np.float32)
        step = Convolve(
            "y", ("x",), weight, np.zeros(self.channels, np.float32), pads=((1, 1),) * 2
        )
        program = Program(self.side, (step,), {"y": "y"}, "x", shape)
        x = np.ones((self.batch, *shape), np.float32)
        if self.engine == "openvino":
            from inception.runtime.openvino_engine import OpenVINOEngine

            return partial(OpenVINOEngine(program, ("y",), threads=self.threads).run, x)
        from inception.runtime.torch_engine import TorchEngine

        return partial(TorchEngine(program, device="cpu", threads=self.threads).run, x)

    def is_there(self) -> bool:
        """Whether the engine is installed."""
        return find_spec(self.engine) is not None
