"""What a legal network is: asked of every spec before anything is built of it. No torch here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args
from weakref import WeakValueDictionary

from inception.errors import InputError
from inception.fields import check_fields, shown
from inception.models.cost import cost, smallest_size, too_small
from inception.models.kinds import (
    Architecture,
    Branches,
    Conv,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    concrete,
)
from inception.models.reserved import MODULE_NAMES, NETWORK_NAMES
from inception.models.shapes import (
    Position,
    Shape,
    TooSmallError,
    Windows,
    added,
    after,
    concatenated,
    conv_groups,
    conv_width,
    pair,
    pool_windows,
    windows,
)

DEEPEST = 16  # layers that hold layers, one in the other
MOST_LAYERS = 5000
MOST_VALUES = 2**28  # of one picture in one tensor: 1 GB
MOST_PARAMETERS = 10**9
MOST_NORMED = 8192  # channels under an LRN, whose sums are a square matrix
NARROW = 16  # an LRN may be as wide over fewer channels: networks are narrowed
LONGEST_NAME = 64
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")

# what passed, and never changes: whoever reads a network and lowers it would look at it twice
_legal: WeakValueDictionary[int, Architecture] = WeakValueDictionary()


def check(spec: Architecture) -> None:
    """Raises ``InputError``, one line that names the place, where a spec is no legal network.

    Whatever passes can be built and lowered: the layers hold what their annotations say, fit each
    other at the network's own picture size, and stay within what a machine can hold.
    """
    if _legal.get(id(spec)) is spec:
        return
    check_fields(spec, "a network")
    _check_label(spec.name)
    _check_channels(spec)
    for stage in spec.aux:
        if stage not in spec.stages:
            raise InputError(f"aux: a head hangs on a stage, and none is named {shown(stage)}")
    for number, (path, found) in enumerate(_everything(spec)):
        if number >= MOST_LAYERS:
            raise InputError(f"a network has at most {MOST_LAYERS} layers; this one has more")
        if not isinstance(found, Mapping):
            _check_layer(found, path)
    try:
        _check_shapes(spec)
    except TooSmallError:
        raise _too_small(spec) from None
    parameters = cost(spec).parameters_with_aux
    if parameters > MOST_PARAMETERS:
        raise InputError(f"{parameters:,} parameters; a network has at most {MOST_PARAMETERS:,}")
    _legal[id(spec)] = spec


def _check_label(name: str) -> None:
    if not (name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise InputError(
            f"name of a network must be 1 to {LONGEST_NAME} printable characters; got {shown(name)}"
        )


def _check_channels(spec: Architecture) -> None:
    how = spec.preprocessing
    if len(how.mean) != spec.in_channels:
        raise InputError(
            f"a network of {spec.in_channels} channels needs as many means and stds in its "
            f"preprocessing; got {len(how.mean)}"
        )
    if (how.channel_order == "grey") != (spec.in_channels == 1):
        raise InputError(
            "channel_order of a preprocessing is grey where, and only where, a network has one "
            f"channel; got {how.channel_order} for {spec.in_channels}"
        )


def _everything(spec: Architecture) -> Iterator[tuple[str, Layers]]:
    """All layers by their path, those that hold others before what they hold; names are good."""
    if not spec.stages:
        raise InputError("a network needs at least one stage")
    for part, held in (("stages", spec.stages), ("aux", spec.aux)):
        for name, layers in held.items():
            _check_name(name, part, {*MODULE_NAMES, *NETWORK_NAMES})
            yield from _inside(layers, f"{part}.{name}", 1)
    yield from _inside(spec.classifier, "classifier", 1)


def _inside(layers: Layers, path: str, depth: int) -> Iterator[tuple[str, Layers]]:
    if depth > DEEPEST:
        raise InputError(f"{path}: layers are nested more than {DEEPEST} deep")
    yield path, layers
    held: Mapping[str, Layers] = {}
    if isinstance(layers, Mapping | Branches):
        held = layers if isinstance(layers, Mapping) else layers.branches
        for name in held:
            _check_name(name, path, MODULE_NAMES)
    elif isinstance(layers, Residual):
        held = {"body": layers.body, "shortcut": layers.shortcut}
    for name, inner in held.items():
        yield from _inside(inner, f"{path}.{name}", depth + 1)


def _check_name(name: Any, path: str, reserved: set[str] | frozenset[str]) -> None:
    if not (isinstance(name, str) and NAME.fullmatch(name) and len(name) <= LONGEST_NAME):
        raise InputError(
            f"{path}: a name is made of a-z, 0-9 and _, begins with no _ and has up to "
            f"{LONGEST_NAME} characters; got {shown(name)}"
        )
    if name in reserved:
        raise InputError(f"{path}: the name {name!r} is taken by torch's modules or by ours")


def _check_layer(layer: Any, path: str) -> None:
    """The fields of one layer, apart from what stands before it."""
    kind = type(layer).__name__
    if not isinstance(layer, get_args(Layer)):
        raise InputError(f"{path}: {shown(layer)} is no layer that can stand here")
    try:
        check_fields(layer, f"a {kind}")
        if isinstance(getattr(layer, "norm", None), Norm):
            check_fields(layer.norm, "a Norm")
        if isinstance(layer, Branches) and not layer.branches:
            raise InputError("branches need at least one branch")
        if isinstance(layer, Conv) and (layer.width is None) == (layer.multiplier is None):
            raise InputError("a convolution takes either a width or a depthwise multiplier")
        if isinstance(layer, Conv) and layer.multiplier is not None and layer.groups != 1:
            raise InputError("a convolution with a multiplier has a group a channel: no groups")
        if isinstance(layer, Pool) and layer.kernel is None and layer.grid is None:
            raise InputError("a pool takes a kernel, a grid or both")
        if isinstance(layer, Conv | Pool) and not isinstance(layer.padding, str):
            kernels, paddings = pair(layer.kernel or 1), pair(layer.padding)
            if any(p > k // 2 for p, k in zip(paddings, kernels, strict=True)):
                raise InputError(
                    f"padding of a {kind} is at most half its kernel; got padding {layer.padding} "
                    f"at kernel {layer.kernel}"
                )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_shapes(spec: Architecture) -> None:
    """The layers one after the other, at the network's own picture size."""
    at, ends = Position(Shape(spec.in_channels, spec.image_size, spec.image_size)), {}
    _check_values("a picture", at.shape)
    for name, layers in spec.stages.items():
        ends[name] = at = _through(concrete(layers, spec.num_classes), at, f"stages.{name}")
    heads = [(f"aux.{name}", layers, ends[name]) for name, layers in spec.aux.items()]
    for path, layers, start in [*heads, ("classifier", spec.classifier, at)]:
        found = _through(concrete(layers, spec.num_classes), start, path)
        if not found.flat or found.shape.channels != spec.num_classes:
            got = "x".join(map(str, found.shape)) + (" flat" if found.flat else " maps")
            raise InputError(
                f"{path}: must end flat with a number for each of the {spec.num_classes} classes "
                f"(width 'classes'); got {got}"
            )


def _through(layers: Layers, at: Position, path: str) -> Position:
    if isinstance(layers, Mapping):
        for name, inner in layers.items():
            at = _through(inner, at, f"{path}.{name}")
        return at
    try:
        if isinstance(layers, Branches):
            at = concatenated(
                [_through(inner, at, f"{path}.{n}") for n, inner in layers.branches.items()]
            )
        elif isinstance(layers, Residual):
            body = _through(layers.body, at, f"{path}.body")
            at = added(body, _through(layers.shortcut, at, f"{path}.shortcut"))
        else:
            _check_at(layers, at)
            at = after(layers, at)
        _check_values("what it gives", at.shape)
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(path) else f"{path}: {text}") from None
    return at


def _check_at(layer: Layer, at: Position) -> None:
    """Whether a layer can take what stands before it."""
    c, h, w = at.shape
    kind = type(layer).__name__
    if at.flat and isinstance(layer, Conv | Pool | LocalResponseNorm):
        raise InputError(f"a {kind} needs maps, and what it is given was flattened before")
    if not at.flat and isinstance(layer, Linear) and (h, w) != (1, 1):
        raise InputError(
            f"a Linear needs flat numbers, and it is given maps of {h}x{w}: put a Flatten, or a "
            "Pool with grid 1, before it"
        )
    if isinstance(layer, LocalResponseNorm):
        most = max(2 * c, NARROW)
        if layer.size > most:
            raise InputError(f"an LRN over {c} channels has at most size {most}, not {layer.size}")
        if c > MOST_NORMED:
            raise InputError(f"an LRN takes at most {MOST_NORMED} channels; got {c}")
    if isinstance(layer, Conv):
        groups, width = conv_groups(layer, c), conv_width(layer, c)
        if c % groups or width % groups:
            raise InputError(f"{groups} groups do not divide {c} channels in and {width} out")
        _check_padded(at, windows(layer.kernel, layer.stride, layer.padding, (h, w)))
    elif isinstance(layer, Pool):
        found = pool_windows(layer, (h, w))
        if isinstance(found, Windows):
            _check_padded(at, found)


def _check_padded(at: Position, found: Windows) -> None:
    c, *sides = at.shape
    padded = (n + sum(pads) for n, pads in zip(sides, found.pads, strict=True))
    _check_values("what it is given, padded,", Shape(c, *padded))


def _check_values(what: str, shape: Shape) -> None:
    if math.prod(shape) > MOST_VALUES:
        sides = "x".join(map(str, shape))
        raise InputError(f"{what} would be {sides} numbers; at most {MOST_VALUES:,} are taken")


def _too_small(spec: Architecture) -> InputError:
    return too_small(spec.name, spec.image_size, smallest_size(spec))
