"""Keras' names: Inception-v3, Inception-ResNet-v2, Xception (``.h5``, ``.keras``).

Most of its layers were never named and carry a number, in the order in which they were made. That
is the order of our tables: branch after branch, from the input on.
"""

from collections.abc import Iterable

from inception.weights.importers import slim
from inception.weights.importers.importer import Importer

CONV = {"conv.weight": "kernel", "conv.bias": "bias"}
NORM = {
    "norm.weight": "gamma",
    "norm.bias": "beta",
    "norm.running_mean": "moving_mean",
    "norm.running_var": "moving_variance",
}
LOGITS = {
    "classifier.logits.linear.weight": "predictions/kernel",
    "classifier.logits.linear.bias": "predictions/bias",
}


def layer(ours: str, conv: str, norm: str | None = None) -> dict[str, str]:
    """A convolution and its norm, tensor by tensor."""
    tensors = {f"{ours}.{part}": f"{conv}/{theirs}" for part, theirs in CONV.items()}
    if norm is not None:
        tensors |= {f"{ours}.{part}": f"{norm}/{theirs}" for part, theirs in NORM.items()}
    return tensors


def numbered(layers: Iterable[str]) -> dict[str, str]:
    """Layers that were never named, in the order they were made."""
    tensors: dict[str, str] = {}
    for i, ours in enumerate(layers):
        suffix = f"_{i}" if i else ""
        tensors |= layer(ours, f"conv2d{suffix}", f"batch_normalization{suffix}")
    return tensors


def separable(ours: str, theirs: str) -> dict[str, str]:
    """A separable convolution and its norm."""
    return {
        f"{ours}.depthwise.conv.weight": f"{theirs}/depthwise_kernel",
        f"{ours}.pointwise.conv.weight": f"{theirs}/pointwise_kernel",
        **{f"{ours}.pointwise.{part}": f"{theirs}_bn/{name}" for part, name in NORM.items()},
    }


def trunk(layers: Iterable[str]) -> list[str]:
    """TF-slim's tables have the same convolutions in the same order; Keras has no heads."""
    return [ours for ours in layers if not ours.startswith(("aux.", "classifier."))]


INCEPTION_V3 = numbered(trunk(slim.INCEPTION_V3)) | LOGITS

RESNET = trunk(slim.INCEPTION_RESNET_V2)
INCEPTION_RESNET_V2 = {
    **numbered(ours for ours in RESNET if not ours.endswith((".up", "7b_1x1"))),
    **{
        tensor: name
        for ours in RESNET
        if ours.endswith(".up")
        for tensor, name in layer(ours, f"{ours.split('.')[0]}_conv").items()
    },
    **layer("conv2d_7b_1x1", "conv_7b", "conv_7b_bn"),
    **LOGITS,
}

SEPARABLES = {2: 2, 3: 2, 4: 2, **dict.fromkeys(range(5, 13), 3), 13: 2}  # a block
XCEPTION = {
    **layer("block1.conv1", "block1_conv1", "block1_conv1_bn"),
    **layer("block1.conv2", "block1_conv2", "block1_conv2_bn"),
    **{
        tensor: name
        for block, count in SEPARABLES.items()
        for i in range(1, count + 1)
        for tensor, name in separable(
            f"block{block}.body.sepconv{i}", f"block{block}_sepconv{i}"
        ).items()
    },
    **separable("block14.sepconv1", "block14_sepconv1"),
    **separable("block14.sepconv2", "block14_sepconv2"),
    **numbered(f"block{block}.shortcut" for block in (2, 3, 4, 13)),
    **LOGITS,
}

IMPORTERS = tuple(
    Importer("keras", model, "keras", tensors, {}, layout="tensorflow", ignored=())
    for model, tensors in {
        "inception_v3": INCEPTION_V3,
        "inception_resnet_v2": INCEPTION_RESNET_V2,
        "xception": XCEPTION,
    }.items()
)
