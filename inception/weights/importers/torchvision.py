"""torchvision's names: GoogLeNet, Inception-v3, VGG, AlexNet (``.pth``, ``.safetensors``)."""

from inception.models.googlenet import MODULES
from inception.preprocessing import Preprocessing
from inception.weights.importers.importer import TORCH_PARTS, Importer

# torchvision's transform_input turns ImageNet's normalisation into that of TensorFlow, from
# which these weights came: together they are -1 to 1, and simpler said so
HALF = (127.5, 127.5, 127.5)
COUNTERS = "*.num_batches_tracked"

BRANCHES = {
    "conv1x1": "branch1",
    "conv3x3.reduce": "branch2.0",
    "conv3x3.conv": "branch2.1",
    "conv5x5.reduce": "branch3.0",
    "conv5x5.conv": "branch3.1",
    "pool.proj": "branch4.1",
}
GOOGLENET = {
    "conv1": "conv1",
    "conv2.reduce": "conv2",
    "conv2.conv": "conv3",
    **{
        f"inception_{module}.{ours}": f"inception{module}.{theirs}"
        for module in MODULES
        for ours, theirs in BRANCHES.items()
    },
    **{
        f"aux.inception_{module}.{ours}": f"aux{number}.{theirs}"
        for number, module in enumerate(("4a", "4d"), start=1)
        for ours, theirs in {"reduce": "conv", "hidden": "fc1", "logits": "fc2"}.items()
    },
    "classifier.logits": "fc",
}

IMPORTERS = (
    Importer(
        "torchvision",
        "googlenet_tv",
        "torch",
        GOOGLENET,
        TORCH_PARTS,
        Preprocessing(224, mean=HALF, std=HALF),
        ignored=(COUNTERS,),
    ),
)
