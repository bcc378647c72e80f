"""The networks GoogLeNet is compared with."""

from inception.models.spec import CLASSES, Conv, Dropout, Flatten, Layers, Linear, Pool, Spec

VGG16 = (2, 2, 3, 3, 3)  # convolutions a stage: column D of table 1, arXiv:1409.1556
VGG_WIDTHS = (64, 128, 256, 512, 512)


def vgg(name: str, depths: tuple[int, ...]) -> Spec:
    """3x3 convolutions throughout, a 2x2 max pool after each stage, three linear layers."""
    stages: dict[str, Layers] = {}
    for n, (depth, width) in enumerate(zip(depths, VGG_WIDTHS, strict=True), start=1):
        convs = {f"conv{n}_{i}": Conv(width, kernel=3) for i in range(1, depth + 1)}
        stages[f"conv{n}"] = convs
        stages[f"pool{n}"] = Pool("max", kernel=2, stride=2)
    classifier: dict[str, Layers] = {
        "pool": Pool("average", grid=7),  # nothing to do at 224 px; lets other sizes in
        "flatten": Flatten(),
        "fc6": Linear(4096, activation="relu"),
        "dropout6": Dropout(0.5),
        "fc7": Linear(4096, activation="relu"),
        "dropout7": Dropout(0.5),
        "logits": Linear(CLASSES),
    }
    departure = "an adaptive 7x7 average pool before the linear layers: nothing at 224 px"
    return Spec(name, stages, classifier, departures=(departure,))
