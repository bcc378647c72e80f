"""torchvision's names: GoogLeNet, Inception-v3, VGG, AlexNet (``.pth``, ``.safetensors``)."""

from inception.models.classics import VGG16_DEPTHS, VGG19_DEPTHS
from inception.models.googlenet import MODULES
from inception.preprocessing import Preprocessing
from inception.weights.importers.importer import Importer, within

# torchvision's transform_input turns ImageNet's normalisation into that of TensorFlow, from
# which these weights came: together they are -1 to 1, and simpler said so
FROM_TENSORFLOW = Preprocessing(224, mean=(127.5,) * 3, std=(127.5,) * 3)

GOOGLENET = {
    "conv1": "conv1",
    "conv2.reduce": "conv2",
    "conv2.conv": "conv3",
    **within(
        {f"inception_{module}": f"inception{module}" for module in MODULES},
        {
            "conv1x1": "branch1",
            "conv3x3.reduce": "branch2.0",
            "conv3x3.conv": "branch2.1",
            "conv5x5.reduce": "branch3.0",
            "conv5x5.conv": "branch3.1",
            "pool.proj": "branch4.1",
        },
    ),
    **within(
        {"aux.inception_4a": "aux1", "aux.inception_4d": "aux2"},
        {"reduce": "conv", "hidden": "fc1", "logits": "fc2"},
    ),
    "classifier.logits": "fc",
}

STEM_V3 = {
    f"conv2d_{layer}": f"Conv2d_{layer}"
    for layer in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
}
DOUBLE_V3 = {
    "conv3x3dbl.reduce": "branch3x3dbl_1",
    "conv3x3dbl.conv1": "branch3x3dbl_2",
    "conv3x3dbl.conv2": "branch3x3dbl_3",
}
BESIDE_V3 = {"conv1x1": "branch1x1", "pool.proj": "branch_pool"}
INCEPTION_V3 = {
    **STEM_V3,
    **within(
        {f"mixed_5{letter}": f"Mixed_5{letter}" for letter in "bcd"},
        {
            **BESIDE_V3,
            "conv5x5.reduce": "branch5x5_1",
            "conv5x5.conv": "branch5x5_2",
            **DOUBLE_V3,
        },
    ),
    **within({"mixed_6a": "Mixed_6a"}, {"conv3x3": "branch3x3", **DOUBLE_V3}),
    **within(
        {f"mixed_6{letter}": f"Mixed_6{letter}" for letter in "bcde"},
        {
            **BESIDE_V3,
            "conv7x7.reduce": "branch7x7_1",
            "conv7x7.conv1x7": "branch7x7_2",
            "conv7x7.conv7x1": "branch7x7_3",
            "conv7x7dbl.reduce": "branch7x7dbl_1",
            "conv7x7dbl.conv7x1_1": "branch7x7dbl_2",
            "conv7x7dbl.conv1x7_1": "branch7x7dbl_3",
            "conv7x7dbl.conv7x1_2": "branch7x7dbl_4",
            "conv7x7dbl.conv1x7_2": "branch7x7dbl_5",
        },
    ),
    **within(
        {"mixed_7a": "Mixed_7a"},
        {
            "conv3x3.reduce": "branch3x3_1",
            "conv3x3.conv": "branch3x3_2",
            "conv7x7x3.reduce": "branch7x7x3_1",
            "conv7x7x3.conv1x7": "branch7x7x3_2",
            "conv7x7x3.conv7x1": "branch7x7x3_3",
            "conv7x7x3.conv3x3": "branch7x7x3_4",
        },
    ),
    **within(
        {f"mixed_7{letter}": f"Mixed_7{letter}" for letter in "bc"},
        {
            **BESIDE_V3,
            "conv3x3.reduce": "branch3x3_1",
            "conv3x3.split.conv1x3": "branch3x3_2a",
            "conv3x3.split.conv3x1": "branch3x3_2b",
            "conv3x3dbl.reduce": "branch3x3dbl_1",
            "conv3x3dbl.conv": "branch3x3dbl_2",
            "conv3x3dbl.split.conv1x3": "branch3x3dbl_3a",
            "conv3x3dbl.split.conv3x1": "branch3x3dbl_3b",
        },
    ),
    **within({"aux.mixed_6e": "AuxLogits"}, {"reduce": "conv0", "hidden": "conv1", "logits": "fc"}),
    "classifier.logits": "fc",
}

ALEXNET = {
    **{
        f"conv{n}.conv": f"features.{i}" for n, i in zip(range(1, 6), (0, 3, 6, 8, 10), strict=True)
    },
    "classifier.fc6": "classifier.1",
    "classifier.fc7": "classifier.4",
    "classifier.logits": "classifier.6",
}


def vgg_features(depths: tuple[int, ...], *, norm: bool) -> dict[str, str]:
    """VGG's convolutions, and norms where it has them, by their place among all its layers."""
    layers, place = {}, 0
    for n, depth in enumerate(depths, start=1):
        for i in range(1, depth + 1):
            layers[f"conv{n}.conv{n}_{i}.conv"] = f"features.{place}"
            if norm:
                layers[f"conv{n}.conv{n}_{i}.norm"] = f"features.{place + 1}"
            place += 3 if norm else 2  # an activation follows
        place += 1  # and a pool
    return layers


VGG_CLASSIFIER = {
    "classifier.fc6": "classifier.0",
    "classifier.fc7": "classifier.3",
    "classifier.logits": "classifier.6",
}
VGGS = {
    "vgg16": vgg_features(VGG16_DEPTHS, norm=False),
    "vgg16_bn": vgg_features(VGG16_DEPTHS, norm=True),
    "vgg19": vgg_features(VGG19_DEPTHS, norm=False),
    "vgg19_bn": vgg_features(VGG19_DEPTHS, norm=True),
}

IMPORTERS = (
    Importer("torchvision", "googlenet_tv", "torch", GOOGLENET, preprocessing=FROM_TENSORFLOW),
    Importer("torchvision", "inception_v3_tv", "torch", INCEPTION_V3),
    Importer("torchvision", "alexnet_tv", "torch", ALEXNET),
    *(
        Importer("torchvision", name, "torch", layers | VGG_CLASSIFIER)
        for name, layers in VGGS.items()
    ),
)
