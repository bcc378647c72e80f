"""A network with some of its channels and branches taken out, its weights with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from inception.errors import InputError
from inception.models.cost import Position, Shape, end
from inception.models.spec import (
    Branches,
    Conv,
    Flatten,
    Layer,
    Layers,
    Linear,
    Residual,
    Spec,
    concrete,
)

Mask: TypeAlias = npt.NDArray[np.bool_]  # of channels, those that stay
PER_CHANNEL = ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "conv.bias")


@dataclass(frozen=True)
class Narrowed:
    """What is left: a network without auxiliary heads, and the tensors it keeps."""

    spec: Spec
    weights: dict[str, Any]


def narrowed(spec: Spec, weights: Mapping[str, Any], keep: Mapping[str, Mask]) -> Narrowed:
    """The network with only those channels of its convolutions that ``keep`` says, by path.

    A branch in which a convolution keeps none is gone, as are the heads. Convolutions that ``keep``
    does not name stay whole.

    Args:
        spec: any network.
        weights: its tensors by name; those that are there are cut.
        keep: of convolutions that ``prunable`` names.

    Raises:
        InputError: nothing is left of a module.
    """
    knife = _Knife(weights, keep)
    at = Position(Shape(spec.in_channels, spec.image_size, spec.image_size))
    mask, stages = np.ones(spec.in_channels, bool), {}
    for name, each in spec.stages.items():
        layers = concrete(each, spec.num_classes)
        stages[name], mask = knife.whole(layers, at, mask, name)
        at = end(layers, at)
    knife.whole(concrete(spec.classifier, spec.num_classes), at, mask, "classifier")  # as it was
    return Narrowed(replace(spec, stages=stages, aux={}), knife.kept)


def prunable(spec: Spec) -> dict[str, Conv]:
    """The convolutions whose channels may go, by path: whatever adds nothing to a shortcut.

    Raises:
        InputError: a convolution in groups, whose channels belong together.
    """
    found: dict[str, Conv] = {}
    residual = any(isinstance(la, Residual) for la in _holders(spec.stages))
    for name, layers in spec.stages.items():
        _collect(layers, name, not residual, found)
    return found


def _collect(layers: Layers, name: str, free: bool, found: dict[str, Conv]) -> None:
    """Where a network adds to shortcuts, only what is inside of a body before its end is free."""
    if isinstance(layers, Mapping):
        for inner, each in layers.items():
            _collect(each, f"{name}.{inner}", free, found)
    elif isinstance(layers, Branches):
        for inner, each in layers.branches.items():
            _collect(each, f"{name}.{inner}", free, found)
    elif isinstance(layers, Residual):
        inside: dict[str, Conv] = {}
        _collect(layers.body, f"{name}.body", True, inside)
        ends = branch_ends(layers.body, f"{name}.body")
        found |= {path: conv for path, conv in inside.items() if path not in ends}
    elif isinstance(layers, Conv):
        if layers.groups > 1:
            raise InputError(f"{name} convolves in groups, whose channels cannot be taken out")
        if free and isinstance(layers.width, int):
            found[name] = layers


def branch_ends(layers: Layers, name: str) -> set[str]:
    """The convolutions that decide how many channels come out."""
    if isinstance(layers, Mapping):
        ends = [branch_ends(each, f"{name}.{inner}") for inner, each in layers.items()]
        return next((found for found in reversed(ends) if found), set())
    if isinstance(layers, Branches):
        named = layers.branches.items()
        return set().union(*(branch_ends(each, f"{name}.{inner}") for inner, each in named))
    return {name} if isinstance(layers, Conv) and layers.width else set()


def _holders(layers: Layers) -> Iterator[Layers]:
    yield layers
    held: Mapping[str, Layers] = {}
    if isinstance(layers, Mapping | Branches):
        held = layers if isinstance(layers, Mapping) else layers.branches
    for inner in held.values():
        yield from _holders(inner)


class _Knife:
    """Walks a network with the mask of the channels that reach each layer."""

    def __init__(self, weights: Mapping[str, Any], keep: Mapping[str, Mask]) -> None:
        self.weights, self.keep = weights, keep
        self.kept: dict[str, Any] = {}

    def whole(self, layers: Layers, at: Position, given: Mask, name: str) -> tuple[Layers, Mask]:
        """What is left of layers that cannot go, and the mask of what they give."""
        left, mask = self.cut(layers, at, given, name)
        if left is None or not mask.any():
            raise InputError(f"nothing would be left of {name}: keep more")
        return left, mask

    def cut(
        self, layers: Layers, at: Position, given: Mask, name: str
    ) -> tuple[Layers | None, Mask]:
        """What is left of layers, None where they are gone; and the mask of what they give."""
        if isinstance(layers, Mapping):
            return self._in_turn(layers, at, given, name)
        if isinstance(layers, Branches):
            return self._side_by_side(layers, at, given, name)
        if isinstance(layers, Residual):
            body, mask = self.whole(layers.body, at, given, f"{name}.body")
            shortcut: Layers = layers.shortcut
            if shortcut != {}:
                shortcut, _ = self.whole(shortcut, at, given, f"{name}.shortcut")
            return replace(layers, body=body, shortcut=shortcut), mask
        return self._layer(layers, at, given, name)

    def _in_turn(
        self, layers: Mapping[str, Layers], at: Position, given: Mask, name: str
    ) -> tuple[Layers | None, Mask]:
        left: dict[str, Layers] = {}
        gone = False
        for inner, each in layers.items():
            cut, given = self.cut(each, at, given, f"{name}.{inner}")
            at = end(each, at)
            gone = gone or cut is None
            if cut is not None:
                left[inner] = cut
        return (None if gone else left), given & (not gone)

    def _side_by_side(
        self, layers: Branches, at: Position, given: Mask, name: str
    ) -> tuple[Layers | None, Mask]:
        left, masks = {}, []
        for branch, each in layers.branches.items():
            own = len(self.kept)
            cut, mask = self.cut(each, at, given, f"{name}.{branch}")
            masks.append(mask)
            if cut is None:  # with what was kept of it before it turned out to be gone
                self.kept = dict(list(self.kept.items())[:own])
            else:
                left[branch] = cut
        return (Branches(left) if left else None), np.concatenate(masks)

    def _layer(
        self, layer: Layer, at: Position, given: Mask, name: str
    ) -> tuple[Layers | None, Mask]:
        if isinstance(layer, Conv):
            return self._conv(layer, at, given, name)
        if isinstance(layer, Flatten):
            return layer, np.repeat(given, at.shape.height * at.shape.width)
        if isinstance(layer, Linear):
            flat = given if at.flat else np.repeat(given, at.shape.height * at.shape.width)
            for tensor, values in self._of(name):
                at_weight = tensor == "linear.weight"
                self.kept[f"{name}.{tensor}"] = values[:, flat] if at_weight else values
            return layer, np.ones(int(layer.width), bool)
        return layer, given

    def _conv(
        self, layer: Conv, at: Position, given: Mask, name: str
    ) -> tuple[Layers | None, Mask]:
        if layer.multiplier is not None:
            mask = np.repeat(given, layer.multiplier)
        else:
            mask = self.keep.get(name, np.ones(int(layer.width or 0), bool))
        if not mask.any() or not given.any():
            return None, mask & False
        for tensor, values in self._of(name):
            if tensor == "conv.weight" and layer.multiplier is None:
                values = values[:, given]
            self.kept[f"{name}.{tensor}"] = values[mask]
        if layer.multiplier is None:
            layer = replace(layer, width=int(mask.sum()))
        return layer, mask

    def _of(self, name: str) -> Iterator[tuple[str, Any]]:
        for tensor in (*PER_CHANNEL, "conv.weight", "linear.weight", "linear.bias"):
            if f"{name}.{tensor}" in self.weights:
                yield tensor, self.weights[f"{name}.{tensor}"]
