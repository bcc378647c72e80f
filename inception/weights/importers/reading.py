"""A publisher's file read as one of our networks: tensor for tensor, with what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from inception.models import get_spec
from inception.models.build import build_empty
from inception.models.spec import Spec
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.importer import Importer
from inception.weights.model_file import COUNTERS

MOST_NAMES = 5  # of a list in an error


@dataclass(frozen=True)
class Fit:
    """What stands between a file and a network: nothing, where the one holds the other.

    Attributes:
        missing: their names of tensors that the file lacks.
        extra: names in the file that the network has no place for.
        misshapen: ours and theirs, a line each.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def faults(self) -> int:
        """How many tensors do not fit."""
        return len(self.missing) + len(self.extra) + len(self.misshapen)

    def __str__(self) -> str:
        parts = [f"{title} {_some(names)}" for title, names in vars(self).items() if names]
        return "; ".join(parts)


@dataclass(frozen=True)
class Reading:
    """A file as one importer reads it.

    Attributes:
        spec: the network, with the file's number of classes and only the heads it holds.
        weights: theirs by our names, laid out as ours but not yet copied; valid where it fits.
    """

    importer: Importer
    spec: Spec
    weights: Mapping[str, Tensor]
    ignored: tuple[str, ...]
    headless: tuple[str, ...]
    fit: Fit


def read_as(importer: Importer, file: ForeignFile) -> Reading:
    """The file as this importer understands it, with what does not fit."""
    spec = importer.change(get_spec(importer.model), file.facts)
    headless = tuple(
        stage
        for stage in spec.aux
        if not any(
            name in file.tensors for name in _names(importer, spec, f"aux.{stage}.").values()
        )
    )
    spec = replace(spec, aux={stage: h for stage, h in spec.aux.items() if stage not in headless})
    names = _names(importer, spec)
    spec = replace(spec, num_classes=_num_classes(spec, names, file))
    shapes = {name: tensor.shape for name, tensor in _state(spec).items()}
    weights, missing, misshapen = {}, [], []
    for ours, theirs in names.items():
        tensor = file.tensors.get(theirs)
        if tensor is None:
            missing.append(theirs)
            continue
        laid = lay_out(tensor, shapes[ours], importer, ours)
        if laid is None:
            shape, expected = _shape(tensor.shape), _shape(shapes[ours])
            misshapen.append(f"{theirs} ({shape} for our {expected})")
        else:
            weights[ours] = laid
    left = [name for name in file.tensors if name not in set(names.values())]
    ignored = tuple(n for n in left if any(fnmatchcase(n, p) for p in importer.ignored))
    extra = tuple(n for n in left if n not in set(ignored))
    fit = Fit(tuple(missing), extra, tuple(misshapen))
    return Reading(importer, spec, weights, ignored, headless, fit)


def lay_out(tensor: Tensor, shape: torch.Size, importer: Importer, ours: str) -> Tensor | None:
    """Their tensor with our axes, a view where possible; ``None`` where it cannot be ours."""
    if tensor.numel() != shape.numel() or not tensor.is_floating_point():
        return None
    grid = importer.flattened.get(ours.removesuffix(".linear.weight"))
    if importer.layout == "tensorflow":
        tensor = _from_tensorflow(tensor, shape, grid)
    elif tensor.ndim == 4 and len(shape) == 2:  # a linear layer kept as a convolution
        tensor = tensor.reshape(shape[0], -1)
    return tensor if tensor.shape == shape else None


def _from_tensorflow(tensor: Tensor, shape: torch.Size, grid: tuple[int, int] | None) -> Tensor:
    """``[H, W, in, out]`` and ``[in, out]`` to ``[out, in, H, W]`` and ``[out, in]``."""
    if tensor.ndim == 4:
        if len(shape) == 4 and shape[1] == 1 and tensor.shape[2] != 1:
            return tensor.permute(2, 3, 0, 1).flatten(0, 1).unsqueeze(1)  # depthwise [H, W, C, M]
        tensor = tensor.permute(3, 2, 0, 1)
        return tensor.flatten(1) if len(shape) == 2 else tensor
    if tensor.ndim == 2 and len(shape) == 2:
        if grid is not None and shape[1] % (grid[0] * grid[1]) == 0:
            rows_columns_channels = tensor.reshape(*grid, -1, tensor.shape[1])
            return rows_columns_channels.permute(3, 2, 0, 1).flatten(1)
        return tensor.t()
    return tensor


def logits_tensors(spec: Spec) -> list[str]:
    """Our names of the tensors with a row for each class."""
    network = build_empty(spec)
    last = {id(layer) for layer in network.logits_layers()}
    modules = [name for name, module in network.named_modules() if id(module) in last]
    return [name for name in _state(spec) if name.rpartition(".")[0] in modules]


def _num_classes(spec: Spec, names: Mapping[str, str], file: ForeignFile) -> int:
    biases = [n for n in logits_tensors(spec) if n.endswith(".bias") and not n.startswith("aux.")]
    theirs = file.tensors.get(names[biases[0]]) if biases else None
    return spec.num_classes if theirs is None else max(theirs.numel(), 1)


def _state(spec: Spec) -> dict[str, Tensor]:
    """Our tensors by name, without memory."""
    state = build_empty(spec).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith(COUNTERS)}


def _names(importer: Importer, spec: Spec, prefix: str = "") -> dict[str, str]:
    return importer.names(name for name in _state(spec) if name.startswith(prefix))


def _shape(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
