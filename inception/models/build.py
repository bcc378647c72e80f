"""From a spec to modules: one case a layer kind."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn

from inception.models import layers as modules
from inception.models.check import check
from inception.models.cost import cost
from inception.models.initialise import initialise
from inception.models.network import InceptionNet
from inception.models.shapes import Position, Shape, conv_groups, conv_width, end
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
    Pool,
    Residual,
    Spec,
    concrete,
)


def build(spec: Spec) -> InceptionNet:
    """The network with fresh weights, drawn from torch's default generator."""
    network = build_empty(spec).to_empty(device="cpu")
    initialise(network, network.logits_layers(), spec.initialisation)
    return network


def build_empty(spec: Spec) -> InceptionNet:
    """The network on the meta device: shapes without memory, for weights that follow.

    Raises:
        InputError: the spec is no legal network (``models.check``).
    """
    check(spec)
    start = Position(Shape(spec.in_channels, spec.image_size, spec.image_size))
    ends = {stage.name: stage.end for stage in cost(spec).stages}
    starts = dict(zip(ends, [start, *ends.values()], strict=False))

    def built(layers: Layers, position: Position) -> nn.Module:
        return build_layers(concrete(layers, spec.num_classes), position)

    with torch.device("meta"):
        return InceptionNet(
            spec,
            stages={name: built(layers, starts[name]) for name, layers in spec.stages.items()},
            aux={name: built(layers, ends[name]) for name, layers in spec.aux.items()},
            classifier=built(spec.classifier, starts["classifier"]),
        )


def build_layers(layers: Layers, start: Position) -> nn.Module:
    """The module of layers whose input stands at ``start``; widths must be numbers by now."""
    if isinstance(layers, Mapping):
        named = OrderedDict[str, nn.Module]()
        for name, inner in layers.items():
            named[name] = build_layers(inner, start)
            start = end(inner, start)
        return nn.Sequential(named)
    if isinstance(layers, Branches):
        return modules.BranchesLayer(
            {name: build_layers(branch, start) for name, branch in layers.branches.items()}
        )
    if isinstance(layers, Residual):
        return modules.ResidualLayer(
            build_layers(layers.body, start),
            build_layers(layers.shortcut, start),
            layers.scale,
            modules.activation(layers.activation, own=True),
        )
    return _build_layer(layers, start.shape.channels)


def _build_layer(layer: Layer, channels: int) -> nn.Module:
    match layer:
        case Conv():
            return _build_conv(layer, channels)
        case Linear(width=width, bias=bias, norm=norm, activation=kind):
            linear = nn.Linear(channels, int(width), bias=bias)
            normed = modules.batch_norm(norm, int(width), axes=1)
            return modules.LinearLayer(linear, normed, modules.activation(kind, own=True))
        case Pool():
            return modules.PoolLayer(layer)
        case LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k):
            return modules.LocalResponseNormLayer(size, alpha, beta, k)
        case Activation(kind=kind):
            return modules.activation(kind)
        case Dropout(probability=probability):
            return nn.Dropout(probability)
        case Flatten():
            return nn.Flatten()
    raise TypeError(f"no module for {layer}")


def _build_conv(layer: Conv, channels: int) -> nn.Module:
    width = conv_width(layer, channels)
    conv = modules.conv2d(
        channels,
        width,
        layer.kernel,
        layer.stride,
        layer.padding,
        conv_groups(layer, channels),
        layer.has_bias,
    )
    norm = modules.batch_norm(layer.norm, width, axes=2)
    return modules.ConvLayer(conv, norm, modules.activation(layer.activation, own=True))
