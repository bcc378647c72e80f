"""From a spec and its weights to a ``Program``: one case a layer kind. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inception.errors import InputError, unknown
from inception.models.check import check
from inception.models.shapes import (
    Position,
    Shape,
    Spans,
    conv_groups,
    conv_width,
    end,
    pair,
    pool_windows,
    windows,
)
from inception.models.spec import (
    Activation,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    Spec,
    concrete,
    pooling_of,
)
from inception.runtime import program as p
from inception.runtime.program import (
    AUX,
    AUX_LOGITS,
    DEFAULT_OUTPUTS,
    EMBEDDING,
    LOGITS,
    POOLED,
    PROBABILITIES,
    START,
    STEP,
    Floats,
    Program,
    Step,
    check_outputs,
    needed,
)

Weights = Mapping[str, npt.NDArray[np.floating[Any]]]


def lower(
    spec: Spec,
    weights: Weights,
    outputs: Sequence[str] = DEFAULT_OUTPUTS,
    *,
    temperature: float = 1.0,
    aux_temperatures: Mapping[str, float] | None = None,
) -> Program:
    """The program that gives ``outputs`` for pictures of the network's own size.

    Args:
        spec: the network.
        weights: its tensors by name.
        outputs: ``probabilities``, ``logits``, ``embedding``, ``features:STAGE``, their means
            ``pooled:STAGE``, and of the head after a stage ``aux:STAGE`` (probabilities) and
            ``aux_logits:STAGE``; ``step:NAME`` is what any step gives, by the path of its layer.
        temperature: what the classifier's logits are divided by before the softmax; the output
            ``logits`` is not.
        aux_temperatures: the same of heads, by their stages; 1 by default.

    Raises:
        InputError: no legal network, no such output, or weights that do not fit the network.
    """
    check(spec)
    heads = [h for h in spec.aux if any(n.startswith(f"aux.{h}.") for n in weights)]
    features = [f"{kind}{stage}" for kind in ("features:", POOLED) for stage in spec.stages]
    of_heads = [f"{kind}{head}" for kind in (AUX, AUX_LOGITS) for head in heads]
    known = [PROBABILITIES, LOGITS, EMBEDDING, *features, *of_heads]
    check_outputs([output for output in outputs if not output.startswith(STEP)], known)
    lowering = _Lowering(spec, weights)
    wanted = [h for h in heads if {f"{AUX}{h}", f"{AUX_LOGITS}{h}"} & set(outputs)]
    values = lowering.network(wanted, temperature, aux_temperatures or {})
    lowering.check_all_used()
    values |= {f"{STEP}{step.name}": step.name for step in lowering.steps}
    for output in outputs:
        if output not in values:
            raise unknown("step", output.removeprefix(STEP), [step.name for step in lowering.steps])
    named = {output: values[output] for output in outputs}
    return Program(spec.image_size, needed(lowering.steps, named.values()), named)


class _Lowering:
    """Walks a spec as ``models.build`` does; methods append steps and give the last one's name."""

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec, self.weights = spec, weights
        self.steps: list[Step] = []
        self.used: set[str] = set()

    def network(
        self, heads: Sequence[str], temperature: float, of_heads: Mapping[str, float]
    ) -> dict[str, str]:
        """Everything; gives the value of every output by the output's name."""
        spec, values = self.spec, {}
        at = Position(Shape(spec.in_channels, spec.image_size, spec.image_size))
        x = self._normalise()
        for stage, layers in spec.stages.items():
            x, at = self._part(layers, x, at, stage)
            values[f"features:{stage}"] = x
            values[f"{POOLED}{stage}"] = self._pooled(x, at, f"{POOLED}{stage}")
            if stage in heads:
                logits, _ = self._part(spec.aux[stage], x, at, f"aux.{stage}")
                values[f"{AUX_LOGITS}{stage}"] = logits
                heat = of_heads.get(stage, 1.0)
                values[f"{AUX}{stage}"] = self._softmax(logits, f"{AUX}{stage}", heat)
        pooling = pooling_of(spec.classifier)
        x, at = self._part(pooling, x, at, "classifier")
        values[EMBEDDING] = self._flat(x, at, EMBEDDING)
        values[LOGITS], _ = self._part(_after(spec.classifier, pooling), x, at, "classifier")
        values[PROBABILITIES] = self._softmax(values[LOGITS], PROBABILITIES, temperature)
        return values

    def check_all_used(self) -> None:
        """Raises ``InputError`` where a tensor has no place in the network."""
        extra = [n for n in self.weights if n not in self.used and not n.startswith("aux.")]
        if extra:
            raise _misfit(extra)

    def _part(self, layers: Layers, x: str, at: Position, name: str) -> tuple[str, Position]:
        layers = concrete(layers, self.spec.num_classes)
        return self._layers(layers, x, at, name), end(layers, at)

    def _normalise(self) -> str:
        how = self.spec.preprocessing
        if self.spec.in_channels not in (1, 3):
            raise InputError(
                f"a network of {self.spec.in_channels} channels cannot be shown pictures"
            )
        mean, std = (np.array(v, np.float32) for v in (how.mean, how.std))
        return self._add(p.Normalise("/normalised", (START,), how.channel_order, mean, std))

    def _pooled(self, x: str, at: Position, name: str) -> str:
        if not at.flat:
            _, height, width = at.shape
            x = self._add(
                p.Regions(f"/{name} mean", (x,), "average", ((0, height),), ((0, width),))
            )
        return self._flat(x, at, name)

    def _flat(self, x: str, at: Position, name: str) -> str:
        return x if at.flat else self._add(p.Flatten(f"/{name}", (x,)))

    def _softmax(self, logits: str, name: str, temperature: float) -> str:
        return self._add(p.Softmax(f"/{name}", (logits,), temperature))

    def _layers(self, layers: Layers, x: str, at: Position, name: str) -> str:
        if isinstance(layers, Mapping):
            for inner_name, inner in layers.items():
                x = self._layers(inner, x, at, f"{name}.{inner_name}")
                at = end(inner, at)
            return x
        if isinstance(layers, Branches):
            return self._branches(layers, x, at, name)
        if isinstance(layers, Residual):
            body = self._layers(layers.body, x, at, f"{name}.body")
            shortcut = self._layers(layers.shortcut, x, at, f"{name}.shortcut")
            return self._add(p.Add(name, (shortcut, body), layers.scale, layers.activation))
        return self._layer(layers, x, at, name)

    def _layer(self, layer: Layer, x: str, at: Position, name: str) -> str:
        match layer:
            case Conv():
                return self._add(self._convolve(layer, x, at, name))
            case Pool():
                return self._pool(layer, x, at, name)
            case LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k):
                channels = at.shape.channels
                return self._add(p.ResponseNorm(name, (x,), channels, size, alpha, beta, k))
            case Linear():
                if not at.flat:
                    x = self._add(p.Flatten(f"{name}.flat", (x,)))
                return self._add(self._multiply(layer, x, at, name))
            case Activation(kind=kind):
                return self._add(p.Activate(name, (x,), kind))
            case Flatten():
                return self._add(p.Flatten(name, (x,)))
            case Dropout():
                return x
        raise TypeError(f"no step for {layer}")

    def _branches(self, layers: Branches, x: str, at: Position, name: str) -> str:
        ends = [self._layers(b, x, at, f"{name}.{n}") for n, b in layers.branches.items()]
        return self._add(p.Concatenate(name, tuple(ends)))

    def _convolve(self, layer: Conv, x: str, at: Position, name: str) -> p.Convolve:
        channels, groups = at.shape.channels, conv_groups(layer, at.shape.channels)
        shape = (conv_width(layer, channels), channels // groups, *pair(layer.kernel))
        weight, bias = self._folded(f"{name}.conv", shape, layer.has_bias, layer.norm)
        found = windows(layer.kernel, layer.stride, layer.padding, at.shape[1:])
        return p.Convolve(
            name,
            (x,),
            weight,
            bias,
            strides=found.strides,
            pads=found.pads,
            groups=groups,
            activation=layer.activation,
        )

    def _multiply(self, layer: Linear, x: str, at: Position, name: str) -> p.Multiply:
        shape = (int(layer.width), math.prod(at.shape))
        weight, bias = self._folded(f"{name}.linear", shape, layer.bias, layer.norm)
        return p.Multiply(name, (x,), weight.T, bias, layer.activation)

    def _folded(
        self, name: str, shape: tuple[int, ...], has_bias: bool, norm: Norm | None
    ) -> tuple[Floats, Floats]:
        """Weight and bias of a layer with its batch norm in them, in float32."""
        weight: npt.NDArray[Any] = self._take(f"{name}.weight", shape)
        width = shape[:1]
        bias = self._take(f"{name}.bias", width) if has_bias else np.zeros(width)
        if norm is not None:
            part = f"{name.rpartition('.')[0]}.norm"
            variance = self._take(f"{part}.running_var", width).astype(np.float64)
            scale = 1 / np.sqrt(variance + norm.eps)
            if norm.scale:
                scale *= self._take(f"{part}.weight", width)
            folded = np.empty(shape, np.float32)  # in float64 piece by piece, not all at once
            scales = scale.reshape(-1, *[1] * (len(shape) - 1))
            weight = np.multiply(weight, scales, out=folded, casting="same_kind")
            bias = (bias - self._take(f"{part}.running_mean", width)) * scale
            bias = bias + self._take(f"{part}.bias", width)
        return np.asarray(weight, np.float32), np.asarray(bias, np.float32)

    def _pool(self, layer: Pool, x: str, at: Position, name: str) -> str:
        found = pool_windows(layer, at.shape[1:])
        if isinstance(found, Spans):
            return self._add(p.Regions(name, (x,), layer.kind, found.rows, found.columns))
        if found.kernel == found.strides == (1, 1):
            return x
        bottom, right = found.over
        (top, below), (left, beside) = found.pads
        declared = ((top, below - bottom), (left, beside - right))
        count = layer.counts_pad and any(map(any, declared))
        if count and any(found.over):  # the padding counts, what rounding up adds does not
            x = self._add(p.Pad(f"{name}.padding", (x,), declared))
            found, count = replace(found, pads=((0, bottom), (0, right))), False
        return self._add(p.Window(name, (x,), layer.kind, found, count))

    def _take(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.floating[Any]]:
        if name not in self.weights or self.weights[name].shape != shape:
            raise _misfit([name])
        self.used.add(name)
        return self.weights[name]

    def _add(self, step: Step) -> str:
        self.steps.append(step)
        return step.name


def _after(classifier: Layers, first: Mapping[str, Layers]) -> Layers:
    """A classifier without its first layers."""
    if not isinstance(classifier, Mapping):
        return classifier
    return {name: layer for name, layer in classifier.items() if name not in first}


def _misfit(names: Sequence[str]) -> InputError:
    return InputError(f"tensors that do not fit the network it describes: {', '.join(names[:5])}")
