"""GoogLeNet: Table 1 of "Going Deeper with Convolutions" (arXiv:1409.4842) and its variants."""

from dataclasses import replace
from typing import NamedTuple

from inception.models.spec import (
    CLASSES,
    Branches,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Spec,
    branches,
    map_spec,
)
from inception.models.variants import CAFFE_PIXELS, batch_normed
from inception.preprocessing import Preprocessing


class Widths(NamedTuple):
    """The columns of Table 1."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce5x5: int
    conv5x5: int
    pool_proj: int


MODULES = {  # Table 1
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}

# Caffe rounds pooled sizes up: floor gives 55 x 55 after conv1, and published weights expect 56
HALVE = Pool("max", kernel=3, stride=2, ceil=True)
KEEP = Pool("max", kernel=3, padding=1)


def inception_module(w: Widths) -> Branches:
    """Figure 2(b): four branches side by side, their channels concatenated."""
    return branches(
        conv1x1=Conv(w.conv1x1),
        conv3x3={"reduce": Conv(w.reduce3x3), "conv": Conv(w.conv3x3, kernel=3)},
        conv5x5={"reduce": Conv(w.reduce5x5), "conv": Conv(w.conv5x5, kernel=5)},
        pool={"pool": KEEP, "proj": Conv(w.pool_proj)},
    )


def naive_module(w: Widths) -> Branches:
    """Figure 2(a): no reductions and no projection, so the pool branch passes every channel."""
    return branches(
        conv1x1=Conv(w.conv1x1),
        conv3x3=Conv(w.conv3x3, kernel=3),
        conv5x5=Conv(w.conv5x5, kernel=5),
        pool=KEEP,
    )


STEM: dict[str, Layers] = {  # LRN where Figure 3 has it, Caffe's constants: the paper gives none
    "conv1": Conv(64, kernel=7, stride=2),
    "pool1": {"pool": HALVE, "norm": LocalResponseNorm()},
    "conv2": {"reduce": Conv(64), "conv": Conv(192, kernel=3), "norm": LocalResponseNorm()},
    "pool2": HALVE,
}

TRUNK: dict[str, Layers] = {
    "inception_3a": inception_module(MODULES["3a"]),
    "inception_3b": inception_module(MODULES["3b"]),
    "pool3": HALVE,
    "inception_4a": inception_module(MODULES["4a"]),
    "inception_4b": inception_module(MODULES["4b"]),
    "inception_4c": inception_module(MODULES["4c"]),
    "inception_4d": inception_module(MODULES["4d"]),
    "inception_4e": inception_module(MODULES["4e"]),
    "pool4": HALVE,
    "inception_5a": inception_module(MODULES["5a"]),
    "inception_5b": inception_module(MODULES["5b"]),
}

CLASSIFIER: dict[str, Layers] = {
    "pool": Pool("average", grid=1),  # 7x7 at 224 px, so equal there
    "flatten": Flatten(),
    "dropout": Dropout(0.4),
    "logits": Linear(CLASSES),
}


def aux_head(pool: Pool) -> dict[str, Layers]:
    """Section 5's auxiliary classifier: to 4x4, 1x1 convolution, hidden layer, dropout 0.7."""
    return {
        "pool": pool,
        "reduce": Conv(128),
        "flatten": Flatten(),
        "hidden": Linear(1024, activation="relu"),
        "dropout": Dropout(0.7),
        "logits": Linear(CLASSES),
    }


AUX = aux_head(Pool("average", kernel=5, stride=3, grid=4))

CAFFE = (
    "the paper gives no LRN constants, no initialisation and no normalisation: Caffe's are used "
    "(size 5, alpha 1e-4, beta 0.75, k 1; xavier, biases 0.2; pixels 0 to 255 less the mean "
    "123, 117, 104)"
)
ADAPTIVE = "average pools adapt, so that other picture sizes work: equal to the paper's at 224 px"

GOOGLENET = Spec(
    name="googlenet",
    stages=STEM | TRUNK,
    classifier=CLASSIFIER,
    aux={"inception_4a": AUX, "inception_4d": AUX},
    preprocessing=CAFFE_PIXELS,
    initialisation="caffe",
    departures=(CAFFE, ADAPTIVE),
)


GOOGLENET_BN = replace(
    batch_normed(GOOGLENET, Norm(eps=1e-5)),
    name="googlenet_bn",
    departures=(
        "batch norm (eps 1e-5) after every convolution, no convolution biases, no LRN: "
        "trains from scratch without care",
        ADAPTIVE,
    ),
)


def _torchvision() -> Spec:
    spec = batch_normed(GOOGLENET, Norm(eps=1e-3))

    def change(layer: Layer) -> Layers:
        if isinstance(layer, Conv) and layer.kernel == 5:
            return replace(layer, kernel=3)
        return Dropout(0.2) if layer == Dropout(0.4) else layer

    spec = map_spec(spec, change)
    aux = aux_head(Pool("average", grid=4)) | {"reduce": Conv(128, norm=Norm(eps=1e-3))}
    return replace(
        spec,
        name="googlenet_tv",
        stages={**spec.stages, "pool4": Pool("max", kernel=2, stride=2, ceil=True)},
        aux={"inception_4a": aux, "inception_4d": aux},
        departures=(
            "torchvision's dialect: 3x3 where the paper has 5x5, and a 2x2 last max pool",
            "batch norm (eps 1e-3), no convolution biases, no LRN; main dropout 0.2",
            "heads pool adaptively to 4x4 instead of 5x5 windows at stride 3",
        ),
    )


GOOGLENET_TV = _torchvision()


def tensorflow_padding(spec: Spec) -> Spec:
    """The same network with whatever halves the grid padded as TensorFlow's ``SAME``."""

    def change(layer: Layer) -> Layers:
        if isinstance(layer, Pool) and layer.stride == 2:
            return replace(layer, padding="same", ceil=False)
        if isinstance(layer, Conv) and layer.stride == 2:
            return replace(layer, padding="same")
        return layer

    return map_spec(spec, change)


GOOGLENET_SLIM = replace(
    tensorflow_padding(GOOGLENET_TV),
    name="googlenet_slim",
    aux={},
    preprocessing=Preprocessing(resize="central", mean=(127.5,) * 3, std=(127.5,) * 3),
    departures=(
        "TF-slim's inception_v1: 3x3 where the paper has 5x5, a 2x2 last max pool, no heads",
        "batch norm (eps 1e-3), no convolution biases, no LRN; dropout 0.2; TensorFlow's padding",
    ),
)


def _inception5h() -> Spec:
    widths = {"4a": MODULES["4a"]._replace(conv3x3=204), "5a": MODULES["5a"]._replace(reduce5x5=48)}

    def change(layer: Layer) -> Layers:  # TensorFlow's radius 5, alpha 1e-4 each, bias 2
        lrn = LocalResponseNorm(size=11, alpha=11e-4, beta=0.5, k=2.0)
        return lrn if isinstance(layer, LocalResponseNorm) else layer

    modules = {f"inception_{name}": inception_module(w) for name, w in widths.items()}
    spec = replace(GOOGLENET, stages={**GOOGLENET.stages, **modules})
    return replace(
        map_spec(tensorflow_padding(spec), change),
        name="googlenet_5h",
        num_classes=1008,
        preprocessing=Preprocessing(mean=(117.0,) * 3, std=(1.0,) * 3),
        departures=(
            "Google's own network of 2014 (inception5h): 204 channels of 3x3 in 4a and 48 before "
            "the 5x5 in 5a, as Table 1's costs have it; 1008 classes",
            "LRN of size 11, alpha 1.1e-3, beta 0.5, k 2; TensorFlow's padding",
            "initialisation as Caffe's GoogLeNet; average pools adapt",
        ),
    )


GOOGLENET_5H = _inception5h()


def _plain() -> Spec:
    def change(layer: Layer) -> Layers:
        if isinstance(layer, LocalResponseNorm):
            return {}
        if isinstance(layer, Conv):
            return replace(layer, activation=None)
        return Pool("max", kernel=3, stride=2, padding=1) if layer == HALVE else layer

    spec = map_spec(GOOGLENET, change)
    return replace(
        spec,
        name="googlenet_plain",
        stages={**spec.stages, "conv2": Conv(192, kernel=3, activation=None)},
        aux={},
        departures=(
            "as tutorials print it (source document 001): no ReLU, so linear but for the max pools",
            "no LRN, no 1x1 reduction before conv2, no auxiliary heads",
            "max pools pad one pixel and round down: the same sizes, another grid",
            "initialisation and pixels as Caffe's GoogLeNet; average pools adapt",
        ),
    )


GOOGLENET_PLAIN = _plain()

GOOGLENET_NAIVE = replace(
    GOOGLENET,
    name="googlenet_naive",
    stages=STEM
    | {
        stage: naive_module(MODULES[stage.removeprefix("inception_")])
        if stage.startswith("inception")
        else layers
        for stage, layers in TRUNK.items()
    },
    aux={},
    departures=(
        "Figure 2(a)'s modules, without 1x1 reductions or projection, to compare cost; no heads",
        CAFFE,
        ADAPTIVE,
    ),
)

GOOGLENET_SMALL = replace(
    GOOGLENET_BN,
    name="googlenet_small",
    stages={
        "conv1": Conv(64, kernel=3, norm=Norm(eps=1e-5)),
        "conv2": {
            "reduce": Conv(64, norm=Norm(eps=1e-5)),
            "conv": Conv(192, kernel=3, norm=Norm(eps=1e-5)),
        },
        **{stage: GOOGLENET_BN.stages[stage] for stage in TRUNK},
    },
    preprocessing=Preprocessing(size=32),
    departures=(
        "for pictures of 16 to 64 px: conv1 is 3x3 at stride 1 and the first two pools are gone",
        "batch norm (eps 1e-5) after every convolution, no convolution biases, no LRN",
        "average pools adapt, so that other picture sizes work",
    ),
)
