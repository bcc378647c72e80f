"""A publisher's file read as one of our networks: tensor for tensor, with what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from inception.models import get_spec
from inception.models.build import build_empty
from inception.models.network import InceptionNet
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
        weights: theirs by our names, laid out as ours but not yet copied; whole where it fits.
        logits: our names of the tensors with a row for each class.
        ignored: their tensors that hold nothing for us.
        headless: stages whose auxiliary head the file lacks.
        unit_scales: how many scales of batch norm the file leaves at 1.
        folded: how many biases went into the mean of the norm after them.
    """

    importer: Importer
    spec: Spec
    weights: Mapping[str, Tensor]
    logits: frozenset[str]
    ignored: tuple[str, ...]
    headless: tuple[str, ...]
    unit_scales: int
    folded: int
    fit: Fit


def read_as(importer: Importer, file: ForeignFile) -> Reading:
    """The file as this importer understands it, with what does not fit."""
    spec = importer.change(get_spec(importer.model), file.facts)
    network = build_empty(spec)
    logits = _logits_tensors(network)
    state = {n: t.shape for n, t in network.state_dict().items() if not n.endswith(COUNTERS)}
    headless = _missing_heads(importer, spec, state, file)
    unneeded = tuple(f"aux.{stage}." for stage in headless)
    shapes = {name: shape for name, shape in state.items() if not name.startswith(unneeded)}
    names = _names(importer, shapes)
    classes = _num_classes(spec, names, logits, file)
    shapes |= {name: torch.Size([classes, *shapes[name][1:]]) for name in logits & shapes.keys()}
    aux = {stage: head for stage, head in spec.aux.items() if stage not in headless}
    spec = replace(spec, num_classes=classes, aux=aux)

    weights, missing, misshapen = {}, [], []
    filled = _unit_scales(names, file)
    for ours, theirs in names.items():
        tensor = file.tensors.get(theirs)
        if ours in filled:
            weights[ours] = torch.ones(shapes[ours])
        elif tensor is None:
            missing.append(theirs)
        elif (laid := lay_out(tensor, shapes[ours], importer, ours)) is not None:
            weights[ours] = laid
        else:
            shape, expected = _shape(tensor.shape), _shape(shapes[ours])
            misshapen.append(f"{theirs} ({shape} for our {expected})")
    folded = _folded_biases(names, file)
    ignored, extra = _left_over(importer, file, {*names.values(), *folded.values()})
    fit = Fit(tuple(missing), extra, tuple(misshapen))
    if not fit.faults:
        weights |= {m: weights[m] - file.tensors[bias] for m, bias in folded.items()}
    return Reading(
        importer, spec, weights, logits, ignored, headless, len(filled), len(folded), fit
    )


def _logits_tensors(network: InceptionNet) -> frozenset[str]:
    """Our names of the tensors with a row for each class."""
    last = {id(layer) for layer in network.logits_layers()}
    modules = [(name, module) for name, module in network.named_modules() if id(module) in last]
    return frozenset(f"{name}.{part}" for name, module in modules for part in module.state_dict())


def _missing_heads(
    importer: Importer, spec: Spec, names: Iterable[str], file: ForeignFile
) -> tuple[str, ...]:
    """The stages whose auxiliary head the file has nothing of."""
    found = [name for name in names if importer.name(name) in file.tensors]
    return tuple(s for s in spec.aux if not any(n.startswith(f"aux.{s}.") for n in found))


def _left_over(
    importer: Importer, file: ForeignFile, known: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Their tensors without a place: those that hold nothing for us, and all others."""
    left = [name for name in file.tensors if name not in known]
    ignored = [n for n in left if any(fnmatchcase(n, p) for p in importer.ignored)]
    return tuple(ignored), tuple(n for n in left if n not in set(ignored))


def _unit_scales(names: Mapping[str, str], file: ForeignFile) -> set[str]:
    """Scales of batch norm, where the publisher trained none: they are 1."""
    scales = {ours: theirs for ours, theirs in names.items() if ours.endswith(".norm.weight")}
    if any(theirs in file.tensors for theirs in scales.values()):
        return set()
    return {ours for ours, theirs in scales.items() if theirs.endswith("gamma")}


def _folded_biases(names: Mapping[str, str], file: ForeignFile) -> dict[str, str]:
    """Our running means, and biases before the norm that we have not: one takes up the other."""
    folded = {}
    for ours, theirs in names.items():
        layer = ours.removesuffix(".conv.weight")
        mean, bias = f"{layer}.norm.running_mean", f"{theirs.removesuffix('.weight')}.bias"
        if layer != ours and mean in names and bias in file.tensors and bias not in names.values():
            folded[mean] = bias
    return folded


def lay_out(tensor: Tensor, shape: torch.Size, importer: Importer, ours: str) -> Tensor | None:
    """Their tensor with our axes, a view where possible; ``None`` where it cannot be ours."""
    if tensor.numel() != shape.numel() or not tensor.is_floating_point():
        return None
    grid = importer.flattened.get(ours.removesuffix(".linear.weight"))
    if importer.layout == "tensorflow":
        tensor = _from_tensorflow(tensor, shape, grid)
    elif {tensor.ndim, len(shape)} == {2, 4}:  # a linear layer kept as a convolution, or a 1x1
        tensor = tensor.reshape(shape) if tensor.shape[0] == shape[0] else tensor
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


def _num_classes(
    spec: Spec, names: Mapping[str, str], logits: Iterable[str], file: ForeignFile
) -> int:
    """As many as the classifier's bias has values; the network's own where it is missing."""
    for ours in logits:
        if ours.endswith(".bias") and not ours.startswith("aux.") and names[ours] in file.tensors:
            return max(file.tensors[names[ours]].numel(), 1)
    return spec.num_classes


def _names(importer: Importer, tensors: Iterable[str]) -> dict[str, str]:
    """Their name of each of our tensors, no two alike."""
    named = {ours: importer.name(ours) for ours in tensors}
    names = {ours: theirs for ours, theirs in named.items() if theirs is not None}
    if len(set(names.values())) < len(named):
        raise LookupError(f"{importer.dialect}'s table of {importer.model} is no bijection")
    return names


def _shape(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
