"""Engines, which run a network on pictures, and the pipeline that feeds them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from inception.data.images import Picture
from inception.errors import InputError, not_installed, unknown
from inception.runtime.program import DEFAULT_OUTPUTS, Floats
from inception.weights.model_file import is_exported, read_info, read_weights

if TYPE_CHECKING:
    from inception.runtime.program import Program

# OpenVINO and NNCF report to Google Analytics when they are imported, whatever they find in the
# user's home. Their reporter counts as not installed, and both do without.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
# ONNX Runtime reports to Microsoft from native code, which no audit hook of Python's hears
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

ENGINES = ("auto", "torch", "openvino", "onnx")
PACKAGES = {  # what an engine, a precision or an explanation needs
    "int8": ("nncf",),
    "openvino": ("openvino",),
    "onnx": ("onnx", "onnxruntime"),
    "explain": ("captum",),
    "search": ("optuna",),
}
MODES = ("throughput", "latency")
Mode = Literal["throughput", "latency"]

__all__ = ["Engine", "Floats", "create_engine"]

GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA, Windows' Linux, AMD


class Engine(Protocol):
    """Runs a network on pictures of its own size, any number at once."""

    name: str

    def run(self, pictures: Picture) -> dict[str, Floats]:
        """Named outputs of whatever ``as_batch`` takes, those it was created with.

        ``probabilities`` and ``logits`` are ``[N, classes]``, ``features:STAGE`` is
        ``[N, C, H, W]``, ``aux:STAGE`` and ``aux_logits:STAGE`` are of the head after that stage.
        The temperature is in ``probabilities`` alone.
        """


def create_engine(
    model: Path,
    engine: str = "auto",
    *,
    device: str = "auto",
    threads: int | None = None,
    mode: Mode = "throughput",
    outputs: Sequence[str] = DEFAULT_OUTPUTS,
    expected: int = 0,
) -> Engine:
    """An engine with a model file's network in it.

    Args:
        model: a ``.safetensors``, or an exported ``.xml`` or ``.onnx``.
        engine: ``auto`` is torch on a GPU, and OpenVINO on a CPU where it is installed.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: by default as many as there are cores.
        mode: whether the most pictures a second count, or the soonest answer.
        outputs: what ``run`` gives; exported models have ``probabilities`` alone.
        expected: pictures that will come, as far as is known: a GPU's engine compiles for many.

    Raises:
        InputError: no such engine, device, mode or output; or a model that does not fit them.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    engine = pick_engine(engine, model, device)
    if engine == "torch":
        return _torch_engine(model, device, threads, outputs, expected)
    if engine == "onnx":
        return _onnx_engine(model, threads, outputs)
    from inception.runtime.openvino_engine import OpenVINOEngine, read_openvino

    content = read_openvino(model) if is_exported(model) else read_program(model, outputs)
    return OpenVINOEngine(content, outputs, threads=threads, mode=mode)


def read_program(model: Path, outputs: Sequence[str] = DEFAULT_OUTPUTS) -> Program:
    """The inference program of a ``.safetensors``; needs no torch.

    Raises:
        InputError: the file is not ours, does not fit its description, or has no such output.
    """
    from inception.runtime.lower import lower

    info, weights = read_info(model), read_weights(model)
    try:
        return lower(
            info.spec,
            weights,
            outputs,
            temperature=info.temperature,
            aux_temperatures=info.aux_temperatures,
        )
    except InputError as error:
        raise InputError(f"{model}: {error}") from error


def check_threads(threads: int | None) -> None:
    """Raises ``InputError`` where a number of threads is below 1."""
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1; got {threads}")


def as_batch(pictures: ArrayLike, size: int) -> Picture:
    """What an engine runs: ``uint8 [N, size, size, 3]``, contiguous and its own to write to.

    Args:
        pictures: any form that numpy has of such an array (flipped, cut out, read-only) or a
            sequence of pictures ``[size, size, 3]``.
        size: side in pixels.

    Raises:
        InputError: pictures of other numbers or another shape, or none.
    """
    try:
        batch = np.asarray(pictures)
        got = f"{batch.dtype} {list(batch.shape)}"
    except ValueError:  # numpy's for pictures that differ in shape
        batch, got = np.empty(0), "pictures of several shapes"
    if batch.dtype != np.uint8 or batch.shape[1:] != (size, size, 3) or not len(batch):
        raise InputError(f"the network takes pictures uint8 [N, {size}, {size}, 3]; got {got}")
    return np.require(batch, requirements=["C", "W"])


def pick_engine(engine: str, model: Path, device: str) -> str:
    """The engine for a model: ``auto`` decided, anything else checked.

    Raises:
        InputError: no such engine, or one that is not installed or does not run on the device.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if engine == "auto":
        engine = _fastest(model, device)
    if engine != "torch":
        if device not in ("auto", "cpu"):
            raise InputError(f"engine {engine} runs on the CPU; for --device {device} take torch")
        check_installed(engine)
    return engine


def _fastest(model: Path, device: str) -> str:
    if model.suffix == ".onnx" and find_spec("onnxruntime"):
        return "onnx"
    if is_exported(model):
        return "openvino"
    on_cpu = device == "cpu" or (device == "auto" and not has_gpu())
    return "openvino" if on_cpu and find_spec("openvino") else "torch"


def has_gpu() -> bool:
    """Whether torch can use a GPU; torch is imported only where there may be one."""
    if os.name == "posix" and not any(map(os.path.exists, GPU_DEVICES)):
        return False
    import torch

    return torch.cuda.is_available()


def _torch_engine(
    model: Path, device: str, threads: int | None, outputs: Sequence[str], expected: int
) -> Engine:
    from inception.runtime.torch_engine import TorchEngine  # torch

    if is_exported(model):
        raise InputError(f"{model} was exported: torch cannot run it; take --engine auto")
    program = read_program(model, outputs)
    return TorchEngine(program, device=device, threads=threads, fast=True, expected=expected)


def _onnx_engine(model: Path, threads: int | None, outputs: Sequence[str]) -> Engine:
    from inception.runtime.onnx_engine import ONNXEngine

    if model.suffix == ".xml":
        raise InputError(f"{model} is OpenVINO's; take --engine openvino or auto")
    content = model if is_exported(model) else read_program(model, outputs)
    return ONNXEngine(content, outputs, threads=threads)


def check_installed(what: str) -> None:
    """Raises ``InputError`` with the line to type where packages of ``PACKAGES`` are missing."""
    missing = [package for package in PACKAGES[what] if find_spec(package) is None]
    if missing:
        raise not_installed(*missing)
