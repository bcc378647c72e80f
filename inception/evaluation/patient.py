"""A network that the doctor examines: opened whatever its file says, and listened to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inception.data.images import Picture
from inception.models.network import InceptionNet, Normalise
from inception.preprocessing import Preprocessing
from inception.runtime import Floats
from inception.runtime.torch_engine import pick_device
from inception.weights.importers.convert import convert
from inception.weights.model_file import ModelInfo, build_model, load_model, save_model


@dataclass(frozen=True)
class Heard:
    """What a network said of some pictures.

    Attributes:
        probabilities: ``[N, classes]``.
        misfit: how far what reached its batch norms is from what they remember of training, mean
            over channels and layers of the Kullback-Leibler divergence of two normal
            distributions; ``None`` where it has no batch norm.
    """

    probabilities: Floats
    misfit: float | None


class Patient:
    """A network to be run with one preprocessing after another.

    Attributes:
        said: what its file says of itself; ``None`` where it says nothing.
    """

    def __init__(
        self, network: InceptionNet, info: ModelInfo, *, said: bool, device: str = "auto"
    ) -> None:
        self.device = pick_device(device)
        self.network = network.eval().to(self.device)
        self.info = info
        self.said = info.preprocessing if said else None
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        self._memories = [_Memory(norm) for norm in norms]

    @torch.inference_mode()
    def hear(self, squares: Picture, preprocessing: Preprocessing, *, batch_size: int) -> Heard:
        """What it says of squares ``uint8 [N, H, W, 3]``, normalised so."""
        normalise = Normalise(preprocessing).to(self.device)
        for memory in self._memories:
            memory.forget()
        said = []
        for batch in np.array_split(squares, -(-len(squares) // batch_size)):
            logits = self.network(normalise(torch.from_numpy(batch).to(self.device))).float()
            said.append(logits.softmax(dim=1).cpu().numpy())
        misfits = [memory.misfit() for memory in self._memories]
        return Heard(np.concatenate(said), float(np.mean(misfits)) if misfits else None)

    def save(self, path: Path, preprocessing: Preprocessing, *, offset: int) -> None:
        """Writes it as a model of ours that says how it takes pictures, classes in their order."""
        count = len(self.info.classes)
        classes = tuple(self.info.classes[(i - offset) % count] for i in range(count))
        spec = replace(self.info.spec, preprocessing=preprocessing)
        info = replace(self.info, spec=spec, classes=classes)
        save_model(path, self.network.state_dict(), info)


class _Memory:
    """What a batch norm remembers of its inputs in training, and what reaches it now."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        self.norm = norm
        self.forget()
        norm.register_forward_pre_hook(self._listen)

    def forget(self) -> None:
        self.count: int = 0
        self.sum: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def _listen(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        var, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
        self.count += len(x)
        self.sum = self.sum + len(x) * mean.double()
        self.squares = self.squares + len(x) * (var.double() + mean.double() ** 2)

    def misfit(self) -> float:
        """Mean over the channels of the divergence of what was heard from what is remembered."""
        kept_mean, kept_var = self.norm.running_mean, self.norm.running_var
        if kept_mean is None or kept_var is None:
            return 0.0
        mean = torch.as_tensor(self.sum) / self.count
        var = torch.as_tensor(self.squares) / self.count - mean**2 + self.norm.eps
        var = var.clamp_min(self.norm.eps)
        kept = kept_var.double() + self.norm.eps
        ratio = var / kept
        divergence = 0.5 * (ratio + (mean - kept_mean) ** 2 / kept - 1 - ratio.log())
        return float(divergence.mean())


def open_patient(path: Path, *, model: str | None = None, device: str = "auto") -> Patient:
    """A model of ours, or with ``model`` any file that is read as that network.

    Raises:
        InputError: not a model of ours and no network named, or the file does not hold it.
    """
    if model is None:
        loaded = load_model(path, aux=False)
        return Patient(loaded.network, loaded.info, said=True, device=device)
    converted = convert(path, model=model)
    info = replace(converted.info, spec=replace(converted.info.spec, aux={}))
    return Patient(build_model(info, converted.weights), info, said=False, device=device)
