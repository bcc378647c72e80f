"""A network that the doctor examines: opened whatever its file says, and listened to."""

from __future__ import annotations

from collections.abc import Iterator
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
        misfits: ``[N]`` what each picture adds to how far what reached the batch norms is from
            what they remember of training: mean over channels and layers of the Kullback-Leibler
            divergence of two normal distributions; ``None`` where no norm remembers.
    """

    probabilities: Floats
    misfits: Floats | None


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
        self._memories = list(_memories(self.network))

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
        misfits = [memory.misfits() for memory in self._memories]
        return Heard(np.concatenate(said), np.mean(misfits, axis=0) if misfits else None)

    def save(self, path: Path, preprocessing: Preprocessing, *, offset: int) -> None:
        """Writes it as a model of ours that says how it takes pictures, classes in their order."""
        count = len(self.info.classes)
        classes = tuple(self.info.classes[(i - offset) % count] for i in range(count))
        spec = replace(self.info.spec, preprocessing=preprocessing)
        info = replace(self.info, spec=spec, classes=classes)
        save_model(path, self.network.state_dict(), info)


def _memories(network: nn.Module) -> Iterator[_Memory]:
    """Of the norms that have seen pictures: fresh, or folded away, all channels are alike."""
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        mean, var = norm.running_mean, norm.running_var
        if mean is not None and var is not None and bool((var != var[0]).any()):
            yield _Memory(norm, mean.double(), var.double() + norm.eps)


class _Memory:
    """What a batch norm remembers of its inputs in training, and what reaches it now."""

    def __init__(self, norm: nn.BatchNorm2d, mean: Tensor, var: Tensor) -> None:
        self.mean, self.var, self.eps = mean, var, norm.eps
        self.forget()
        norm.register_forward_pre_hook(self._listen)

    def forget(self) -> None:
        self.means: list[Tensor] = []  # of each picture, [n, channels]
        self.squares: list[Tensor] = []

    def _listen(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        var, mean = torch.var_mean(inputs[0], dim=(2, 3), correction=0)
        self.means.append(mean)
        self.squares.append(var + mean**2)

    def misfits(self) -> Floats:
        """``[N]`` the jackknife's share of each picture, whose mean is free of bias to 1 / N."""
        means, squares = torch.cat(self.means).double(), torch.cat(self.squares).double()
        count = len(means)
        whole = self._divergence(means.mean(0), squares.mean(0))
        others = max(count - 1, 1)
        without = self._divergence(
            (means.sum(0) - means) / others, (squares.sum(0) - squares) / others
        )
        each = count * whole - (count - 1) * without
        return each.float().cpu().numpy()

    def _divergence(self, mean: Tensor, square: Tensor) -> Tensor:
        """Mean over the channels of the divergence of what was heard from what is remembered."""
        ratio = ((square - mean**2).clamp_min(0) + self.eps) / self.var
        return 0.5 * (ratio + (mean - self.mean) ** 2 / self.var - 1 - ratio.log()).mean(-1)


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
