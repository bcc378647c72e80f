"""From a publisher's file to one of our models: every tensor in its place, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from inception.errors import InputError
from inception.models.spec import Spec
from inception.weights.imagenet import imagenet_names
from inception.weights.importers import IMPORTERS, importers_for
from inception.weights.importers.files import ForeignFile, open_file
from inception.weights.importers.importer import STATISTICS
from inception.weights.importers.reading import Fit, Reading, read_as
from inception.weights.model_file import BACKBONE, ModelInfo

Background: TypeAlias = Literal["drop", "keep"]
IMAGENET = 1000


@dataclass(frozen=True)
class Converted:
    """A publisher's weights as a model of ours.

    Attributes:
        weights: by our names, float32, contiguous; some are views of the mapped file.
        dialect: whose form the file was found to have.
        notes: what was read, dropped or folded, a line each.
    """

    weights: Mapping[str, Tensor]
    info: ModelInfo
    dialect: str
    notes: tuple[str, ...]


def convert(
    source: Path,
    *,
    model: str,
    dialect: str | None = None,
    background: Background = "drop",
    classes: Sequence[str] | None = None,
) -> Converted:
    """Reads public weights as one of our networks.

    Args:
        source: the file as published; its kind is told by its bytes.
        model: our network's name.
        dialect: whose form it has, one of ``DIALECTS``; found by the names where not given.
        background: whether to keep the outputs beside ImageNet's 1000 that TensorFlow trained.
        classes: names in the order of the outputs that stay.

    Raises:
        InputError: the file is damaged, or a tensor is missing, left over or misshapen.
    """
    candidates = importers_for(model, dialect)
    file = open_file(source)
    of_kind = [importer for importer in candidates if importer.kind == file.kind]
    if not of_kind:
        there = ", ".join(f"{i.dialect} ({i.kind} file)" for i in candidates)
        hint = _other_network(file, model)
        raise InputError(f"{source} is a {file.kind} file; {model} is read from: {there}{hint}")
    readings = [read_as(importer, file) for importer in of_kind]
    reading = min(readings, key=lambda r: r.fit.faults)
    if reading.fit.faults:
        hint = _way_out(reading.fit) or _other_network(file, model)
        raise InputError(f"{source}, read as {_title(reading)}: {reading.fit}{hint}")
    spec, weights, notes = _without_background(reading, background)
    importer = reading.importer
    info = ModelInfo(
        replace(spec, preprocessing=importer.preprocessing or spec.preprocessing),
        _class_names(reading, spec.num_classes, classes),
        training={"imported": {"file": source.name, "dialect": importer.dialect}},
    )
    also = [r.importer.dialect for r in readings if r is not reading and not r.fit.faults]
    notes = (*_notes(reading, also), *notes)
    return Converted(_settled(weights, source), info, importer.dialect, notes)


def _other_network(file: ForeignFile, model: str) -> str:
    """The way out, where the file holds another network of ours whole."""
    for importer in IMPORTERS:
        if importer.kind == file.kind and importer.model != model:
            with suppress(InputError):  # a graph says itself that it is another network's
                if not read_as(importer, file).fit.faults:
                    return f". It fits --as {importer.model}"
    return ""


def _way_out(fit: Fit) -> str:
    """What to save instead, where nothing but the norms' statistics is missing."""
    only = fit.faults == len(fit.missing) and all(n.endswith(STATISTICS) for n in fit.missing)
    return ": save state_dict(), which has the norms' statistics, not parameters()" if only else ""


def _title(reading: Reading) -> str:
    return f"{reading.importer.dialect}'s {reading.importer.model}"


def _without_background(
    reading: Reading, background: Background
) -> tuple[Spec, Mapping[str, Tensor], tuple[str, ...]]:
    """The network with ImageNet's 1000 outputs, where the file has those and others beside."""
    spec, first = reading.spec, reading.importer.background
    if not first or spec.num_classes < first + IMAGENET:
        return spec, reading.weights, ()
    others = spec.num_classes - IMAGENET
    if background == "keep":
        note = f"kept all {spec.num_classes} outputs, {others} of them no class of ImageNet"
        return spec, reading.weights, (note,)
    rows = slice(first, first + IMAGENET)
    weights = {n: w[rows] if n in reading.logits else w for n, w in reading.weights.items()}
    note = f"dropped {others} of {spec.num_classes} outputs: the background" + (
        f" and {others - first} unused ones" if others > first else ""
    )
    return replace(spec, num_classes=IMAGENET), weights, (note,)


def _class_names(reading: Reading, count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    if reading.backbone:
        return (BACKBONE,)
    if names is None:
        if not reading.importer.own_order and count in (IMAGENET, IMAGENET + 1):
            return imagenet_names(background=count > IMAGENET)
        return tuple(f"class {number}" for number in range(count))
    if len(names) != count:
        raise InputError(f"{len(names)} class names for {count} outputs")
    return tuple(names)


def _notes(reading: Reading, also: Sequence[str]) -> tuple[str, ...]:
    source = reading.source
    notes = [f"read as {_title(reading)}: {len(source.tensors)} tensors, each with its place"]
    if also:
        notes.append(
            f"other publishers' files are alike, but for the pictures: --from {' or '.join(also)}"
        )
    if source.place:
        notes.append(f"the network lies under {source.place[:-1]}")
    if source.beside:
        notes.append(f"beside it, not read: {len(source.beside)}, such as {source.beside[0]}")
    if reading.backbone:
        notes.append("no classifier in the file: a backbone, to begin with (train --init)")
    notes += [f"{there} is read as {theirs}" for there, theirs in reading.renamed.items()]
    if reading.ignored:
        notes.append(f"not needed: {len(reading.ignored)}, such as {reading.ignored[0]}")
    if reading.headless:
        notes.append(f"no auxiliary head in the file after {', '.join(reading.headless)}")
    if reading.other_heads:
        after = ", ".join(reading.other_heads)
        notes.append(f"left out the auxiliary heads after {after}: they are for other classes")
    if reading.unit_scales:
        notes.append(f"no scale (gamma) in the file's {reading.unit_scales} norms: set to 1")
    if reading.folded:
        notes.append(f"folded {reading.folded} biases into the means of the norms after them")
    return tuple(notes)


def _settled(weights: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """The weights in float32 and contiguous, copied only where the file has them otherwise."""
    settled = {}
    for name, tensor in weights.items():
        settled[name] = tensor.to(torch.float32).contiguous()
        if not bool(settled[name].isfinite().all()):
            raise InputError(f"{source}: {name} has values that are not finite")
    return settled
