"""Inception-v4 (arXiv:1602.07261), as TF-slim released it. Stages have its names, lower-cased."""

from dataclasses import replace

from inception.models.inception_v3 import (
    AUX,
    FRESH,
    HALVE,
    HEAD,
    SLIM_PIXELS,
    SMALL,
    SMALL_PIXELS,
    at_full_size,
    classifier,
    conv,
    double,
    down,
    pooled,
    reduction_a,
    split,
    valid,
)
from inception.models.spec import Branches, Layers, Spec, branches

STEM: dict[str, Layers] = {  # Figure 3
    "conv2d_1a_3x3": down(32),
    "conv2d_2a_3x3": valid(32, 3),
    "conv2d_2b_3x3": conv(64, 3),
    "mixed_3a": branches(pool=HALVE, conv3x3=down(96)),
    "mixed_4a": branches(
        conv3x3={"reduce": conv(64), "conv": valid(96, 3)},
        conv7x7x3={
            "reduce": conv(64),
            "conv1x7": conv(64, (1, 7)),
            "conv7x1": conv(64, (7, 1)),
            "conv3x3": valid(96, 3),
        },
    ),
    "mixed_5a": branches(conv3x3=down(192), pool=HALVE),
}


def module_a() -> Branches:
    """Figure 4: the 35x35 grid."""
    return branches(
        conv1x1=conv(96),
        conv3x3={"reduce": conv(64), "conv": conv(96, 3)},
        conv3x3dbl=double(64, 96, 96),
        pool=pooled(96),
    )


def module_b() -> Branches:
    """Figure 5: the 17x17 grid."""
    return branches(
        conv1x1=conv(384),
        conv7x7={
            "reduce": conv(192),
            "conv1x7": conv(224, (1, 7)),
            "conv7x1": conv(256, (7, 1)),
        },
        conv7x7dbl={
            "reduce": conv(192),
            "conv7x1_1": conv(192, (7, 1)),
            "conv1x7_1": conv(224, (1, 7)),
            "conv7x1_2": conv(224, (7, 1)),
            "conv1x7_2": conv(256, (1, 7)),
        },
        pool=pooled(128),
    )


REDUCTION_B = branches(  # Figure 8: from 17x17 to 8x8
    conv3x3={"reduce": conv(192), "conv": down(192)},
    conv7x7x3={
        "reduce": conv(256),
        "conv1x7": conv(256, (1, 7)),
        "conv7x1": conv(320, (7, 1)),
        "conv3x3": down(320),
    },
    pool=HALVE,
)


def module_c() -> Branches:
    """Figure 6: the 8x8 grid."""
    return branches(
        conv1x1=conv(256),
        conv3x3={"reduce": conv(384), "split": split(256)},
        conv3x3dbl={
            "reduce": conv(384),
            "conv3x1": conv(448, (3, 1)),
            "conv1x3": conv(512, (1, 3)),
            "split": split(256),
        },
        pool=pooled(256),
    )


TRUNK: dict[str, Layers] = {
    **{f"mixed_5{letter}": module_a() for letter in "bcde"},
    "mixed_6a": reduction_a(192, 224, 256, beside=384),
    **{f"mixed_6{letter}": module_b() for letter in "bcdefgh"},
    "mixed_7a": REDUCTION_B,
    **{f"mixed_7{letter}": module_c() for letter in "bcd"},
}

RELEASE = (
    "as TF-slim released it: the order of 1x7 and 7x1 differs from the figures here and there, and "
    "the auxiliary head is its own"
)

INCEPTION_V4 = Spec(
    "inception_v4",
    STEM | TRUNK,
    classifier(0.2),
    aux={"mixed_6h": AUX},
    preprocessing=SLIM_PIXELS,
    departures=(RELEASE, HEAD, FRESH),
)

INCEPTION_V4_SMALL = replace(
    INCEPTION_V4,
    name="inception_v4_small",
    stages=at_full_size(STEM) | TRUNK,
    preprocessing=SMALL_PIXELS,
    departures=(SMALL, RELEASE, FRESH),
)
