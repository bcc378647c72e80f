"""TF-slim's names: Inception-v1 to -v4 and Inception-ResNet-v2 (``.ckpt``, 1001 outputs).

Scopes are those of the released checkpoints, with their slips: a 3x3 convolution called 1x1 here,
a number given twice there.
"""

from inception.weights.importers.importer import Importer, within

PARTS = {
    "conv.weight": "/weights",
    "conv.bias": "/biases",
    "linear.weight": "/weights",
    "linear.bias": "/biases",
    "norm.weight": "/BatchNorm/gamma",
    "norm.bias": "/BatchNorm/beta",
    "norm.running_mean": "/BatchNorm/moving_mean",
    "norm.running_var": "/BatchNorm/moving_variance",
}
# what optimisers and averages keep beside the variables
IGNORED = (
    "*/RMSProp",
    "*/RMSProp_1",
    "*/Momentum",
    "*/Adam",
    "*/Adam_1",
    "*/ExponentialMovingAverage",
)


def branch(ours: str, number: int, **layers: str) -> dict[str, str]:
    """A branch's layers by the scopes' endings: ``reduce="0a_1x1"``."""
    scope = f"Branch_{number}/Conv2d_"
    return {f"{ours}.{layer}": scope + ending for layer, ending in layers.items()}


def scopes(ours: str, theirs: str, letters: str, start: str) -> dict[str, str]:
    """Consecutive stages: ``letters`` are ours, theirs go on from ``start``."""
    return {f"{ours}{o}": f"{theirs}{chr(ord(start) + i)}" for i, o in enumerate(letters)}


def prefixed(scope: str, layers: dict[str, str]) -> dict[str, str]:
    """All of a network's scopes under its own."""
    return {ours: f"{scope}/{theirs}" for ours, theirs in layers.items()}


CONV1X1 = {"conv1x1": "Branch_0/Conv2d_0a_1x1"}
CONV3X3 = branch("conv3x3", 1, reduce="0a_1x1", conv="0b_3x3")
DOUBLE = branch("conv3x3dbl", 2, reduce="0a_1x1", conv1="0b_3x3", conv2="0c_3x3")
POOL = branch("pool", 3, proj="0b_1x1")

INCEPTION_V1 = {
    "conv1": "Conv2d_1a_7x7",
    "conv2.reduce": "Conv2d_2b_1x1",
    "conv2.conv": "Conv2d_2c_3x3",
    **within(
        scopes("inception_3", "Mixed_3", "ab", "b")
        | scopes("inception_4", "Mixed_4", "abcde", "b")
        | scopes("inception_5", "Mixed_5", "ab", "b"),
        {
            **CONV1X1,
            **CONV3X3,
            **branch("conv5x5", 2, reduce="0a_1x1", conv="0b_3x3"),
            **POOL,
        },
        "/",
    ),
    "inception_5a.conv5x5.conv": "Mixed_5b/Branch_2/Conv2d_0a_3x3",  # 0a twice
    "classifier.logits": "Logits/Conv2d_0c_1x1",
}

INCEPTION_V2 = {
    "conv1.depthwise.conv.weight": "Conv2d_1a_7x7/depthwise_weights",
    "conv1.pointwise.conv.weight": "Conv2d_1a_7x7/pointwise_weights",
    "conv1.pointwise": "Conv2d_1a_7x7",
    "conv2.reduce": "Conv2d_2b_1x1",
    "conv2.conv": "Conv2d_2c_3x3",
    **within(
        scopes("inception_3", "Mixed_3", "ab", "b")
        | scopes("inception_4", "Mixed_4", "abcd", "b")
        | scopes("inception_5", "Mixed_5", "ab", "b"),
        {**CONV1X1, **CONV3X3, **DOUBLE, **POOL},
        "/",
    ),
    **within(
        {"inception_3c": "Mixed_4a", "inception_4e": "Mixed_5a"},
        {
            **branch("conv3x3", 0, reduce="0a_1x1", conv="1a_3x3"),
            **branch("conv3x3dbl", 1, reduce="0a_1x1", conv1="0b_3x3", conv2="1a_3x3"),
        },
        "/",
    ),
    "classifier.logits": "Logits/Conv2d_1c_1x1",
}

STEM = {f"conv2d_{s}": f"Conv2d_{s}" for s in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")}
CONV7X7 = branch("conv7x7", 1, reduce="0a_1x1", conv1x7="0b_1x7", conv7x1="0c_7x1")
LONG7X7 = branch(
    "conv7x7dbl",
    2,
    reduce="0a_1x1",
    conv7x1_1="0b_7x1",
    conv1x7_1="0c_1x7",
    conv7x1_2="0d_7x1",
    conv1x7_2="0e_1x7",
)
DOWN7X7 = branch(
    "conv7x7x3", 1, reduce="0a_1x1", conv1x7="0b_1x7", conv7x1="0c_7x1", conv3x3="1a_3x3"
)

INCEPTION_V3 = {
    **STEM,
    **within(
        {f"mixed_5{letter}": f"Mixed_5{letter}" for letter in "bcd"},
        {
            **CONV1X1,
            **branch("conv5x5", 1, reduce="0a_1x1", conv="0b_5x5"),
            **DOUBLE,
            **POOL,
        },
        "/",
    ),
    "mixed_5c.conv5x5.reduce": "Mixed_5c/Branch_1/Conv2d_0b_1x1",
    "mixed_5c.conv5x5.conv": "Mixed_5c/Branch_1/Conv_1_0c_5x5",
    "mixed_6a.conv3x3": "Mixed_6a/Branch_0/Conv2d_1a_1x1",  # a 3x3
    **within(
        {"mixed_6a": "Mixed_6a"},
        branch("conv3x3dbl", 1, reduce="0a_1x1", conv1="0b_3x3", conv2="1a_1x1"),  # a 3x3
        "/",
    ),
    **within(
        {f"mixed_6{letter}": f"Mixed_6{letter}" for letter in "bcde"},
        {**CONV1X1, **CONV7X7, **LONG7X7, **POOL},
        "/",
    ),
    **within(
        {"mixed_7a": "Mixed_7a"},
        {**branch("conv3x3", 0, reduce="0a_1x1", conv="1a_3x3"), **DOWN7X7},
        "/",
    ),
    **within(
        {f"mixed_7{letter}": f"Mixed_7{letter}" for letter in "bc"},
        {
            **CONV1X1,
            "conv3x3.reduce": "Branch_1/Conv2d_0a_1x1",
            "conv3x3.split.conv1x3": "Branch_1/Conv2d_0b_1x3",
            "conv3x3.split.conv3x1": "Branch_1/Conv2d_0c_3x1",
            "conv3x3dbl.reduce": "Branch_2/Conv2d_0a_1x1",
            "conv3x3dbl.conv": "Branch_2/Conv2d_0b_3x3",
            "conv3x3dbl.split.conv1x3": "Branch_2/Conv2d_0c_1x3",
            "conv3x3dbl.split.conv3x1": "Branch_2/Conv2d_0d_3x1",
            **POOL,
        },
        "/",
    ),
    "mixed_7b.conv3x3.split.conv3x1": "Mixed_7b/Branch_1/Conv2d_0b_3x1",  # 0b twice
    **within(
        {"aux.mixed_6e": "AuxLogits"},
        {"reduce": "Conv2d_1b_1x1", "hidden": "Conv2d_2a_5x5", "logits": "Conv2d_2b_1x1"},
        "/",
    ),
    "classifier.logits": "Logits/Conv2d_1c_1x1",
}

INCEPTION_V4 = {
    **{f"conv2d_{s}": f"Conv2d_{s}" for s in ("1a_3x3", "2a_3x3", "2b_3x3")},
    "mixed_3a.conv3x3": "Mixed_3a/Branch_1/Conv2d_0a_3x3",
    **within(
        {"mixed_4a": "Mixed_4a"},
        {**branch("conv3x3", 0, reduce="0a_1x1", conv="1a_3x3"), **DOWN7X7},
        "/",
    ),
    "mixed_5a.conv3x3": "Mixed_5a/Branch_0/Conv2d_1a_3x3",
    **within(
        {f"mixed_5{letter}": f"Mixed_5{letter}" for letter in "bcde"},
        {**CONV1X1, **CONV3X3, **DOUBLE, **POOL},
        "/",
    ),
    "mixed_6a.conv3x3": "Mixed_6a/Branch_0/Conv2d_1a_3x3",
    **within(
        {"mixed_6a": "Mixed_6a"},
        branch("conv3x3dbl", 1, reduce="0a_1x1", conv1="0b_3x3", conv2="1a_3x3"),
        "/",
    ),
    **within(
        {f"mixed_6{letter}": f"Mixed_6{letter}" for letter in "bcdefgh"},
        {**CONV1X1, **CONV7X7, **LONG7X7, **POOL},
        "/",
    ),
    **within(
        {"mixed_7a": "Mixed_7a"},
        {**branch("conv3x3", 0, reduce="0a_1x1", conv="1a_3x3"), **DOWN7X7},
        "/",
    ),
    **within(
        {f"mixed_7{letter}": f"Mixed_7{letter}" for letter in "bcd"},
        {
            **CONV1X1,
            "conv3x3.reduce": "Branch_1/Conv2d_0a_1x1",
            "conv3x3.split.conv1x3": "Branch_1/Conv2d_0b_1x3",
            "conv3x3.split.conv3x1": "Branch_1/Conv2d_0c_3x1",
            "conv3x3dbl.reduce": "Branch_2/Conv2d_0a_1x1",
            "conv3x3dbl.conv3x1": "Branch_2/Conv2d_0b_3x1",
            "conv3x3dbl.conv1x3": "Branch_2/Conv2d_0c_1x3",
            "conv3x3dbl.split.conv1x3": "Branch_2/Conv2d_0d_1x3",
            "conv3x3dbl.split.conv3x1": "Branch_2/Conv2d_0e_3x1",
            **POOL,
        },
        "/",
    ),
    **within(
        {"aux.mixed_6h": "AuxLogits"},
        {"reduce": "Conv2d_1b_1x1", "hidden": "Conv2d_2a", "logits": "Aux_logits"},
        "/",
    ),
    "classifier.logits": "Logits/Logits",
}

BARE1X1 = {"body.branches.conv1x1": "Branch_0/Conv2d_1x1", "body.up": "Conv2d_1x1"}


def repeated(name: str, scope: str, count: int) -> dict[str, str]:
    """Blocks of one kind; both sides number from 1."""
    return {f"{name}_{i}": f"{scope}/{name}_{i}" for i in range(1, count + 1)}


INCEPTION_RESNET_V2 = {
    **STEM,
    **within(
        {"mixed_5b": "Mixed_5b"},
        {
            "conv1x1": "Branch_0/Conv2d_1x1",
            **branch("conv5x5", 1, reduce="0a_1x1", conv="0b_5x5"),
            **DOUBLE,
            **POOL,
        },
        "/",
    ),
    **within(
        repeated("block35", "Repeat", 10),
        {
            **BARE1X1,
            **branch("body.branches.conv3x3", 1, reduce="0a_1x1", conv="0b_3x3"),
            **branch(
                "body.branches.conv3x3dbl", 2, reduce="0a_1x1", conv1="0b_3x3", conv2="0c_3x3"
            ),
        },
        "/",
    ),
    "mixed_6a.conv3x3": "Mixed_6a/Branch_0/Conv2d_1a_3x3",
    **within(
        {"mixed_6a": "Mixed_6a"},
        branch("conv3x3dbl", 1, reduce="0a_1x1", conv1="0b_3x3", conv2="1a_3x3"),
        "/",
    ),
    **within(
        repeated("block17", "Repeat_1", 20),
        {
            **BARE1X1,
            **branch(
                "body.branches.conv7x7", 1, reduce="0a_1x1", conv1x7="0b_1x7", conv7x1="0c_7x1"
            ),
        },
        "/",
    ),
    **within(
        {"mixed_7a": "Mixed_7a"},
        {
            **branch("conv3x3_1", 0, reduce="0a_1x1", conv="1a_3x3"),
            **branch("conv3x3_2", 1, reduce="0a_1x1", conv="1a_3x3"),
            **branch("conv3x3dbl", 2, reduce="0a_1x1", conv1="0b_3x3", conv2="1a_3x3"),
        },
        "/",
    ),
    **within(
        repeated("block8", "Repeat_2", 9) | {"block8_10": "Block8"},
        {
            **BARE1X1,
            **branch(
                "body.branches.conv3x3", 1, reduce="0a_1x1", conv1x3="0b_1x3", conv3x1="0c_3x1"
            ),
        },
        "/",
    ),
    "conv2d_7b_1x1": "Conv2d_7b_1x1",
    **within(
        {"aux.block17_20": "AuxLogits"},
        {"reduce": "Conv2d_1b_1x1", "hidden": "Conv2d_2a_5x5", "logits": "Logits"},
        "/",
    ),
    "classifier.logits": "Logits/Logits",
}


def _importer(model: str, scope: str, layers: dict[str, str]) -> Importer:
    return Importer(
        "slim",
        model,
        "checkpoint",
        prefixed(scope, layers),
        PARTS,
        layout="tensorflow",
        ignored=IGNORED,
        background=1,
    )


IMPORTERS = (
    _importer("googlenet_slim", "InceptionV1", INCEPTION_V1),
    _importer("inception_v2_slim", "InceptionV2", INCEPTION_V2),
    _importer("inception_v3", "InceptionV3", INCEPTION_V3),
    _importer("inception_v4", "InceptionV4", INCEPTION_V4),
    _importer("inception_resnet_v2", "InceptionResnetV2", INCEPTION_RESNET_V2),
)
