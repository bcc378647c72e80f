"""A network changed in one respect, as ablations compare them: from spec to spec, without torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from inception.errors import InputError, unknown
from inception.models.cost import cost
from inception.models.shapes import pair
from inception.models.spec import (
    CLASSES,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Spec,
    leaves,
    map_layers,
    map_spec,
)
from inception.preprocessing import Preprocessing

Head: TypeAlias = Literal["own", "linear", "flatten", "nin", "cosine", "knn"]
NormKind: TypeAlias = Literal["own", "batch", "lrn", "none"]

CHANNELS = 8  # widths stay multiples of this
# xavier is made for pixels from 0 to 255: smaller inputs would leave the biases alone to speak
CAFFE_PIXELS: Final = Preprocessing(mean=(123.0, 117.0, 104.0), std=(1.0, 1.0, 1.0))


def with_head(spec: Spec, head: Head) -> Spec:
    """The same stages under another classifier, with the network's own dropout.

    ``linear`` averages every channel over the grid first; ``flatten`` reads the whole grid the
    network has at its own picture size, other sizes brought to it; ``nin`` is a 1x1 convolution to
    the classes, then the average, with ReLU between: without it, it would be ``linear``.
    ``cosine`` and ``knn`` multiply the averages, brought to length 1, by a row a class; that all
    rows have one length, so that this is a scaled cosine, is the training's to see to.
    """
    dropout = _dropout(spec)
    average, logits = Pool("average", grid=1), Linear(CLASSES)
    *_, last, _ = cost(spec).stages
    cosine: dict[str, Layers] = {
        "pool": average,
        "unit": _unit_length(last.end.shape.channels),
        "flatten": Flatten(),
        "logits": Linear(CLASSES, bias=False),
    }
    classifiers: dict[str, dict[str, Layers]] = {
        "linear": {"pool": average, "flatten": Flatten(), **dropout, "logits": logits},
        "flatten": {
            "pool": Pool("average", grid=last.end.shape.height),
            "flatten": Flatten(),
            **dropout,
            "logits": logits,
        },
        "nin": {**dropout, "logits": Conv(CLASSES), "pool": average, "flatten": Flatten()},
        "cosine": cosine,
        "knn": cosine,
    }
    classifier = classifiers.get(head, spec.classifier)
    return _varied(spec, f"another classifier: {head}", classifier=classifier)


def with_aux_heads(spec: Spec, count: int) -> Spec:
    """The last ``count`` of the auxiliary heads: of the paper's two, one is that after 4d.

    Raises:
        InputError: the network has not as many.
    """
    if not 0 <= count <= len(spec.aux):
        raise InputError(f"{spec.name} has {len(spec.aux)} auxiliary heads; got aux_heads={count}")
    kept = list(spec.aux)[len(spec.aux) - count :]
    line = f"auxiliary heads after: {', '.join(kept) or 'no stage'}"
    return _varied(spec, line, aux={stage: spec.aux[stage] for stage in kept})


def cut_after(spec: Spec, stage: str) -> Spec:
    """The classifier right after a stage; those that followed are left out, their heads too.

    What early stages see carries over to other pictures than the last ones were made for.

    Raises:
        InputError: no such stage.
    """
    if stage not in spec.stages:
        raise unknown("stage", stage, spec.stages)
    kept = list(spec.stages)[: list(spec.stages).index(stage) + 1]
    stages = {name: spec.stages[name] for name in kept}
    aux = {name: head for name, head in spec.aux.items() if name in kept}
    return _varied(spec, f"the classifier right after {stage}", stages=stages, aux=aux)


def with_dropout(spec: Spec, probability: float) -> Spec:
    """The classifier's dropout at another probability; heads keep theirs.

    Raises:
        InputError: its classifier has none.
    """
    if probability and not _dropout(spec):
        raise InputError(f"{spec.name} has no dropout to set to {probability:g}")

    def change(layer: Layer) -> Layers:
        return Dropout(probability) if isinstance(layer, Dropout) else layer

    line = f"dropout {probability:g} before the classifier"
    return _varied(spec, line, classifier=map_layers(spec.classifier, change))


def with_norm(spec: Spec, kind: NormKind) -> Spec:
    """The same network with batch norm, with LRN where GoogLeNet has it, or with neither.

    What depends on the norm goes with it: with batch norm He's initialisation and pixels of unit
    deviation, without it Caffe's.

    Raises:
        InputError: LRN for a network without stages conv1 and conv2.
    """
    if kind == "own" or (kind == "batch" and _has_batch_norm(spec)):
        return spec
    changed = batch_normed(spec, Norm(eps=1e-5)) if kind == "batch" else _unnormed(spec)
    if kind == "lrn":
        changed = _with_lrn(changed)
    parts = ("stages", "aux", "classifier", "initialisation", "preprocessing")
    lines = {"batch": "batch norm, no LRN", "lrn": "LRN, no batch norm", "none": "no norms at all"}
    return _varied(spec, lines[kind], **{part: getattr(changed, part) for part in parts})


def wider(spec: Spec, factor: float) -> Spec:
    """Every convolution ``factor`` times as wide, to the nearest multiple of 8.

    Raises:
        InputError: residual branches no longer fit each other.
    """

    def change(layer: Layer) -> Layers:
        if isinstance(layer, Conv) and isinstance(layer.width, int):
            width = CHANNELS * max(1, round(layer.width * factor / CHANNELS))
            return replace(layer, width=width)
        return layer

    if factor == 1:
        return spec
    changed = map_spec(spec, change)
    cost(changed)
    line = f"convolutions {factor:g} times as wide, to multiples of {CHANNELS}"
    return replace(changed, departures=(*spec.departures, line))


def for_signals(spec: Spec, channels: int) -> Spec:
    """Every window 1 px high: a network for signals, which are pictures 1 px high.

    What slides in both directions slides along the time alone; heads, made for a grid, are left
    out. Signals come standardised: the preprocessing leaves them as they are.
    """

    def change(layer: Layer) -> Layers:
        if not isinstance(layer, Conv | Pool) or layer.kernel is None:
            return layer
        padding = layer.padding
        if not isinstance(padding, str):
            padding = (0, pair(padding)[1])
        kernel, stride = (1, pair(layer.kernel)[1]), (1, pair(layer.stride)[1])
        return replace(layer, kernel=kernel, stride=stride, padding=padding)

    pixels = spec.preprocessing.for_channels(channels)
    plain = replace(pixels, mean=(0.0,) * channels, std=(1.0,) * channels)
    changed = map_spec(replace(spec, aux={}), change)
    line = "windows 1 px high, for signals"
    return replace(
        changed,
        in_channels=channels,
        preprocessing=plain,
        departures=(*spec.departures, line),
    )


def batch_normed(spec: Spec, norm: Norm) -> Spec:
    """Batch norm after every convolution instead of LRN and biases."""

    def change(layer: Layer) -> Layers:
        if isinstance(layer, LocalResponseNorm):
            return {}
        return replace(layer, norm=norm) if isinstance(layer, Conv) else layer

    # a convolution at the very end gives logits, which are not normalised
    changed = replace(map_spec(spec, change), classifier=spec.classifier)
    return replace(changed, initialisation="he", preprocessing=_pixels(spec, Preprocessing()))


def _unnormed(spec: Spec) -> Spec:
    def change(layer: Layer) -> Layers:
        if isinstance(layer, LocalResponseNorm):
            return {}
        if isinstance(layer, Conv | Linear) and layer.norm is not None:
            return replace(layer, norm=None)
        return layer

    changed = map_spec(spec, change)
    if not _has_batch_norm(spec):
        return changed
    return replace(changed, initialisation="caffe", preprocessing=_pixels(spec, CAFFE_PIXELS))


def _with_lrn(spec: Spec) -> Spec:
    """LRN after the first pool, or the first convolution where no pool follows, and after conv2."""
    first = "pool1" if "pool1" in spec.stages else "conv1"
    for stage in (first, "conv2"):
        if stage not in spec.stages:
            raise InputError(f"{spec.name} has no stage {stage}, after which GoogLeNet has its LRN")
        layers = spec.stages[stage]
        inner = layers if isinstance(layers, dict) else {_name(layers): layers}
        stages = {**spec.stages, stage: {**inner, "norm": LocalResponseNorm()}}
        spec = replace(spec, stages=stages)
    return spec


def _unit_length(channels: int) -> LocalResponseNorm:
    """LRN over all channels at once: with this alpha and beta, division by the Euclidean length."""
    size = 2 * channels - 1
    return LocalResponseNorm(size, alpha=float(size), beta=0.5, k=1e-6)


def _name(layers: Layers) -> str:
    return type(layers).__name__.lower()


def _pixels(spec: Spec, like: Preprocessing) -> Preprocessing:
    own = spec.preprocessing
    rgb = own.channel_order == "rgb"
    return replace(own, mean=like.mean, std=like.std) if rgb else own


def _has_batch_norm(spec: Spec) -> bool:
    return any(getattr(layer, "norm", None) for layer in leaves(spec.stages))


def _dropout(spec: Spec) -> dict[str, Layers]:
    """The classifier's first dropout by its name; nothing where it has none."""
    found = [layer for layer in leaves(spec.classifier) if isinstance(layer, Dropout)]
    return {"dropout": found[0]} if found else {}


def _varied(spec: Spec, line: str, **parts: Any) -> Spec:
    """The spec with other parts, and a line about it where that makes a difference."""
    changed = replace(spec, **parts)
    return changed if changed == spec else replace(changed, departures=(*spec.departures, line))
