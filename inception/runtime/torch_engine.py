"""The reference engine: the network in torch, as it was trained."""

import torch

from inception.data.images import Picture
from inception.data.loading import available_cores
from inception.errors import InputError
from inception.models.network import InceptionNet, Normalise
from inception.runtime import Floats, check_threads


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
    """Runs an ``InceptionNet`` in float32, in eval mode, channels last."""

    name = "torch"

    def __init__(
        self,
        network: InceptionNet,
        *,
        temperature: float = 1.0,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        check_threads(threads)
        self.device, self.temperature = pick_device(device), temperature
        if self.device.type == "cpu":
            torch.set_num_threads(threads or available_cores())
        self.network = network.eval().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.normalise = Normalise(network.spec.preprocessing).to(self.device)

    @torch.inference_mode()
    def run(self, pictures: Picture) -> dict[str, Floats]:
        """``probabilities [N, classes]`` of ``uint8 [N, H, W, 3]``."""
        x = self.normalise(torch.from_numpy(pictures).to(self.device))
        logits = self.network(x).float() / self.temperature
        return {"probabilities": logits.softmax(dim=1).cpu().numpy()}
