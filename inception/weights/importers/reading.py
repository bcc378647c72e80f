"""A publisher's file read as one of our networks: tensor for tensor, with what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from inception.models import get_spec
from inception.models.build import build_empty
from inception.models.network import InceptionNet
from inception.models.spec import Spec
from inception.weights.importers.files import ForeignFile
from inception.weights.importers.importer import Importer, Kind
from inception.weights.importers.nesting import Nested, nested
from inception.weights.model_file import COUNTERS

MOST_NAMES = 5  # of a list in an error
SEPARATORS: dict[Kind, str] = {"torch": ".", "keras": "/"}  # kinds of files that may be nested


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
        other_heads: stages whose auxiliary head is for other classes, and left out.
        unit_scales: how many scales of batch norm the file leaves at 1.
        folded: how many biases went into the mean of the norm after them.
        source: the file's tensors by the publisher's names, and where they lay.
        backbone: whether the file has no classifier.
        renamed: a classifier's names in the file, where it has others, and by the table.
    """

    importer: Importer
    spec: Spec
    weights: Mapping[str, Tensor]
    logits: frozenset[str]
    ignored: tuple[str, ...]
    headless: tuple[str, ...]
    other_heads: tuple[str, ...]
    unit_scales: int
    folded: int
    fit: Fit
    source: Nested
    backbone: bool
    renamed: Mapping[str, str]


def read_as(importer: Importer, file: ForeignFile) -> Reading:
    """The file as this importer understands it, with what does not fit.

    Raises:
        InputError: it holds several such networks, or is another's graph.
    """
    spec = importer.change(get_spec(importer.model), file.facts)
    network = build_empty(spec)
    state = {n: t.shape for n, t in network.state_dict().items() if not n.endswith(COUNTERS)}
    names = _names(importer, state)
    logits = _logits_tensors(network)
    own_logits = [name for name in names if name in logits and not name.startswith("aux.")]
    source, renamed = _source(importer, file, names, own_logits)
    spec, backbone = _as_in_the_file(spec, names, logits, source.tensors)
    gone = {stage: f"aux.{stage}." for stage in network.spec.aux if stage not in spec.aux}
    of_heads = {n for n in names if n.startswith(tuple(gone.values()))}
    found = [n for n in of_heads if names[n] in source.tensors]
    other_heads = tuple(s for s, start in gone.items() if any(n.startswith(start) for n in found))
    shapes = {n: _shape_of(n, state[n], logits, spec) for n in names if n not in of_heads}
    wanted = {ours: names[ours] for ours in shapes}
    given = _unit_scales(wanted, shapes, source.tensors)
    if backbone:
        given |= {n: torch.zeros(shapes[n]) for n in logits & shapes.keys()}
    weights, missing, misshapen = _laid_out(importer, wanted, shapes, source.tensors, given)
    folded = _folded_biases(wanted, source.tensors)
    known = {*wanted.values(), *folded.values(), *(names[n] for n in of_heads)}
    ignored, extra = _left_over(importer, source.tensors, known)
    if backbone and extra:  # it has a classifier, of another kind
        missing += tuple(names[n] for n in shapes if n in logits)
    fit = Fit(missing, extra, misshapen)
    if not fit.faults:
        weights |= {m: weights[m] - source.tensors[bias] for m, bias in folded.items()}
    return Reading(
        importer=importer,
        spec=spec,
        weights=weights,
        logits=logits,
        ignored=ignored,
        headless=tuple(stage for stage in gone if stage not in other_heads),
        other_heads=other_heads,
        unit_scales=sum(name.endswith(".norm.weight") for name in given),
        folded=len(folded),
        fit=fit,
        source=source,
        backbone=backbone,
        renamed=renamed,
    )


def _laid_out(
    importer: Importer,
    wanted: Mapping[str, str],
    shapes: Mapping[str, torch.Size],
    tensors: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
    """Our tensors; their names of those that are missing; those of another shape."""
    weights, missing, misshapen = dict(given), [], []
    for ours, theirs in wanted.items():
        if ours in given:
            continue
        tensor = tensors.get(theirs)
        if tensor is None:
            missing.append(theirs)
        elif (laid := lay_out(tensor, shapes[ours], importer, ours)) is not None:
            weights[ours] = laid
        else:
            shape, expected = _shape(tensor.shape), _shape(shapes[ours])
            misshapen.append(f"{theirs} ({shape} for our {expected})")
    return weights, tuple(missing), tuple(misshapen)


def _source(
    importer: Importer, file: ForeignFile, names: Mapping[str, str], logits: Iterable[str]
) -> tuple[Nested, dict[str, str]]:
    """The network's tensors within the file, and those of a classifier that was renamed."""
    separator = SEPARATORS.get(file.kind)
    if separator is None:
        source = Nested(file.tensors)
    else:
        source = nested(file.tensors, set(names.values()), separator)
    strange = [n for n in source.tensors if n not in set(names.values())]
    strange = [n for n in strange if not any(fnmatchcase(n, p) for p in importer.ignored)]
    renamed = _other_classifier(strange, [names[n] for n in logits], separator or "/")
    if any(theirs in source.tensors for theirs in renamed.values()):
        return source, {}
    tensors = {renamed.get(name, name): tensor for name, tensor in source.tensors.items()}
    return replace(source, tensors=tensors), renamed


def _other_classifier(
    strange: Sequence[str], logits: Iterable[str], separator: str
) -> dict[str, str]:
    """Their names of a classifier, and the table's: the only strange layer, of the same parts."""
    parts = {theirs.rpartition(separator)[2]: theirs for theirs in logits}
    split = [name.rpartition(separator) for name in strange]
    if len({layer for layer, _, _ in split}) != 1 or {part for *_, part in split} != parts.keys():
        return {}
    return {name: parts[part] for name, (*_, part) in zip(strange, split, strict=True)}


def _logits_tensors(network: InceptionNet) -> frozenset[str]:
    """Our names of the tensors with a row for each class."""
    last = {id(layer) for layer in network.logits_layers()}
    modules = [(name, module) for name, module in network.named_modules() if id(module) in last]
    return frozenset(f"{name}.{part}" for name, module in modules for part in module.state_dict())


def _as_in_the_file(
    spec: Spec, names: Mapping[str, str], logits: Iterable[str], tensors: Mapping[str, Tensor]
) -> tuple[Spec, bool]:
    """The network with the file's classes and heads; whether the file lacks the classifier.

    A head counts where the file has something of it, and as many classes as in the classifier.
    """
    last = [name for name in logits if not name.startswith("aux.")]
    biases = {n: tensors.get(names.get(n, "")) for n in logits if n.endswith(".bias")}
    counts = {n: max(bias.numel(), 1) for n, bias in biases.items() if bias is not None}
    backbone = not any(names[name] in tensors for name in last)
    classes = 1 if backbone else next((counts[n] for n in last if n in counts), spec.num_classes)

    def there(stage: str) -> bool:
        own = [name for name in names if name.startswith(f"aux.{stage}.")]
        alike = all(counts.get(name, classes) == classes for name in own)
        return alike and any(names[name] in tensors for name in own)

    aux = {stage: head for stage, head in spec.aux.items() if there(stage)}
    return replace(spec, num_classes=classes, aux=aux), backbone


def _shape_of(ours: str, shape: torch.Size, logits: Collection[str], spec: Spec) -> torch.Size:
    return torch.Size([spec.num_classes, *shape[1:]]) if ours in logits else shape


def _left_over(
    importer: Importer, tensors: Iterable[str], known: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Their tensors without a place: those that hold nothing for us, and all others."""
    left = [name for name in tensors if name not in known]
    ignored = [n for n in left if any(fnmatchcase(n, p) for p in importer.ignored)]
    return tuple(ignored), tuple(n for n in left if n not in set(ignored))


def _unit_scales(
    names: Mapping[str, str], shapes: Mapping[str, torch.Size], tensors: Collection[str]
) -> dict[str, Tensor]:
    """Scales of batch norm, where the publisher trained none: they are 1."""
    scales = {ours: theirs for ours, theirs in names.items() if ours.endswith(".norm.weight")}
    if any(theirs in tensors for theirs in scales.values()):
        return {}
    return {n: torch.ones(shapes[n]) for n, theirs in scales.items() if theirs.endswith("gamma")}


def _folded_biases(names: Mapping[str, str], tensors: Collection[str]) -> dict[str, str]:
    """Our running means, and biases before the norm that we have not: one takes up the other."""
    folded = {}
    for ours, theirs in names.items():
        layer = ours.removesuffix(".conv.weight")
        mean, bias = f"{layer}.norm.running_mean", f"{theirs.removesuffix('.weight')}.bias"
        if layer != ours and mean in names and bias in tensors and bias not in names.values():
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


def _names(importer: Importer, tensors: Iterable[str]) -> dict[str, str]:
    """Their name of each of our tensors, no two alike."""
    named = {ours: importer.name(ours) for ours in tensors}
    names = {ours: theirs for ours, theirs in named.items() if theirs is not None}
    if len(set(names.values())) < len(names):
        raise LookupError(f"{importer.dialect}'s table of {importer.model} is no bijection")
    return names


def _shape(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
