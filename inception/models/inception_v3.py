"""Inception-v3 of "Rethinking the Inception Architecture" (arXiv:1512.00567), and its dialects.

Stages have TF-slim's names, lower-cased. Its later relatives build on the convolutions, pools and
stem of this file.
"""

from dataclasses import replace

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
    Pair,
    Pool,
    Spec,
    branches,
    map_layers,
    map_spec,
)
from inception.preprocessing import Preprocessing

# TF-slim's statistics move by 0.0003 a step, made for millions of steps; torch's 0.1 suits any run
NORM = Norm(eps=1e-3)
HALVE = Pool("max", kernel=3, stride=2)
AVERAGE = Pool("average", kernel=3, padding=1, count_pad=False)  # as TensorFlow averages
SLIM_PIXELS = Preprocessing(size=299, resize="central", mean=(127.5,) * 3, std=(127.5,) * 3)


def conv(width: int, kernel: Pair = 1) -> Conv:
    """A convolution that keeps the grid."""
    return Conv(width, kernel, norm=NORM)


def valid(width: int, kernel: int, *, stride: int = 1) -> Conv:
    """A convolution without padding."""
    return Conv(width, kernel, stride, padding=0, norm=NORM)


def down(width: int) -> Conv:
    """A 3x3 convolution that halves the grid."""
    return valid(width, 3, stride=2)


def double(reduce: int, first: int, second: int) -> dict[str, Layers]:
    """Two 3x3 convolutions for one 5x5."""
    return {"reduce": conv(reduce), "conv1": conv(first, 3), "conv2": conv(second, 3)}


def pooled(width: int, pool: Pool = AVERAGE) -> dict[str, Layers]:
    """The pooling branch of a module that keeps the grid."""
    return {"pool": pool, "proj": conv(width)}


def split(width: int) -> Branches:
    """A 1x3 and a 3x1 convolution side by side: Figure 7's expanded filter bank."""
    return branches(conv1x3=conv(width, (1, 3)), conv3x1=conv(width, (3, 1)))


def classifier(dropout: float) -> dict[str, Layers]:
    """Global average, dropout, linear layer."""
    return {
        "pool": Pool("average", grid=1),
        "flatten": Flatten(),
        "dropout": Dropout(dropout),
        "logits": Linear(CLASSES),
    }


AUX: dict[str, Layers] = {  # on a 17x17 grid; adaptive on others, so that other sizes work
    "pool": Pool("average", kernel=5, stride=3, grid=5),
    "reduce": conv(128),
    "hidden": valid(768, 5),
    "flatten": Flatten(),
    "logits": Linear(CLASSES),
}

STEM: dict[str, Layers] = {
    "conv2d_1a_3x3": down(32),
    "conv2d_2a_3x3": valid(32, 3),
    "conv2d_2b_3x3": conv(64, 3),
    "maxpool_3a_3x3": HALVE,
    "conv2d_3b_1x1": conv(80),
    "conv2d_4a_3x3": valid(192, 3),
    "maxpool_5a_3x3": HALVE,
}


def module_a(pool_proj: int, conv1x1: int = 64) -> Branches:
    """Figure 5, with one 5x5 branch left."""
    return branches(
        conv1x1=conv(conv1x1),
        conv5x5={"reduce": conv(48), "conv": conv(64, 5)},
        conv3x3dbl=double(64, 96, 96),
        pool=pooled(pool_proj),
    )


def module_c(width: int) -> Branches:
    """Figure 6: 7x7 as 1x7 and 7x1, once and twice."""
    return branches(
        conv1x1=conv(192),
        conv7x7={
            "reduce": conv(width),
            "conv1x7": conv(width, (1, 7)),
            "conv7x1": conv(192, (7, 1)),
        },
        conv7x7dbl={
            "reduce": conv(width),
            "conv7x1_1": conv(width, (7, 1)),
            "conv1x7_1": conv(width, (1, 7)),
            "conv7x1_2": conv(width, (7, 1)),
            "conv1x7_2": conv(192, (1, 7)),
        },
        pool=pooled(192),
    )


def module_e(pool: Pool = AVERAGE) -> Branches:
    """Figure 7: the expanded filter bank of the 8x8 grid."""
    return branches(
        conv1x1=conv(320),
        conv3x3={"reduce": conv(384), "split": split(384)},
        conv3x3dbl={"reduce": conv(448), "conv": conv(384, 3), "split": split(384)},
        pool=pooled(192, pool),
    )


def reduction_a(reduce: int, first: int, second: int, beside: int) -> Branches:
    """Figure 10: from 35x35 to 17x17."""
    dbl = {"reduce": conv(reduce), "conv1": conv(first, 3), "conv2": down(second)}
    return branches(conv3x3=down(beside), conv3x3dbl=dbl, pool=HALVE)


REDUCTION_B = branches(  # from 17x17 to 8x8
    conv3x3={"reduce": conv(192), "conv": down(320)},
    conv7x7x3={
        "reduce": conv(192),
        "conv1x7": conv(192, (1, 7)),
        "conv7x1": conv(192, (7, 1)),
        "conv3x3": down(192),
    },
    pool=HALVE,
)

TRUNK: dict[str, Layers] = {
    "mixed_5b": module_a(32),
    "mixed_5c": module_a(64),
    "mixed_5d": module_a(64),
    "mixed_6a": reduction_a(64, 96, 96, beside=384),
    "mixed_6b": module_c(128),
    "mixed_6c": module_c(160),
    "mixed_6d": module_c(160),
    "mixed_6e": module_c(192),
    "mixed_7a": REDUCTION_B,
    "mixed_7b": module_e(),
    "mixed_7c": module_e(),
}

RELEASE = (
    "as TF-slim released it: the stem is not Table 1's, and the whole costs 5.7 G multiply-adds "
    "where the paper prints 4.8 G"
)
FRESH = "fresh weights are He normal: TF-slim cuts the normal off at two deviations"
HEAD = "the head's 5x5 pool adapts where it would not give 5x5 (it does from 299 to 346 px)"

INCEPTION_V3 = Spec(
    "inception_v3",
    STEM | TRUNK,
    classifier(0.2),
    aux={"mixed_6e": AUX},
    preprocessing=SLIM_PIXELS,
    departures=(RELEASE, HEAD, FRESH),
)


def _torchvision() -> Spec:
    def change(layer: Layer) -> Layers:
        return replace(AVERAGE, count_pad=True) if layer == AVERAGE else layer

    spec = map_spec(INCEPTION_V3, change)
    return replace(
        spec,
        name="inception_v3_tv",
        classifier=classifier(0.5),
        # torchvision resizes to 342 px, and takes ImageNet's mean and deviation away again
        preprocessing=replace(SLIM_PIXELS, resize="short_side", crop=299 / 342),
        departures=(
            RELEASE,
            "torchvision's and timm's dialect: average pools count the zeros of the padding; "
            "dropout 0.5",
            HEAD,
            FRESH,
        ),
    )


INCEPTION_V3_TV = _torchvision()

INCEPTION_V3_FID = replace(
    INCEPTION_V3,
    name="inception_v3_fid",
    stages=STEM | TRUNK | {"mixed_7c": module_e(Pool("max", kernel=3, padding=1))},
    aux={},
    num_classes=1008,
    preprocessing=replace(
        SLIM_PIXELS, resize="squash", crop=1.0, mean=(128.0,) * 3, std=(128.0,) * 3
    ),
    departures=(
        RELEASE,
        "the graph of 2015-12-05, on which the Fréchet Inception Distance is defined: "
        "1008 classes, a max pool in mixed_7c, no head",
        FRESH,
    ),
)


def at_full_size(stem: dict[str, Layers]) -> dict[str, Layers]:
    """The stem for small pictures: no pools between stages, and nothing in it halves the grid."""

    def change(layer: Layer) -> Layers:
        if isinstance(layer, Conv):
            return replace(layer, stride=1, padding="half")
        return replace(layer, stride=1, padding=1) if isinstance(layer, Pool) else layer

    kept = {name: layers for name, layers in stem.items() if not isinstance(layers, Pool)}
    return {name: map_layers(layers, change) for name, layers in kept.items()}


SMALL = (
    "for pictures of 16 to 64 px: nothing in the stem halves the grid, and the head's pool adapts"
)
SMALL_PIXELS = replace(SLIM_PIXELS, size=32, resize="short_side")

INCEPTION_V3_SMALL = replace(
    INCEPTION_V3,
    name="inception_v3_small",
    stages=at_full_size(STEM) | TRUNK,
    preprocessing=SMALL_PIXELS,
    departures=(SMALL, FRESH),
)

INCEPTION_V2_RETHINKING = replace(
    INCEPTION_V3,
    name="inception_v2_rethinking",
    stages={
        "conv2d_1a_3x3": down(32),  # Table 1
        "conv2d_2a_3x3": valid(32, 3),
        "conv2d_2b_3x3": conv(64, 3),
        "maxpool_3a_3x3": HALVE,
        "conv2d_3b_3x3": valid(80, 3),
        "conv2d_4a_3x3": down(192),
        "conv2d_4b_3x3": conv(288, 3),
        **{name: layers for name, layers in TRUNK.items() if name != "mixed_5b"},
    },
    aux={},
    departures=(
        "a reconstruction: Table 1 with Inception-v3's modules and widths, since the paper's own "
        "widths were never published and no weights were released",
        "Table 1's 3, 5 and 2 modules are read with the reductions among them; 5.7 G multiply-adds "
        "where the paper prints 3.8 G",
        "no auxiliary head",
        FRESH,
    ),
)
