"""Inception-ResNet-v1 and -v2 (arXiv:1602.07261): as printed, as released, and for faces.

Stages have TF-slim's names, lower-cased, and its blocks are numbered from 1 throughout.
"""

from collections.abc import Mapping
from dataclasses import replace

from inception.models import inception_v3, inception_v4
from inception.models.inception_v3 import (
    AUX,
    FRESH,
    HALVE,
    HEAD,
    NORM,
    SLIM_PIXELS,
    SMALL,
    SMALL_PIXELS,
    at_full_size,
    classifier,
    conv,
    double,
    down,
    module_a,
    reduction_a,
    valid,
)
from inception.models.spec import (
    CLASSES,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Layers,
    Linear,
    Pool,
    Residual,
    Spec,
    branches,
)
from inception.preprocessing import Preprocessing


def residual(width: int, scale: float, named: Branches) -> Residual:
    """Branches, a 1x1 convolution back to the width, scaled and added."""
    up = Conv(width, activation=None, bias=True)
    return Residual({"branches": named, "up": up}, scale=scale)


def block35(width: int, scale: float, dbl: tuple[int, int]) -> Residual:
    """Figures 10 and 16: two branches beside a 1x1, on the 35x35 grid."""
    named = branches(
        conv1x1=conv(32),
        conv3x3={"reduce": conv(32), "conv": conv(32, 3)},
        conv3x3dbl=double(32, *dbl),
    )
    return residual(width, scale, named)


def block17(width: int, scale: float, conv1x1: int, conv7x7: tuple[int, int, int]) -> Residual:
    """Figures 11 and 17: the 17x17 grid."""
    reduce, first, second = conv7x7
    chain: Mapping[str, Layers] = {
        "reduce": conv(reduce),
        "conv1x7": conv(first, (1, 7)),
        "conv7x1": conv(second, (7, 1)),
    }
    return residual(width, scale, branches(conv1x1=conv(conv1x1), conv7x7=chain))


def block8(width: int, scale: float, conv3x3: tuple[int, int, int]) -> Residual:
    """Figures 13 and 19: the 8x8 grid."""
    reduce, first, second = conv3x3
    chain: Mapping[str, Layers] = {
        "reduce": conv(reduce),
        "conv1x3": conv(first, (1, 3)),
        "conv3x1": conv(second, (3, 1)),
    }
    return residual(width, scale, branches(conv1x1=conv(192), conv3x3=chain))


def reduction_b(first: int, second: int, dbl: tuple[int, int]) -> Branches:
    """Figures 12 and 18: from 17x17 to 8x8."""
    return branches(
        conv3x3_1={"reduce": conv(256), "conv": down(first)},
        conv3x3_2={"reduce": conv(256), "conv": down(second)},
        conv3x3dbl={"reduce": conv(256), "conv1": conv(dbl[0], 3), "conv2": down(dbl[1])},
        pool=HALVE,
    )


def repeated(name: str, block: Residual, times: int) -> dict[str, Layers]:
    """Blocks ``name_1`` to ``name_times``."""
    return {f"{name}_{i}": block for i in range(1, times + 1)}


def last_block8(block: Residual) -> Residual:
    """The release's last block: unscaled, and no activation after it."""
    return replace(block, scale=1.0, activation=None)


STEM_V1: dict[str, Layers] = {  # Figure 14
    "conv2d_1a_3x3": down(32),
    "conv2d_2a_3x3": valid(32, 3),
    "conv2d_2b_3x3": conv(64, 3),
    "maxpool_3a_3x3": HALVE,
    "conv2d_3b_1x1": conv(80),
    "conv2d_4a_3x3": valid(192, 3),
    "conv2d_4b_3x3": down(256),
}


def trunk_v1(scale35: float, scale17: float, scale8: float) -> dict[str, Layers]:
    """Everything after the stem, with a scale for each kind of block."""
    return {
        **repeated("block35", block35(256, scale35, (32, 32)), 5),
        "mixed_6a": reduction_a(192, 192, 256, beside=384),
        **repeated("block17", block17(896, scale17, 128, (128, 128, 128)), 10),
        "mixed_7a": reduction_b(384, 256, (256, 256)),
        **repeated("block8", block8(1792, scale8, (192, 192, 192)), 5),
    }


SCALES = (0.17, 0.10, 0.20)  # of the releases; the paper only says 0.1 to 0.3
SCALED = "residuals are scaled by 0.17, 0.10 and 0.20, as released: the paper says 0.1 to 0.3"

INCEPTION_RESNET_V1 = Spec(
    "inception_resnet_v1",
    STEM_V1 | trunk_v1(*SCALES),
    classifier(0.2),
    preprocessing=SLIM_PIXELS,
    departures=(SCALED, "weights for ImageNet were never published", FRESH),
)

INCEPTION_RESNET_V1_FACENET = Spec(
    "inception_resnet_v1_facenet",
    {
        **STEM_V1,
        **trunk_v1(*SCALES),
        "block8_6": last_block8(block8(1792, 1.0, (192, 192, 192))),
        "embedding": {
            "pool": Pool("average", grid=1),
            "dropout": Dropout(0.6),
            "proj": Conv(512, norm=NORM, activation=None),
        },
    },
    {"flatten": Flatten(), "logits": Linear(CLASSES)},
    num_classes=8631,  # people of VGGFace2
    preprocessing=Preprocessing(
        size=160, resize="squash", crop=1.0, mean=(127.5,) * 3, std=(128.0,) * 3
    ),
    departures=(
        "facenet's form, for faces at 160 px: a sixth block8 without activation, and a 512-wide "
        "embedding before the classifier (`embed` gives it; scale it to length 1 to compare faces)",
        SCALED,
    ),
)

BLOCK35_V2 = (48, 64)
BLOCK17_V2 = (128, 160, 192)
BLOCK8_V2 = (192, 224, 256)

TRUNK_V2: dict[str, Layers] = {
    "mixed_5b": module_a(64, conv1x1=96),
    **repeated("block35", block35(320, 0.17, BLOCK35_V2), 10),
    "mixed_6a": reduction_a(256, 256, 384, beside=384),
    **repeated("block17", block17(1088, 0.10, 192, BLOCK17_V2), 20),
    "mixed_7a": reduction_b(384, 288, (288, 320)),
    **repeated("block8", block8(2080, 0.20, BLOCK8_V2), 9),
    "block8_10": last_block8(block8(2080, 1.0, BLOCK8_V2)),
    "conv2d_7b_1x1": conv(1536),
}

RELEASE = (
    "as TF-slim released it, which everybody uses: Inception-v3's stem, twice the blocks of the "
    "paper at other widths, a last block without activation, a 1x1 convolution to 1536"
)

INCEPTION_RESNET_V2 = Spec(
    "inception_resnet_v2",
    inception_v3.STEM | TRUNK_V2,
    classifier(0.2),
    aux={"block17_20": AUX},
    preprocessing=SLIM_PIXELS,
    departures=(RELEASE, HEAD, FRESH),
)

INCEPTION_RESNET_V2_SMALL = replace(
    INCEPTION_RESNET_V2,
    name="inception_resnet_v2_small",
    stages=at_full_size(inception_v3.STEM) | TRUNK_V2,
    preprocessing=SMALL_PIXELS,
    departures=(SMALL, RELEASE, FRESH),
)

INCEPTION_RESNET_V2_PAPER = Spec(
    "inception_resnet_v2_paper",
    {
        **inception_v4.STEM,
        **repeated("block35", block35(384, 0.17, BLOCK35_V2), 5),
        "mixed_6a": reduction_a(256, 256, 384, beside=384),
        **repeated("block17", block17(1152, 0.10, 192, BLOCK17_V2), 10),
        "mixed_7a": reduction_b(384, 288, (288, 320)),
        **repeated("block8", block8(2144, 0.20, BLOCK8_V2), 5),
    },
    classifier(0.2),
    preprocessing=SLIM_PIXELS,
    departures=(
        SCALED,
        "1152 and 2144 channels where the figures print 1154 and 2048, which do not add up",
        "no weights were released in this form",
        FRESH,
    ),
)
