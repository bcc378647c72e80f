"""The reference engine: torch, in float32 on a CPU, in bfloat16 and compiled on a GPU."""

from collections.abc import Sequence

import torch

from inception.data.images import Picture
from inception.errors import InputError
from inception.machine import torch_threads
from inception.models.network import InceptionNet
from inception.runtime import Floats, check_pictures, check_threads
from inception.runtime.lower import lower
from inception.runtime.program import DEFAULT_OUTPUTS
from inception.runtime.torch_graph import ProgramModule
from inception.weights.model_file import COUNTERS


def pick_device(device: str) -> torch.device:
    """``auto`` is the GPU where there is one.

    Raises:
        InputError: no such device, or no GPU on this machine.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is auto, cpu or cuda; got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("no GPU on this machine that torch can use; take --device cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


class TorchEngine:
    """Runs the inference program of an ``InceptionNet``, whose weights it copies.

    Args:
        network: in any mode, on any device.
        outputs: what ``run`` gives.
        temperature: what the logits are divided by before the softmax.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of a CPU; by default as many as there are cores.
        fast: on a GPU, to compute in bfloat16, compiled, a CUDA graph for each size of batch.

    Raises:
        InputError: no such output or device, or fewer than one thread.
    """

    name = "torch"

    def __init__(
        self,
        network: InceptionNet,
        outputs: Sequence[str] = DEFAULT_OUTPUTS,
        *,
        temperature: float = 1.0,
        device: str = "auto",
        threads: int | None = None,
        fast: bool = False,
    ) -> None:
        check_threads(threads)
        self.device = pick_device(device)
        self._threads = threads
        weights = {n: t.numpy(force=True) for n, t in trained(network).items()}
        program = lower(network.spec, weights, outputs, temperature=temperature)
        fast = fast and self.device.type == "cuda"
        module = ProgramModule(program, dtype=torch.bfloat16 if fast else torch.float32)
        self._module = module.to(self.device)
        self._module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if fast:
            self._module.compile(mode="reduce-overhead", dynamic=False)
        self._outputs, self._size = tuple(program.outputs), program.size

    @torch.inference_mode()
    def run(self, pictures: Picture) -> dict[str, Floats]:
        """The named outputs of ``uint8 [N, size, size, 3]``."""
        check_pictures(pictures, self._size)
        with torch_threads(self._threads):
            values = self._module(torch.from_numpy(pictures).to(self.device))
        return {n: v.cpu().numpy() for n, v in zip(self._outputs, values, strict=True)}


def trained(network: InceptionNet) -> dict[str, torch.Tensor]:
    """A network's tensors without batch norm's counters, which only training reads."""
    return {n: t for n, t in network.state_dict().items() if not n.endswith(COUNTERS)}
