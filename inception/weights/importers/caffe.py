"""Caffe's names: BVLC's GoogLeNet and AlexNet, Oxford's VGG, Network in Network.

The networks take blue first. The first kernel stays as published, and the model's preprocessing
says ``bgr`` with Caffe's mean: so a converted file can be compared with its source bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from inception.models.classics import VGG16_DEPTHS, VGG19_DEPTHS
from inception.models.googlenet import MODULES
from inception.models.spec import Layer, Layers, LocalResponseNorm, Spec, map_spec
from inception.preprocessing import Preprocessing
from inception.weights.importers.importer import Importer, within

PARTS = {
    f"{kind}.{value}": f"/{value}" for kind in ("conv", "linear") for value in ("weight", "bias")
}
ONES = (1.0, 1.0, 1.0)
BVLC_PIXELS = Preprocessing(
    224, "squash", 224 / 256, channel_order="bgr", mean=(104.0, 117.0, 123.0), std=ONES
)
OXFORD_PIXELS = Preprocessing(channel_order="bgr", mean=(103.939, 116.779, 123.68), std=ONES)

BRANCHES = {
    "conv1x1": "1x1",
    "conv3x3.reduce": "3x3_reduce",
    "conv3x3.conv": "3x3",
    "conv5x5.reduce": "5x5_reduce",
    "conv5x5.conv": "5x5",
    "pool.proj": "pool_proj",
}
GOOGLENET = {
    "conv1": "conv1/7x7_s2",
    "conv2.reduce": "conv2/3x3_reduce",
    "conv2.conv": "conv2/3x3",
    **within({f"inception_{m}": f"inception_{m}" for m in MODULES}, BRANCHES, "/"),
    **within(
        {"aux.inception_4a": "loss1", "aux.inception_4d": "loss2"},
        {"reduce": "conv", "hidden": "fc", "logits": "classifier"},
        "/",
    ),
    "classifier.logits": "loss3/classifier",
}
LINEAR = {"classifier.fc6": "fc6", "classifier.fc7": "fc7", "classifier.logits": "fc8"}
ALEXNET = {
    "conv1.conv": "conv1",  # beside its norm
    "conv2.conv": "conv2",
    **{f"conv{n}": f"conv{n}" for n in (3, 4, 5)},
    **LINEAR,
}
NIN = {
    "conv1.conv": "conv1",
    "conv1.conv1x1_1": "cccp1",
    "conv1.conv1x1_2": "cccp2",
    "conv2.conv": "conv2",
    "conv2.conv1x1_1": "cccp3",
    "conv2.conv1x1_2": "cccp4",
    "conv3.conv": "conv3",
    "conv3.conv1x1_1": "cccp5",
    "conv3.conv1x1_2": "cccp6",
    "conv4.conv": "conv4-1024",
    "conv4.conv1x1": "cccp7-1024",
    "classifier.logits": "cccp8-1024",
}


def vgg(depths: tuple[int, ...]) -> dict[str, str]:
    """Convolutions by stage and number, which both sides call alike."""
    convs = [(n, i) for n, depth in enumerate(depths, start=1) for i in range(1, depth + 1)]
    return {f"conv{n}.conv{n}_{i}": f"conv{n}_{i}" for n, i in convs} | LINEAR


def _caffe_lrn(spec: Spec, facts: Mapping[str, Any]) -> Spec:
    """BVLC's AlexNet has Caffe's constants (alpha 1e-4 over 5, k 1), not the paper's."""

    def change(layer: Layer) -> Layers:
        return LocalResponseNorm() if isinstance(layer, LocalResponseNorm) else layer

    return map_spec(spec, change)


IMPORTERS = (
    Importer("caffe", "googlenet", "caffe", GOOGLENET, PARTS, BVLC_PIXELS),
    Importer(
        "caffe",
        "alexnet",
        "caffe",
        ALEXNET,
        PARTS,
        replace(BVLC_PIXELS, size=227, crop=227 / 256),
        change=_caffe_lrn,
    ),
    Importer("caffe", "nin", "caffe", NIN, PARTS, BVLC_PIXELS),
    Importer("caffe", "vgg16", "caffe", vgg(VGG16_DEPTHS), PARTS, OXFORD_PIXELS),
    Importer("caffe", "vgg19", "caffe", vgg(VGG19_DEPTHS), PARTS, OXFORD_PIXELS),
)
