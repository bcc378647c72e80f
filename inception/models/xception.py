"""Xception (arXiv:1610.02357): Figure 5 as a table. Blocks have Keras' names."""

from collections.abc import Mapping
from dataclasses import replace

from inception.models.inception_v3 import (
    NORM,
    SLIM_PIXELS,
    SMALL_PIXELS,
    classifier,
    conv,
    down,
    valid,
)
from inception.models.spec import (
    Activation,
    Conv,
    Layer,
    Layers,
    Norm,
    Pool,
    Residual,
    Spec,
    map_spec,
    separable,
)

HALVE = Pool("max", kernel=3, stride=2, padding="same")


def sepconv(width: int) -> dict[str, Layers]:
    """Depthwise and pointwise convolution and norm; the activation stands before it."""
    return separable(width, norm=NORM, activation=None)


def two(first: int, second: int) -> dict[str, Layers]:
    """Two separable convolutions, an activation between them."""
    return {"sepconv1": sepconv(first), "relu2": Activation(), "sepconv2": sepconv(second)}


def beside_1x1(body: Mapping[str, Layers], width: int, *, stride: int = 2) -> Residual:
    """Layers beside a 1x1 convolution that follows them in width and stride."""
    shortcut = Conv(width, stride=stride, norm=NORM, activation=None)
    return Residual(body, shortcut=shortcut, activation=None)


def halving_block(first: int, second: int) -> Residual:
    """Two separable convolutions and a pool."""
    return beside_1x1({"relu1": Activation(), **two(first, second), "pool": HALVE}, second)


def middle_block() -> Residual:
    """Three separable convolutions beside the identity."""
    third: dict[str, Layers] = {"relu3": Activation(), "sepconv3": sepconv(728)}
    return Residual({"relu1": Activation(), **two(728, 728), **third}, activation=None)


STAGES: dict[str, Layers] = {
    "block1": {"conv1": down(32), "conv2": valid(64, 3)},
    "block2": beside_1x1({**two(128, 128), "pool": HALVE}, 128),  # block1 ended in an activation
    "block3": halving_block(256, 256),
    "block4": halving_block(728, 728),
    **{f"block{i}": middle_block() for i in range(5, 13)},
    "block13": halving_block(728, 1024),
    "block14": {
        "sepconv1": separable(1536, norm=NORM),
        "sepconv2": separable(2048, norm=NORM),
    },
}

XCEPTION = Spec(
    "xception",
    STAGES,
    classifier(0.5),
    preprocessing=SLIM_PIXELS,
    departures=(
        "as Keras released it: batch norm eps 1e-3; pools pad as TensorFlow's same, which is one "
        "side only in block3 at 299 px",
    ),
)


def _timm() -> Spec:
    def change(layer: Layer) -> Layers:
        if layer == HALVE:
            return replace(HALVE, padding=1)
        if isinstance(layer, Conv) and layer.norm is not None:
            return replace(layer, norm=Norm(eps=1e-5))
        return layer

    return replace(
        map_spec(XCEPTION, change),
        name="xception_timm",
        preprocessing=replace(SLIM_PIXELS, resize="short_side", crop=299 / 333),
        departures=(
            "timm's dialect (legacy_xception): batch norm eps 1e-5, pools pad 1 px on both sides",
        ),
    )


XCEPTION_TIMM = _timm()

XCEPTION_SMALL = replace(
    XCEPTION,
    name="xception_small",
    stages={
        **STAGES,
        "block1": {"conv1": conv(32, 3), "conv2": conv(64, 3)},
        "block2": beside_1x1(two(128, 128), 128, stride=1),
    },
    preprocessing=SMALL_PIXELS,
    departures=(
        "for pictures of 16 to 64 px: block1 and block2 do not halve the grid",
        "batch norm eps 1e-3 and pools that pad as TensorFlow's same, as Keras has them",
    ),
)
