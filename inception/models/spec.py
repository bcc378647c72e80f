"""A network as data that goes to JSON and back. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from inception.errors import InputError, unknown
from inception.fields import known_fields, shown
from inception.models.check import DEEPEST, check
from inception.models.kinds import (
    CLASSES,
    KINDS,
    Activation,
    ActivationKind,
    Architecture,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Initialisation,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pair,
    Pool,
    Residual,
    Width,
    branches,
    concrete,
    leaves,
    map_layers,
    pooling_of,
    separable,
)
from inception.preprocessing import Preprocessing

__all__ = [  # also what a table of one's own needs beside the kinds
    "CLASSES",
    "KINDS",
    "Activation",
    "ActivationKind",
    "Branches",
    "Conv",
    "Dropout",
    "Flatten",
    "Initialisation",
    "Layer",
    "Layers",
    "Linear",
    "LocalResponseNorm",
    "Norm",
    "Pair",
    "Pool",
    "Preprocessing",
    "Residual",
    "Spec",
    "Width",
    "branches",
    "concrete",
    "layers_from_json",
    "layers_to_json",
    "leaves",
    "map_layers",
    "map_spec",
    "pooling_of",
    "replace",
    "separable",
]


@dataclass(frozen=True)
class Spec(Architecture):
    """A network as ``kinds`` describes it: this is what tables, files and functions hand around."""

    def __repr__(self) -> str:
        return f"Spec({self.name!r}, {self.num_classes} classes, {self.image_size} px)"

    def to_json(self) -> dict[str, Any]:
        """The network as JSON values."""
        return {
            "name": self.name,
            "stages": layers_to_json(self.stages),
            "classifier": layers_to_json(self.classifier),
            "aux": layers_to_json(self.aux),
            "num_classes": self.num_classes,
            "in_channels": self.in_channels,
            "preprocessing": self.preprocessing.to_json(),
            "initialisation": self.initialisation,
            "departures": list(self.departures),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Spec:
        """The inverse of ``to_json``.

        Raises:
            InputError: the values do not describe a network, or none that is legal.
        """
        values = known_fields(values, cls, "a network")
        layers = {part: layers_from_json(values[part], part) for part in _PARTS if part in values}
        preprocessing = Preprocessing.from_json(values.get("preprocessing", {}))
        departures = _tuple(values.get("departures", ()))
        changed = {**layers, "preprocessing": preprocessing, "departures": departures}
        spec = cls(**{**values, **changed})
        check(spec)
        return spec

    def digest(self) -> str:
        """32 hexadecimal digits for what the network computes, given its weights.

        Equal where stages, heads, classifier, channels, classes, preprocessing and how fresh
        weights are drawn are; ``name`` and ``departures`` are labels and do not count, nor does
        whether a number is written ``3``, ``3.0`` or ``(3, 3)``.
        """
        values = self.to_json()
        del values["name"], values["departures"]
        text = json.dumps(_plain(values))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def map_spec(spec: Spec, change: Callable[[Layer], Layers]) -> Spec:
    """The same network with ``change`` applied to each leaf of stages, heads and classifier."""
    parts = {part: map_layers(getattr(spec, part), change) for part in _PARTS}
    return replace(spec, **parts)  # type: ignore[arg-type]


def layers_to_json(layers: Layers | Norm) -> dict[str, Any]:
    """A layer as its kind and the fields that differ from the default; a mapping as itself."""
    if isinstance(layers, Mapping):
        return {name: layers_to_json(inner) for name, inner in layers.items()}
    kind = next(name for name, type_ in KINDS.items() if type(layers) is type_)
    values: dict[str, Any] = {"layer": kind}
    for f in fields(layers):
        value = getattr(layers, f.name)
        if f.name in _NESTED:
            values[f.name] = None if value is None else layers_to_json(value)
        elif value != f.default:
            values[f.name] = value
    return values


def layers_from_json(values: Any, where: str = "layers", depth: int = 0) -> Any:
    """The inverse of ``layers_to_json``; types and numbers are left to ``check``.

    Raises:
        InputError: an unknown kind of layer or field, a field that is missing, or too deep.
    """
    if not isinstance(values, Mapping):
        raise InputError(
            f"{where}: a layer, or layers by name, must stand here; got {shown(values)}"
        )
    if depth > DEEPEST:
        raise InputError(f"layers are nested more than {DEEPEST} deep")
    kind = values.get("layer")
    if not isinstance(kind, str):
        return {name: layers_from_json(inner, name, depth + 1) for name, inner in values.items()}
    if kind not in KINDS:
        raise unknown("layer kind", shown(kind)[1:-1], KINDS)
    given = {name: value for name, value in values.items() if name != "layer"}
    given = known_fields(given, KINDS[kind], f"{where}, a layer of kind {kind}")
    return KINDS[kind](**{name: _value(name, value, depth) for name, value in given.items()})


_PARTS = ("stages", "aux", "classifier")
_NESTED = {"norm", "branches", "body", "shortcut"}


def _value(name: str, value: Any, depth: int) -> Any:
    nested = name in _NESTED and value is not None
    return layers_from_json(value, name, depth + 1) if nested else _tuple(value)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """One way of writing for values that mean the same."""
    if isinstance(value, Mapping):
        return [[name, _plain(inner)] for name, inner in value.items()]
    if isinstance(value, list | tuple):
        plain = [_plain(inner) for inner in value]
        return plain[0] if len(plain) == 2 and plain[0] == plain[1] else plain
    return int(value) if isinstance(value, float) and value.is_integer() else value
