"""Recipes by name: settings that go together, with what they were measured to give.

What a paper does not give is taken from the recipe above it, and said. Those for ImageNet are
*not yet run*: they are here so that the published schedules and updates can be.
"""

from dataclasses import replace

from inception.errors import unknown
from inception.prediction import BACKBONE
from inception.training.config import TrainConfig

RECIPES: dict[str, TrainConfig] = {}

# inception train dogs-vs-cats --image-size 96 --epochs 3
# paper: none   machine: 2 EPYC cores, 7 minutes   result: 73.95 %, one seed, at d3e645c
RECIPES["default"] = TrainConfig()

# inception train dogs-vs-cats --recipe small-data --image-size 112 --set progressive=64,96
# paper: none   machine: 2 EPYC cores, 51 minutes   result: 95.60 %, one seed, at c717c32
RECIPES["small-data"] = replace(
    RECIPES["default"],
    optimiser="adamw",
    lr=1e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    epochs=18,
)

# inception train ants-bees --recipe few-pictures
# paper: none   machine: 1 EPYC core, AVX2, 1 min   result: 82.09 %, five seeds' mean, at caa0f14
# Learns a classifier alone, on what an early stage of the backbone sees in large pictures.
RECIPES["few-pictures"] = replace(
    RECIPES["small-data"],
    init=BACKBONE,
    freeze="backbone",
    cut_after="inception_4a",
    cached_views=4,
    image_size=192,
    epochs=60,
    lr=0.01,
    dropout=0.0,
    label_smoothing=0.0,
)

# inception train imagenette --recipe imagenette-5
# paper: none   machine: 1 EPYC core, AVX2, 45 min   result: 85.45, 84.98 %, two seeds, at aa02d00
# Five epochs leave a network far from overfitting: no dropout, weak crops, small batches for more
# updates, and pictures that grow but stay below the 128 px it is asked at. AdamW: 79.62 %.
RECIPES["imagenette-5"] = replace(
    RECIPES["small-data"],
    model="googlenet_bn",
    optimiser="muon",
    epochs=5,
    batch_size=32,
    lr=2e-3,
    warmup=0.15,
    dropout=0.0,
    area=(0.35, 1.0),
    image_size=128,
    progressive=(64, 80, 96, 96, 112),
)

# inception train imagenette --recipe imagenette-20
# paper: none   machine: 1 EPYC core, AVX2, 139 min   result: 89.99 %, one seed, at f46ef59
# With mixup and stronger crops 90.04 %: no more than chance, and less sure
# Where the rate is high, pictures are small. The model that comes with the package.
RECIPES["imagenette-20"] = replace(
    RECIPES["imagenette-5"],
    epochs=20,
    batch_size=64,
    lr=3e-3,
    warmup=0.1,
    progressive=(*[64] * 6, *[80] * 6, *[96] * 6, *[112] * 2),
)

# inception train IMAGENET --recipe googlenet-paper
# paper: 10.07 % top-5 error, one crop (arXiv:1409.4842)   result: not yet run
# The paper gives momentum, -4 % every 8 epochs, averaging, the pictures and the heads' 0.3; rate,
# batch, decay and epochs are Caffe's. It trained asynchronously; this is one synchronous process.
RECIPES["googlenet-paper"] = replace(
    RECIPES["default"],
    model="googlenet",
    epochs=250,
    batch_size=32,
    lr=0.01,
    nesterov=False,
    schedule="step",
    gamma=0.96,
    step_epochs=8.0,
    augment="googlenet",
    average="polyak",
    clip_norm=None,
)

# inception train IMAGENET --recipe googlenet-caffe
# BVLC's solver: 31.3 / 11.1 % error by the quick one   result: not yet run
# Biases learn twice as fast and do not decay. Caffe's rate is inside the momentum, torch's
# outside: they differ after a step of 4 %, by at most 4 % of what momentum holds from before it.
RECIPES["googlenet-caffe"] = replace(
    RECIPES["googlenet-paper"],
    bias_lr=2.0,
    augment="caffe",
    average="none",
)

# inception train IMAGENET --recipe googlenet-caffe-quick
# BVLC's quick_solver: 31.3 / 11.1 % error   result: not yet run
RECIPES["googlenet-caffe-quick"] = replace(
    RECIPES["googlenet-caffe"],
    epochs=60,
    schedule="poly",
    power=0.5,
)

# inception train IMAGENET --recipe bn-inception
# paper: BN-x30, 25.2 / 7.82 % error (arXiv:1502.03167)   result: not yet run
# 30 times the rate, decay six times as fast, weight decay a fifth, no dropout. How much weaker
# the photometric distortion is the paper does not say: half here. No averaging is mentioned.
RECIPES["bn-inception"] = replace(
    RECIPES["googlenet-paper"],
    model="bn_inception",
    epochs=150,
    lr=0.045,
    schedule="exponential",
    step_epochs=8 / 6,
    weight_decay=4e-5,
    dropout=0.0,
    photometric=0.25,
    average="none",
)

# inception train IMAGENET --recipe inception-v3
# paper: 21.2 / 5.6 % error, one crop (arXiv:1512.00567)   result: not yet run
# The paper's 50 replicas of batch 32 are one here. Decay of weights, of averages and the head's
# 0.4 are TF-slim's; its hue distortion is not among ours.
RECIPES["inception-v3"] = replace(
    RECIPES["googlenet-paper"],
    model="inception_v3",
    epochs=100,
    optimiser="rmsprop",
    eps=1.0,
    rms_decay=0.9,
    lr=0.045,
    gamma=0.94,
    step_epochs=2.0,
    weight_decay=4e-5,
    label_smoothing=0.1,
    aux_weight=0.4,
    average="ema",
    average_decay=0.9999,
    clip_norm=2.0,
)

# inception train IMAGENET --recipe inception-v4
# paper: 20.0 / 5.0 % error, one crop (arXiv:1602.07261)   result: not yet run
# Clipping is not among what its paper lists; epochs are Inception-v3's.
RECIPES["inception-v4"] = replace(
    RECIPES["inception-v3"],
    model="inception_v4",
    clip_norm=None,
)

# inception train IMAGENET --recipe xception
# paper: 79.0 / 94.5 % accuracy, one crop (arXiv:1610.02357)   result: not yet run
# Batch and epochs are not given: GoogLeNet's and Inception-v3's.
RECIPES["xception"] = replace(
    RECIPES["googlenet-paper"],
    model="xception",
    epochs=100,
    lr=0.045,
    gamma=0.94,
    step_epochs=2.0,
    weight_decay=1e-5,
)


def recipe(name: str) -> TrainConfig:
    """The recipe of that name. Raises ``InputError`` where there is none."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return replace(RECIPES[name], recipe=name)
