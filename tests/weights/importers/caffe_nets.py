"""BVLC's GoogLeNet and AlexNet as their published prototxt names them, with random weights.

Names, kernels and strides are those of models/bvlc_googlenet and models/bvlc_alexnet in BVLC/caffe;
the text is written here, for OpenCV to run, and so is the binary file, field by field.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from foreign import message, varint

Blobs = dict[str, list[np.ndarray]]


@dataclass
class CaffeNet:
    """A prototxt that grows layer by layer, and random blobs for the layers that take some."""

    size: int
    layers: list[str] = field(default_factory=list)
    blobs: Blobs = field(default_factory=dict)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def add(self, name: str, kind: str, bottoms: list[str], options: str = "") -> str:
        ins = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        self.layers.append(
            f'layer {{ name: "{name}" type: "{kind}" {ins} top: "{name}" {options} }}'
        )
        return name

    def conv(
        self, name: str, x: str, ins: int, out: int, kernel: int = 1, groups: int = 1, **rest: int
    ) -> str:
        shape = (out, ins // groups, kernel, kernel)
        self.blobs[name] = [self.weights(shape), self.weights((out,))]
        options = " ".join(f"{key}: {value}" for key, value in rest.items())
        options = f"num_output: {out} kernel_size: {kernel} group: {groups} {options}"
        self.add(name, "Convolution", [x], f"convolution_param {{ {options} }}")
        return self.add(f"{name}/relu", "ReLU", [name])

    def linear(self, name: str, x: str, ins: int, out: int, *, relu: bool = False) -> str:
        self.blobs[name] = [self.weights((out, ins)), self.weights((out,))]
        self.add(name, "InnerProduct", [x], f"inner_product_param {{ num_output: {out} }}")
        return self.add(f"{name}/relu", "ReLU", [name]) if relu else name

    def pool(
        self, name: str, x: str, kernel: int, stride: int, *, kind: str = "MAX", pad: int = 0
    ) -> str:
        options = f"pool: {kind} kernel_size: {kernel} stride: {stride} pad: {pad}"
        return self.add(name, "Pooling", [x], f"pooling_param {{ {options} }}")

    def norm(self, name: str, x: str) -> str:
        return self.add(name, "LRN", [x], "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def weights(self, shape: tuple[int, ...]) -> np.ndarray:
        fan_in = int(np.prod(shape[1:]))
        drawn = self.random.standard_normal(shape, dtype=np.float32)
        return drawn * np.float32(np.sqrt(2 / fan_in) if len(shape) > 1 else 0.1)

    @property
    def prototxt(self) -> str:
        size = self.size
        head = f'input: "data" input_shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }}'
        return "\n".join([head, *self.layers])


MODULES = {  # number of inputs, then Table 1's columns
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


def googlenet(classes: int, *, heads: bool = False) -> CaffeNet:
    net = CaffeNet(224)
    x = net.conv("conv1/7x7_s2", "data", 3, 64, 7, stride=2, pad=3)
    x = net.norm("pool1/norm1", net.pool("pool1/3x3_s2", x, 3, 2))
    x = net.conv("conv2/3x3_reduce", x, 64, 64)
    x = net.norm("conv2/norm2", net.conv("conv2/3x3", x, 64, 192, 3, pad=1))
    x = net.pool("pool2/3x3_s2", x, 3, 2)
    for module, (ins, one, reduce3, three, reduce5, five, proj) in MODULES.items():
        name = f"inception_{module}"
        branches = [
            net.conv(f"{name}/1x1", x, ins, one),
            net.conv(
                f"{name}/3x3",
                net.conv(f"{name}/3x3_reduce", x, ins, reduce3),
                reduce3,
                three,
                3,
                pad=1,
            ),
            net.conv(
                f"{name}/5x5",
                net.conv(f"{name}/5x5_reduce", x, ins, reduce5),
                reduce5,
                five,
                5,
                pad=2,
            ),
            net.conv(f"{name}/pool_proj", net.pool(f"{name}/pool", x, 3, 1, pad=1), ins, proj),
        ]
        x = net.add(f"{name}/output", "Concat", branches)
        head = {"4a": "loss1", "4d": "loss2"}.get(module)
        if heads and head:
            pooled = net.pool(f"{head}/ave_pool", x, 5, 3, kind="AVE")
            width = one + three + five + proj
            flat = net.linear(
                f"{head}/fc", net.conv(f"{head}/conv", pooled, width, 128), 2048, 1024, relu=True
            )
            net.linear(f"{head}/classifier", flat, 1024, classes)
        if module in ("3b", "4e"):
            x = net.pool(f"pool{module[0]}/3x3_s2", x, 3, 2)
    net.linear("loss3/classifier", net.pool("pool5/7x7_s1", x, 7, 1, kind="AVE"), 1024, classes)
    return net


def alexnet(classes: int) -> CaffeNet:
    net = CaffeNet(227)
    x = net.norm("norm1", net.conv("conv1", "data", 3, 96, 11, stride=4))
    x = net.norm("norm2", net.conv("conv2", net.pool("pool1", x, 3, 2), 96, 256, 5, 2, pad=2))
    x = net.conv("conv3", net.pool("pool2", x, 3, 2), 256, 384, 3, pad=1)
    x = net.conv("conv4", x, 384, 384, 3, 2, pad=1)
    x = net.pool("pool5", net.conv("conv5", x, 384, 256, 3, 2, pad=1), 3, 2)
    x = net.linear("fc6", x, 256 * 36, 4096, relu=True)
    net.linear("fc8", net.linear("fc7", x, 4096, 4096, relu=True), 4096, classes)
    return net


def nin(classes: int) -> CaffeNet:
    """Network in Network as Caffe's model zoo names it."""
    net = CaffeNet(224)
    x = net.conv("conv1", "data", 3, 96, 11, stride=4)
    x = net.conv("cccp2", net.conv("cccp1", x, 96, 96), 96, 96)
    x = net.conv("conv2", net.pool("pool0", x, 3, 2), 96, 256, 5, pad=2)
    x = net.conv("cccp4", net.conv("cccp3", x, 256, 256), 256, 256)
    x = net.conv("conv3", net.pool("pool2", x, 3, 2), 256, 384, 3, pad=1)
    x = net.conv("cccp6", net.conv("cccp5", x, 384, 384), 384, 384)
    x = net.conv("conv4-1024", net.pool("pool3", x, 3, 2), 384, 1024, 3, pad=1)
    x = net.conv("cccp8-1024", net.conv("cccp7-1024", x, 1024, 1024), 1024, classes)
    net.add("pool4", "Pooling", [x], "pooling_param { pool: AVE global_pooling: true }")
    return net


def caffemodel(net: CaffeNet) -> bytes:
    """The binary form since 2014: layers with blobs that name their shape."""
    return message((1, "net"), *((100, layer) for layer in _layers(net.blobs)))


def _layers(blobs: Blobs) -> Iterator[bytes]:
    for name, values in blobs.items():
        parts = [
            (7, message((7, message((1, _packed(b.shape)))), (5, b.tobytes()))) for b in values
        ]
        yield message((1, name), (2, "Convolution"), *parts)


def old_caffemodel(net: CaffeNet) -> bytes:
    """The form before it: ``layers``, and blobs of always four sides."""
    layers = []
    for name, values in net.blobs.items():
        parts = []
        for blob in values:
            sides = (1,) * (4 - blob.ndim) + blob.shape
            parts.append((6, message(*zip((1, 2, 3, 4), sides, strict=True), (5, blob.tobytes()))))
        kind = 4 if values[0].ndim == 4 else 14  # convolution, inner product
        layers.append(message((4, name), (5, kind), *parts))
    return message((1, "net"), *((2, layer) for layer in layers))


def _packed(shape: tuple[int, ...]) -> bytes:
    return b"".join(varint(side) for side in shape)
