"""BN-Inception: the network of "Batch Normalization" (arXiv:1502.03167), appendix.

Stages have the names of Caffe's GoogLeNet.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

from inception.models.googlenet import tensorflow_padding
from inception.models.spec import (
    CLASSES,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    Norm,
    Pool,
    Spec,
    map_spec,
    separable,
)
from inception.preprocessing import Preprocessing

NORM = Norm(eps=1e-5)
HALVE = Pool("max", kernel=3, stride=2, ceil=True)  # Caffe rounds pooled sizes up
# beside convolutions that pad both sides: Caffe's where the grid is even, and odd ones work too
PASS = Pool("max", kernel=3, stride=2, padding="same")


class Widths(NamedTuple):
    """The columns of the appendix's table; a module with a 1x1 branch keeps the grid."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce3x3dbl: int
    conv3x3dbl: int
    pool: Literal["average", "max"]
    pool_proj: int


MODULES = {
    "3a": Widths(64, 64, 64, 64, 96, "average", 32),
    "3b": Widths(64, 64, 96, 64, 96, "average", 64),
    "3c": Widths(0, 128, 160, 64, 96, "max", 0),
    "4a": Widths(224, 64, 96, 96, 128, "average", 128),
    "4b": Widths(192, 96, 128, 96, 128, "average", 128),
    "4c": Widths(160, 128, 160, 128, 160, "average", 128),
    "4d": Widths(96, 128, 192, 160, 192, "average", 128),
    "4e": Widths(0, 128, 192, 192, 256, "max", 0),
    "5a": Widths(352, 192, 320, 160, 224, "average", 128),
    "5b": Widths(352, 192, 320, 192, 224, "max", 128),
}


def conv(width: int, kernel: int = 1, stride: int = 1) -> Conv:
    """Convolution, batch norm, ReLU."""
    return Conv(width, kernel, stride, norm=NORM)


def module(w: Widths) -> Branches:
    """A module that keeps the grid, where ``conv1x1`` is not 0; or one that halves it."""
    stride = 1 if w.conv1x1 else 2
    spatial: dict[str, Layers] = {
        "conv3x3": {"reduce": conv(w.reduce3x3), "conv": conv(w.conv3x3, 3, stride)},
        "conv3x3dbl": {
            "reduce": conv(w.reduce3x3dbl),
            "conv1": conv(w.conv3x3dbl, 3),
            "conv2": conv(w.conv3x3dbl, 3, stride),
        },
    }
    if stride == 2:
        return Branches({**spatial, "pool": PASS})
    pool: dict[str, Layers] = {"pool": Pool(w.pool, kernel=3, padding=1), "proj": conv(w.pool_proj)}
    return Branches({"conv1x1": conv(w.conv1x1), **spatial, "pool": pool})


def classifier(**layers: Layers) -> dict[str, Layers]:
    """Global average, further layers, linear layer."""
    head: dict[str, Layers] = {"pool": Pool("average", grid=1), "flatten": Flatten()}
    return {**head, **layers, "logits": Linear(CLASSES)}


BN_INCEPTION = Spec(
    "bn_inception",
    {
        "conv1": conv(64, 7, 2),
        "pool1": HALVE,
        "conv2": {"reduce": conv(64), "conv": conv(192, 3)},
        "pool2": HALVE,
        **{f"inception_{name}": module(w) for name, w in MODULES.items()},
    },
    classifier(),
    preprocessing=Preprocessing(mean=(128.0, 117.0, 104.0), std=(1.0, 1.0, 1.0)),
    departures=(
        "a plain 7x7 conv1, as in Caffe; in the paper it is separable, with a multiplier of 8",
        "4c, 4d and 4e give 608, 608 and 1056 channels, the sums of their printed widths; "
        "the paper prints 576, 576 and 1024",
        "pools of 3c and 4e pad as TensorFlow's same: Caffe's windows on even grids, and odd "
        "ones work",
    ),
)


def _slim() -> Spec:
    def change(layer: Layer) -> Layers:
        if isinstance(layer, Conv):
            return replace(layer, norm=layer.norm and Norm(eps=1e-3))
        if isinstance(layer, Pool) and layer.kind == "average":
            return replace(layer, count_pad=False)
        return layer

    narrow = {f"inception_{n}": module(MODULES[n]._replace(pool_proj=96)) for n in ("4c", "4d")}
    conv1 = separable(64, kernel=7, stride=2, multiplier=8)
    spec = replace(BN_INCEPTION, stages={**BN_INCEPTION.stages, "conv1": conv1, **narrow})
    return replace(
        map_spec(tensorflow_padding(spec), change),
        name="inception_v2_slim",
        classifier=classifier(dropout=Dropout(0.2)),
        preprocessing=Preprocessing(resize="central", mean=(127.5,) * 3, std=(127.5,) * 3),
        departures=(
            "TF-slim's inception_v2: 96 channels of pool projection in 4c and 4d, where the paper "
            "prints 128, for the 576, 576 and 1024 channels that it prints beside them",
            "conv1 is separable, as in the paper, but with biases and no batch norm",
            "batch norm eps 1e-3, TensorFlow's padding, dropout 0.2, which the paper removes",
        ),
    )


INCEPTION_V2_SLIM = _slim()
