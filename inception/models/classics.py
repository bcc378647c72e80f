"""The networks GoogLeNet is compared with: LeNet-5, AlexNet, Network in Network, VGG."""

from dataclasses import replace

from inception.models.spec import (
    CLASSES,
    Conv,
    Dropout,
    Flatten,
    Layers,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Spec,
)
from inception.preprocessing import Preprocessing

# RGB, 0 to 255, less Caffe's mean, as for its GoogLeNet
CAFFE_PIXELS = Preprocessing(mean=(123.0, 117.0, 104.0), std=(1.0, 1.0, 1.0))
GLOBAL_AVERAGE = Pool("average", grid=1)
HALVE = Pool("max", kernel=3, stride=2, ceil=True)
HALVE_VGG = Pool("max", kernel=2, stride=2)
AVERAGE_2X2 = Pool("average", kernel=2, stride=2)


def hidden(grid: int, *, dropout_first: bool = False) -> dict[str, Layers]:
    """Two hidden layers of 4096 with dropout, and the logits, on a grid of fixed side."""
    front: dict[str, Layers] = {"dropout5": Dropout(0.5)} if dropout_first else {}
    last: dict[str, Layers] = {} if dropout_first else {"dropout7": Dropout(0.5)}
    return {
        "pool": Pool("average", grid=grid),  # nothing to do at the own size; lets others in
        "flatten": Flatten(),
        **front,
        "fc6": Linear(4096, activation="relu"),
        "dropout6": Dropout(0.5),
        "fc7": Linear(4096, activation="relu"),
        **last,
        "logits": Linear(CLASSES),
    }


LENET5 = Spec(  # "Gradient-Based Learning Applied to Document Recognition", 1998
    "lenet5",
    {
        "c1": Conv(6, kernel=5, padding=0, activation="tanh"),
        "s2": AVERAGE_2X2,
        "c3": Conv(16, kernel=5, padding=0, activation="tanh"),
        "s4": AVERAGE_2X2,
        "c5": Conv(120, kernel=5, padding=0, activation="tanh"),
    },
    {
        "pool": GLOBAL_AVERAGE,
        "flatten": Flatten(),
        "f6": Linear(84, activation="tanh"),
        "logits": Linear(CLASSES),
    },
    num_classes=10,
    in_channels=1,
    # the paper's -0.1 for the background and 1.175 for ink, with MNIST's white ink on black
    preprocessing=Preprocessing(
        size=32, crop=1.0, channel_order="grey", mean=(20.0,), std=(200.0,)
    ),
    initialisation="lecun",
    departures=(
        "the modern form: c3 sees all maps, s2 and s4 have no weights, linear logits instead of "
        "Gaussian connections, plain tanh",
        "pictures are scaled to 32 px, where the paper frames 28 px",
    ),
)

LRN = LocalResponseNorm(alpha=5e-4, k=2.0)  # the paper's 1e-4 is for each of its 5 channels

ALEXNET = Spec(  # "ImageNet Classification with Deep Convolutional Neural Networks", 2012
    "alexnet",
    {
        "conv1": {"conv": Conv(96, kernel=11, stride=4, padding=0), "norm": LRN},
        "pool1": HALVE,
        "conv2": {"conv": Conv(256, kernel=5, groups=2), "norm": LRN},
        "pool2": HALVE,
        "conv3": Conv(384, kernel=3),
        "conv4": Conv(384, kernel=3, groups=2),
        "conv5": Conv(256, kernel=3, groups=2),
        "pool5": HALVE,
    },
    hidden(grid=6),
    preprocessing=replace(CAFFE_PIXELS, size=227, resize="squash", crop=227 / 256),
    initialisation="alexnet",
    departures=(
        "pictures of 227 px: the paper says 224, which does not give its 55x55 grid",
        "pixels 0 to 255 less the mean 123, 117, 104, where the paper subtracts the mean picture",
        "an adaptive 6x6 average pool before the linear layers: nothing at 227 px",
    ),
)

ALEXNET_TV = Spec(  # arXiv:1404.5997, in part
    "alexnet_tv",
    {
        "conv1": Conv(64, kernel=11, stride=4, padding=2),
        "pool1": Pool("max", kernel=3, stride=2),
        "conv2": Conv(192, kernel=5),
        "pool2": Pool("max", kernel=3, stride=2),
        "conv3": Conv(384, kernel=3),
        "conv4": Conv(256, kernel=3),
        "conv5": Conv(256, kernel=3),
        "pool5": Pool("max", kernel=3, stride=2),
    },
    hidden(grid=6, dropout_first=True),
    departures=(
        "torchvision's AlexNet, after arXiv:1404.5997: no LRN, no groups, 64 and 192 channels in "
        "conv1 and conv2",
        "an adaptive 6x6 average pool before the linear layers: nothing at 224 px",
    ),
)


def mlpconv(width: int, kernel: int, *widths: int, stride: int = 1, valid: bool = False) -> Layers:
    """A convolution and two 1x1 convolutions after it: a small network at every place."""
    first = Conv(width, kernel, stride, padding=0 if valid else "half")
    return {"conv": first, "conv1x1_1": Conv(widths[0]), "conv1x1_2": Conv(widths[1])}


MAPS: dict[str, Layers] = {  # a map a class, averaged: no linear layer
    "logits": Conv(CLASSES),
    "pool": GLOBAL_AVERAGE,
    "flatten": Flatten(),
}

NIN = Spec(  # arXiv:1312.4400
    "nin",
    {
        "conv1": mlpconv(96, 11, 96, 96, stride=4, valid=True),
        "pool1": HALVE,
        "conv2": mlpconv(256, 5, 256, 256),
        "pool2": HALVE,
        "conv3": mlpconv(384, 3, 384, 384),
        "pool3": {"pool": HALVE, "dropout": Dropout(0.5)},
        "conv4": {"conv": Conv(1024, kernel=3), "conv1x1": Conv(1024)},
    },
    MAPS,
    departures=(
        "the four-layer form for ImageNet that Caffe's model zoo holds; the paper prints none",
        "pixels by ImageNet's mean and deviation, where Caffe's form takes them less their mean",
    ),
)

NIN_SMALL = Spec(
    "nin_small",
    {
        "conv1": mlpconv(192, 5, 160, 96),
        "pool1": {"pool": HALVE, "dropout": Dropout(0.5)},
        "conv2": mlpconv(192, 5, 192, 192),
        "pool2": {"pool": replace(HALVE, kind="average"), "dropout": Dropout(0.5)},
        "conv3": {"conv": Conv(192, kernel=3), "conv1x1": Conv(192)},
    },
    MAPS | {"logits": Conv(CLASSES, activation=None)},
    num_classes=10,
    preprocessing=Preprocessing(size=32),
    departures=(
        "the form for CIFAR-10 of Caffe's model zoo; its average pool adapts, 8x8 at 32 px",
        "pixels by ImageNet's mean and deviation, where the paper whitens them",
        "no ReLU on the class maps: where all of one class are negative, none would learn again",
    ),
)

VGG_WIDTHS = (64, 128, 256, 512, 512)


def vgg(name: str, depths: tuple[int, ...], norm: Norm | None = None) -> Spec:
    """3x3 convolutions throughout, a 2x2 max pool after each stage, three linear layers."""
    stages: dict[str, Layers] = {}
    for n, (depth, width) in enumerate(zip(depths, VGG_WIDTHS, strict=True), start=1):
        conv = Conv(width, kernel=3, norm=norm, bias=True)
        stages[f"conv{n}"] = {f"conv{n}_{i}": conv for i in range(1, depth + 1)}
        stages[f"pool{n}"] = HALVE_VGG
    departures = [
        "an adaptive 7x7 average pool before the linear layers: nothing at 224 px",
        "fresh weights are He normal, where the paper starts from its shallower networks",
    ]
    if norm is not None:
        departures.append("batch norm (eps 1e-5) after every convolution, whose bias stays")
    return Spec(name, stages, hidden(grid=7), departures=tuple(departures))


VGG16_DEPTHS = (2, 2, 3, 3, 3)  # convolutions a stage: columns D and E of table 1, arXiv:1409.1556
VGG19_DEPTHS = (2, 2, 4, 4, 4)

VGG16 = vgg("vgg16", VGG16_DEPTHS)
VGG16_BN = vgg("vgg16_bn", VGG16_DEPTHS, Norm(eps=1e-5))
VGG19 = vgg("vgg19", VGG19_DEPTHS)
VGG19_BN = vgg("vgg19_bn", VGG19_DEPTHS, Norm(eps=1e-5))
