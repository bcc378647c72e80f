"""timm's names: Inception-v3 and -v4, Inception-ResNet-v2, Xception, VGG; and Cadene's, its source.

facenet-pytorch's Inception-ResNet-v1 is named after them, and pytorch-fid's Inception-v3 after
torchvision's.
"""

from dataclasses import replace

from inception.models.bn_inception import MODULES
from inception.models.inception_v3 import SLIM_PIXELS
from inception.preprocessing import Preprocessing
from inception.weights.importers import torchvision
from inception.weights.importers.importer import Importer, within

CHAIN3 = ("reduce", "conv1", "conv2")  # of a branch of two 3x3 convolutions
LONG5 = ("reduce", "conv7x1_1", "conv1x7_1", "conv7x1_2", "conv1x7_2")


def chain(ours: str, theirs: str, *layers: str) -> dict[str, str]:
    """The layers of a branch, which they number."""
    return {f"{ours}.{layer}": f"{theirs}.{i}" for i, layer in enumerate(layers)}


def blocks(ours: str, theirs: str, count: int) -> dict[str, str]:
    """Repeated blocks: we number from 1, they from 0."""
    return {f"{ours}_{i + 1}": f"{theirs}.{i}" for i in range(count)}


SPLIT = {"split.conv1x3": "a", "split.conv3x1": "b"}
INCEPTION_V4 = {
    "conv2d_1a_3x3": "features.0",
    "conv2d_2a_3x3": "features.1",
    "conv2d_2b_3x3": "features.2",
    "mixed_3a.conv3x3": "features.3.conv",
    **chain("mixed_4a.conv3x3", "features.4.branch0", "reduce", "conv"),
    **chain("mixed_4a.conv7x7x3", "features.4.branch1", "reduce", "conv1x7", "conv7x1", "conv3x3"),
    "mixed_5a.conv3x3": "features.5.conv",
    **within(
        {f"mixed_5{letter}": f"features.{6 + i}" for i, letter in enumerate("bcde")},
        {
            "conv1x1": "branch0",
            **chain("conv3x3", "branch1", "reduce", "conv"),
            **chain("conv3x3dbl", "branch2", *CHAIN3),
            "pool.proj": "branch3.1",
        },
    ),
    "mixed_6a.conv3x3": "features.10.branch0",
    **chain("mixed_6a.conv3x3dbl", "features.10.branch1", *CHAIN3),
    **within(
        {f"mixed_6{letter}": f"features.{11 + i}" for i, letter in enumerate("bcdefgh")},
        {
            "conv1x1": "branch0",
            **chain("conv7x7", "branch1", "reduce", "conv1x7", "conv7x1"),
            **chain("conv7x7dbl", "branch2", *LONG5),
            "pool.proj": "branch3.1",
        },
    ),
    **chain("mixed_7a.conv3x3", "features.18.branch0", "reduce", "conv"),
    **chain("mixed_7a.conv7x7x3", "features.18.branch1", "reduce", "conv1x7", "conv7x1", "conv3x3"),
    **within(
        {f"mixed_7{letter}": f"features.{19 + i}" for i, letter in enumerate("bcd")},
        {
            "conv1x1": "branch0",
            "conv3x3.reduce": "branch1_0",
            **{f"conv3x3.{ours}": f"branch1_1{theirs}" for ours, theirs in SPLIT.items()},
            "conv3x3dbl.reduce": "branch2_0",
            "conv3x3dbl.conv3x1": "branch2_1",
            "conv3x3dbl.conv1x3": "branch2_2",
            **{f"conv3x3dbl.{ours}": f"branch2_3{theirs}" for ours, theirs in SPLIT.items()},
            "pool.proj": "branch3.1",
        },
    ),
    "classifier.logits": "last_linear",
}

UP = {"body.up.conv": "conv2d"}  # a bare convolution with a bias
BLOCK35 = {
    "body.branches.conv1x1": "branch0",
    **chain("body.branches.conv3x3", "branch1", "reduce", "conv"),
    **chain("body.branches.conv3x3dbl", "branch2", *CHAIN3),
    **UP,
}
BLOCK17 = {
    "body.branches.conv1x1": "branch0",
    **chain("body.branches.conv7x7", "branch1", "reduce", "conv1x7", "conv7x1"),
    **UP,
}
BLOCK8 = {
    "body.branches.conv1x1": "branch0",
    **chain("body.branches.conv3x3", "branch1", "reduce", "conv1x3", "conv3x1"),
    **UP,
}
REDUCTION_A = {"mixed_6a.conv3x3": "mixed_6a.branch0"} | chain(
    "mixed_6a.conv3x3dbl", "mixed_6a.branch1", *CHAIN3
)
REDUCTION_B = {
    **chain("mixed_7a.conv3x3_1", "mixed_7a.branch0", "reduce", "conv"),
    **chain("mixed_7a.conv3x3_2", "mixed_7a.branch1", "reduce", "conv"),
    **chain("mixed_7a.conv3x3dbl", "mixed_7a.branch2", *CHAIN3),
}
STEM_RESNET = {
    "conv2d_1a_3x3": "conv2d_1a",
    "conv2d_2a_3x3": "conv2d_2a",
    "conv2d_2b_3x3": "conv2d_2b",
    "conv2d_3b_1x1": "conv2d_3b",
    "conv2d_4a_3x3": "conv2d_4a",
}
INCEPTION_RESNET_V2 = {
    **STEM_RESNET,
    "mixed_5b.conv1x1": "mixed_5b.branch0",
    **chain("mixed_5b.conv5x5", "mixed_5b.branch1", "reduce", "conv"),
    **chain("mixed_5b.conv3x3dbl", "mixed_5b.branch2", *CHAIN3),
    "mixed_5b.pool.proj": "mixed_5b.branch3.1",
    **within(blocks("block35", "repeat", 10), BLOCK35),
    **REDUCTION_A,
    **within(blocks("block17", "repeat_1", 20), BLOCK17),
    **REDUCTION_B,
    **within(blocks("block8", "repeat_2", 9) | {"block8_10": "block8"}, BLOCK8),
    "conv2d_7b_1x1": "conv2d_7b",
    "classifier.logits": "classif",
}
FACENET = {
    **STEM_RESNET,
    "conv2d_4b_3x3": "conv2d_4b",
    **within(blocks("block35", "repeat_1", 5), BLOCK35),
    **REDUCTION_A,
    **within(blocks("block17", "repeat_2", 10), BLOCK17),
    **REDUCTION_B,
    **within(blocks("block8", "repeat_3", 5) | {"block8_6": "block8"}, BLOCK8),
    "embedding.proj.conv": "last_linear",
    "embedding.proj.norm": "last_bn",
    "classifier.logits": "logits",
}


def separable(ours: str, theirs: str, norm: str) -> dict[str, str]:
    """A depthwise and a pointwise convolution, and the norm that follows them."""
    return {
        f"{ours}.depthwise.conv": f"{theirs}.conv1",
        f"{ours}.pointwise.conv": f"{theirs}.pointwise",
        f"{ours}.pointwise.norm": norm,
    }


def xception_block(number: int, separables: int, *, first: int, shortcut: bool) -> dict[str, str]:
    """One of our blocks, which they number from 1 less; ``first`` is the place of its layers."""
    ours, theirs = f"block{number}", f"block{number - 1}"
    layers: dict[str, str] = {}
    for i in range(separables):
        place = first + 3 * i  # activation, separable convolution and norm in turn
        rep = f"{theirs}.rep."
        layers |= separable(f"{ours}.body.sepconv{i + 1}", f"{rep}{place}", f"{rep}{place + 1}")
    if shortcut:
        layers |= {f"{ours}.shortcut.conv": f"{theirs}.skip"}
        layers |= {f"{ours}.shortcut.norm": f"{theirs}.skipbn"}
    return layers


XCEPTION = {
    "block1.conv1.conv": "conv1",
    "block1.conv1.norm": "bn1",
    "block1.conv2.conv": "conv2",
    "block1.conv2.norm": "bn2",
    **xception_block(2, 2, first=0, shortcut=True),
    **xception_block(3, 2, first=1, shortcut=True),
    **xception_block(4, 2, first=1, shortcut=True),
    **{
        ours: theirs
        for number in range(5, 13)
        for ours, theirs in xception_block(number, 3, first=1, shortcut=False).items()
    },
    **xception_block(13, 2, first=1, shortcut=True),
    **separable("block14.sepconv1", "conv3", "bn3"),
    **separable("block14.sepconv2", "conv4", "bn4"),
    "classifier.logits": "fc",
}
VGG_CLASSIFIER = {
    "classifier.fc6": "pre_logits.fc1",  # as a 7x7 convolution
    "classifier.fc7": "pre_logits.fc2",
    "classifier.logits": "head.fc",
}
CADENE_RESNET_V2 = {**INCEPTION_RESNET_V2, "classifier.logits": "last_linear"}

CADENE_PARTS = {
    **{f"conv.{value}": f".{value}" for value in ("weight", "bias")},
    **{f"norm.{v}": f"_bn.{v}" for v in ("weight", "bias", "running_mean", "running_var")},
    **{f"linear.{value}": f".{value}" for value in ("weight", "bias")},
}
BN_INCEPTION = {
    "conv1": "conv1_7x7_s2",
    "conv2.reduce": "conv2_3x3_reduce",
    "conv2.conv": "conv2_3x3",
    **within(
        {f"inception_{m}": f"inception_{m}" for m in MODULES},
        {
            "conv1x1": "1x1",
            "conv3x3.reduce": "3x3_reduce",
            "conv3x3.conv": "3x3",
            "conv3x3dbl.reduce": "double_3x3_reduce",
            "conv3x3dbl.conv1": "double_3x3_1",
            "conv3x3dbl.conv2": "double_3x3_2",
            "pool.proj": "pool_proj",
        },
        "_",
    ),
    "classifier.logits": "last_linear",
}

CROP_875 = 299 / 341  # timm, and Cadene's before it, round 299 / 0.875 down
TIMM_PIXELS = replace(SLIM_PIXELS, resize="short_side", interpolation="bicubic", crop=CROP_875)
CROP_8975 = replace(TIMM_PIXELS, crop=0.8975)
CADENE_PIXELS = replace(TIMM_PIXELS, interpolation="bilinear")
GLUON_PIXELS = Preprocessing(299, interpolation="bicubic", crop=CROP_875)
CAFFE_PIXELS = Preprocessing(channel_order="bgr", mean=(104.0, 117.0, 128.0), std=(1.0,) * 3)

IMPORTERS = (
    Importer(
        "timm", "inception_v3_tv", "torch", torchvision.INCEPTION_V3, preprocessing=TIMM_PIXELS
    ),
    Importer(
        "gluon", "inception_v3_tv", "torch", torchvision.INCEPTION_V3, preprocessing=GLUON_PIXELS
    ),
    Importer(
        "timm", "inception_v4", "torch", INCEPTION_V4, preprocessing=TIMM_PIXELS, background=1
    ),  # timm's own file has 1000 outputs, Cadene's of the same names 1001
    Importer(
        "cadene",
        "inception_v4",
        "torch",
        INCEPTION_V4,
        preprocessing=CADENE_PIXELS,
        background=1,
    ),
    Importer("timm", "inception_resnet_v2", "torch", INCEPTION_RESNET_V2, preprocessing=CROP_8975),
    Importer(
        "cadene",
        "inception_resnet_v2",
        "torch",
        CADENE_RESNET_V2,
        preprocessing=replace(CADENE_PIXELS, crop=0.8975),
        background=1,
    ),
    Importer("timm", "xception_timm", "torch", XCEPTION, preprocessing=CROP_8975),
    *(
        Importer("timm", name, "torch", layers | VGG_CLASSIFIER)
        for name, layers in torchvision.VGGS.items()
    ),
    Importer(
        "cadene", "bn_inception", "torch", BN_INCEPTION, CADENE_PARTS, preprocessing=CAFFE_PIXELS
    ),
    Importer("facenet", "inception_resnet_v1_facenet", "torch", FACENET),
    Importer(
        "fid",
        "inception_v3_fid",
        "torch",
        torchvision.INCEPTION_V3,
        background=1,
        own_order=True,
    ),
)
