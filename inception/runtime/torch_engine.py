"""The reference engine: torch, in float32 on a CPU, in bfloat16 and compiled on a GPU."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from inception.errors import InputError
from inception.machine import torch_threads
from inception.models.network import InceptionNet
from inception.runtime import Floats, as_batch, check_threads
from inception.runtime.buckets import Buckets
from inception.runtime.lower import lower
from inception.runtime.program import DEFAULT_OUTPUTS, START, Program
from inception.runtime.torch_graph import ProgramModule
from inception.weights.model_file import COUNTERS


def pick_device(device: str) -> torch.device:
    """``auto`` is NVIDIA's or AMD's GPU where there is one; Apple's, ``mps``, is to be asked for.

    Raises:
        InputError: no such device, or no GPU on this machine.
    """
    if device == "mps":
        if not torch.backends.mps.is_available():
            raise InputError("no GPU of Apple's on this machine that torch can use; --device cpu")
        return torch.device(device)
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is auto, cpu or cuda; got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no GPU on this machine that torch can use; take --device cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


class TorchEngine:
    """Runs the inference program of an ``InceptionNet``, whose weights it copies, or a part of one.

    How torch computes, the type and what is compiled, is decided here alone.

    Args:
        model: a network in any mode, on any device; or a program.
        outputs: what ``run`` gives of a network.
        temperature: what a network's logits are divided by before the softmax.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of a CPU; by default as many as there are cores.
        fast: on a GPU, to compute in bfloat16, compiled where that is worth it (``Buckets``).
        expected: pictures that will come, as far as is known.

    Raises:
        InputError: no such output or device, or fewer than one thread.
    """

    name = "torch"

    def __init__(
        self,
        model: InceptionNet | Program,
        outputs: Sequence[str] = DEFAULT_OUTPUTS,
        *,
        temperature: float = 1.0,
        device: str = "auto",
        threads: int | None = None,
        fast: bool = False,
        expected: int = 0,
    ) -> None:
        check_threads(threads)
        self.device = pick_device(device)
        self._threads = threads
        program = model if isinstance(model, Program) else _lowered(model, outputs, temperature)
        fast = fast and self.device.type not in ("cpu", "mps")
        module = ProgramModule(program, dtype=torch.bfloat16 if fast else torch.float32)
        module.to(self.device)
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._run = Buckets(module, expected=expected) if fast else module
        self._outputs = tuple(program.outputs)
        self._size = program.size if program.start == START else None

    @torch.inference_mode()
    def run(self, pictures: ArrayLike) -> dict[str, Floats]:
        """The named outputs of pictures (``as_batch``), or of what the program starts from."""
        size = self._size
        batch = np.ascontiguousarray(pictures) if size is None else as_batch(pictures, size)
        with torch_threads(self._threads):
            values = self._run(torch.from_numpy(batch).to(self.device))
        return {n: v.cpu().numpy() for n, v in zip(self._outputs, values, strict=True)}


def _lowered(network: InceptionNet, outputs: Sequence[str], temperature: float) -> Program:
    weights = {n: t.numpy(force=True) for n, t in trained(network).items()}
    return lower(network.spec, weights, outputs, temperature=temperature)


def trained(network: InceptionNet) -> dict[str, torch.Tensor]:
    """A network's tensors without batch norm's counters, which only training reads."""
    return {n: t for n, t in network.state_dict().items() if not n.endswith(COUNTERS)}
