"""The papers of GoogLeNet's relatives, and what publishers of their weights print."""

from __future__ import annotations

from collections.abc import Callable

from inception.models import get_spec
from inception.models.spec import Conv, Layers, Linear, LocalResponseNorm, Residual
from inception.reproduce.claims.counting import (
    NAMES,
    PAPER,
    amount,
    costs,
    depth,
    leaves,
    module,
    network_depth,
    norms,
    stage,
)
from inception.reproduce.ledger import Check, Claim, about, below, figure, same

BN, V3, V4, XCEPTION = (
    "arXiv:1502.03167",
    "arXiv:1512.00567",
    "arXiv:1602.07261",
    "arXiv:1610.02357",
)
IMAGES = 1_281_167  # ImageNet's training set
BATCH = 32  # of Caffe's solvers


def ratio(a: str, b: str = PAPER) -> float:
    """Multiply-adds of one network to another's."""
    return costs(a).multiply_adds / costs(b).multiply_adds


def _bn_outputs() -> list[Check]:
    """The BN paper's output column against the sums of its own widths."""
    printed = {"4c": "576", "4d": "576", "4e": "1024"}
    ends = {n: stage(f"inception_{n}", "bn_inception").end.shape.channels for n in printed}
    return [figure(said, ends[name], name) for name, said in printed.items()]


def _saved(replaced: Conv, by: Layers) -> float:
    """Share of the multiply-adds that a replacement of equal widths saves."""
    return 1 - amount(by, 64, 17).multiply_adds / amount(replaced, 64, 17).multiply_adds


def _two(kernel: int | tuple[int, int], then: int | tuple[int, int]) -> Layers:
    return {"first": Conv(64, kernel=kernel), "second": Conv(64, kernel=then)}


def _factorised5x5() -> float:
    """What two 3×3 save of GoogLeNet's own 5×5, which widen from reduction to output."""
    before = after = 0
    for name in NAMES:
        conv = module(name).layers[4]
        channels, width = module(name).layers[3].end.shape.channels, conv.end.shape.channels
        layers: Layers = {"a": Conv(width, kernel=3), "b": Conv(width, kernel=3)}
        before += conv.multiply_adds
        after += amount(layers, channels, conv.end.shape.height).multiply_adds
    return 1 - after / before


def _residual_sums() -> list[Check]:
    """The 1×1 of the paper's residual modules must end as wide as what it is added to."""
    ends = {n: stage(n, "inception_resnet_v2_paper").end.shape.channels for n in
            ("mixed_6a", "mixed_7a")}  # fmt: skip
    return [
        figure("1154", ends["mixed_6a"], "17×17 modules"),
        figure("2048", ends["mixed_7a"], "8×8 modules"),
    ]


def _xception_convs() -> int:
    """Convolutions outside shortcuts, a separable one counted once."""
    bodies = sum(
        isinstance(layer, Conv) and layer.multiplier is None for layer in leaves("xception")
    )
    spec = get_spec("xception")
    shortcuts = sum(isinstance(s, Residual) and s.shortcut != {} for s in spec.stages.values())
    return bodies - shortcuts


def _neurons() -> int:
    """Values that AlexNet's convolutions and linear layers put out."""
    shapes = [x.end.shape for s in costs("alexnet").stages for x in s.layers if x.weights]
    return sum(c * h * w for c, h, w in shapes)


def _file(network: str) -> float:
    """Bytes of a file of parameters and running statistics, in float32, heads included."""
    return 4.0 * (costs(network).parameters_with_aux + norms(network))


def _torchvision(name: str, ours: str, parameters: str, ops: str, size: str) -> Claim:
    return Claim(
        f"torchvision's documentation, {name}",
        f"{parameters} parameters, {ops} multiply-adds, a file of {size}",
        f"{ours}; 4 bytes a parameter and running statistic, the container aside",
        lambda: [
            figure(parameters, costs(ours).parameters_with_aux, "parameters, with heads")
            if name == "inception_v3"
            else figure(parameters, costs(ours).parameters, "parameters, without heads"),
            figure(ops, costs(ours).multiply_adds, "multiply-adds, without heads"),
            about(size, _file(ours), "file, with heads"),
        ],
    )


def _keras(name: str, parameters: str, gamma: bool) -> Claim:
    return Claim(
        f"Keras's documentation, {name}",
        f"{parameters} parameters",
        "with moving mean and variance" + ("" if gamma else ", without γ, which it leaves out"),
        lambda: [
            figure(parameters, costs(name).parameters + _trunk_norms(name) * (1 if gamma else 0.5))
        ],
    )


def _deeper(stage: str | None = None) -> int:
    """Weight layers that BN-Inception's longest way has more than GoogLeNet's."""
    if stage is None:
        both = [network_depth(n, Conv, Linear) for n in ("bn_inception", PAPER)]
    else:
        specs = [get_spec(n).stages[stage] for n in ("bn_inception", PAPER)]
        both = [depth(layers, lambda layer: isinstance(layer, Conv)) for layers in specs]
    return both[0] - both[1]


def _trunk_norms(network: str) -> int:
    """γ and β of a network's batch norms, heads aside."""
    return sum(x.norm_weights for s in costs(network).stages for x in s.layers)


def _one(where: str, says: str, how: str, check: Callable[[], Check]) -> Claim:
    return Claim(where, says, how, lambda: [check()])


def _weights() -> float:
    return costs("bn_inception").parameters


RELATIVES: tuple[Claim, ...] = (
    _one(BN, "13.6 million parameters", "bn_inception", lambda: figure("13.6 M", _weights())),
    _one(
        BN,
        "25 % more parameters than Inception",
        "bn_inception ÷ googlenet",
        lambda: figure("25 %", _weights() / costs().parameters - 1),
    ),
    Claim(
        BN,
        "30 % more computation",
        "multiply-adds of bn_inception and of slim's form ÷ googlenet and its table's 1.5 G",
        lambda: [
            about("30 %", ratio("bn_inception") - 1, "plain conv1, both"),
            about("30 %", ratio("inception_v2_slim") - 1, "slim's, our googlenet"),
            about("30 %", costs("inception_v2_slim").multiply_adds / 1.5e9 - 1, "slim's, 1.5 G"),
        ],
    ),
    Claim(
        BN,
        "9 weight layers deeper",
        "longest way through a module, and through bn_inception, less googlenet's",
        lambda: [
            figure("9", len(NAMES) * _deeper("inception_3a"), "the nine modules it had"),
            figure("9", _deeper(), "all, with the tenth module"),
        ],
    ),
    Claim(BN, "4c, 4d, 4e give 576, 576, 1024", "sums of its own printed widths", _bn_outputs),
    _one(
        V3,
        "GoogLeNet has 5 million parameters",
        "googlenet",
        lambda: figure("5 M", costs().parameters),
    ),
    _one(
        V3,
        "VGG has about 3 times AlexNet's parameters",
        "vgg16 ÷ alexnet",
        lambda: about("3×", costs("vgg16").parameters / costs("alexnet").parameters),
    ),
    Claim(
        V3,
        "two 3×3 for a 5×5 save 28 %",
        "1 − 18 ÷ 25 at equal widths; GoogLeNet's 5×5 widen",
        lambda: [
            figure("28 %", _saved(Conv(64, kernel=5), _two(3, 3)), "equal widths"),
            figure("28 %", _factorised5x5(), "in GoogLeNet's nine modules"),
        ],
    ),
    _one(
        V3,
        "3×1 and 1×3 for a 3×3 save 33 %",
        "1 − 6 ÷ 9",
        lambda: figure("33 %", _saved(Conv(64, kernel=3), _two((3, 1), (1, 3)))),
    ),
    _one(
        V3,
        "two 2×2 for a 3×3 save only 11 %",
        "1 − 8 ÷ 9",
        lambda: figure("11 %", 1 - 2 * 2**2 / 3**2),
    ),
    Claim(
        V3,
        "42 layers deep",
        "convolutions and linear layers on the longest way; V2 as we rebuild it",
        lambda: [
            figure("42", network_depth(name, Conv, Linear), name)
            for name in ("inception_v2_rethinking", "inception_v3")
        ],
    ),
    Claim(
        V3,
        "computation only about 2.5 times GoogLeNet's",
        "multiply-adds of inception_v3 ÷ googlenet, ÷ bn_inception; its own Table 3",
        lambda: [
            about("2.5×", ratio("inception_v3"), "to GoogLeNet"),
            about("2.5×", ratio("inception_v3", "bn_inception"), "to BN-Inception"),
            about("2.5×", 4.8 / 1.5, "its table, to GoogLeNet"),
            about("2.5×", 4.8 / 2.0, "its table, to BN-Inception"),
        ],
    ),
    Claim(
        V3,
        "5 billion multiply-adds, 4.8 in Table 3",
        "inception_v3 at 299 px",
        lambda: [
            figure("5 G", costs("inception_v3").multiply_adds, "abstract"),
            figure("4.8 G", costs("inception_v3").multiply_adds, "Table 3"),
        ],
    ),
    Claim(
        V3,
        "GoogLeNet 1.5, BN-Inception 2.0 billion multiply-adds",
        "googlenet, and bn_inception",
        lambda: [
            figure("1.5 G", costs().multiply_adds, "GoogLeNet"),
            figure("2.0 G", costs("bn_inception").multiply_adds, "BN-Inception"),
        ],
    ),
    _one(
        V3,
        "fewer than 25 million parameters",
        "inception_v3 without its head",
        lambda: below("25 M", costs("inception_v3").parameters),
    ),
    Claim(
        V4,
        "Inception-ResNet-v1 costs about what V3 does, v2 what V4 does",
        "multiply-adds; v2 as its figures draw it and as released",
        lambda: [
            about("1×", ratio("inception_resnet_v1", "inception_v3"), "v1 ÷ V3"),
            about("1×", ratio("inception_resnet_v2_paper", "inception_v4"), "v2 drawn ÷ V4"),
            about("1×", ratio("inception_resnet_v2", "inception_v4"), "v2 released ÷ V4"),
        ],
    ),
    Claim(
        f"{V4}, figures 17 and 19",
        "residual modules end 1154 and 2048 wide",
        "channels they are added to, after the reductions of its own Table 1",
        _residual_sums,
    ),
    _one(
        XCEPTION,
        "Xception has 22,855,952 parameters",
        "xception",
        lambda: figure("22,855,952", costs("xception").parameters),
    ),
    Claim(
        XCEPTION,
        "Inception V3 has 23,626,728 parameters",
        "inception_v3 without and with its head",
        lambda: [
            figure("23,626,728", costs("inception_v3").parameters, "without"),
            figure("23,626,728", costs("inception_v3").parameters_with_aux, "with"),
        ],
    ),
    Claim(
        XCEPTION,
        "36 convolutions in 14 modules, 12 with residuals",
        "separable ones counted once, shortcuts aside; stages",
        lambda: [
            figure("36", _xception_convs(), "convolutions"),
            figure("14", len(get_spec("xception").stages), "modules"),
            figure(
                "12",
                sum(isinstance(s, Residual) for s in get_spec("xception").stages.values()),
                "residuals",
            ),
        ],
    ),
    Claim(
        "AlexNet's paper (2012)",
        "60 million parameters, 650,000 neurons",
        "alexnet; values put out by its layers with weights",
        lambda: [
            about("60 M", costs("alexnet").parameters, "parameters"),
            about("650,000", _neurons(), "neurons"),
        ],
    ),
    Claim(
        "arXiv:1409.1556, Table 2",
        "VGG-16 has 138, VGG-19 144 million parameters",
        "vgg16 and vgg19",
        lambda: [
            figure("138 M", costs("vgg16").parameters),
            figure("144 M", costs("vgg19").parameters),
        ],
    ),
    _one(
        "LeNet-5's paper (1998)",
        "60,000 trainable parameters",
        "lenet5, the modern form: c3 sees all maps, linear logits",
        lambda: about("60,000", costs("lenet5").parameters),
    ),
    _one(
        "arXiv:1312.5402 (Howard)",
        "90 predictions a picture",
        "5 translations × 2 mirrors × 3 scales × 3 views",
        lambda: figure("90", 5 * 2 * 3 * 3),
    ),
)

TORCHVISION = (  # name, our network, parameters, multiply-adds, size of the file
    ("googlenet", "googlenet_tv", "6,624,904", "1.498 G", "49.7 MiB"),
    ("inception_v3", "inception_v3_tv", "27,161,264", "5.713 G", "103.9 MiB"),
    ("vgg16", "vgg16", "138,357,544", "15.47 G", "527.8 MiB"),
    ("vgg19", "vgg19", "143,667,240", "19.632 G", "548.1 MiB"),
    ("alexnet", "alexnet_tv", "61,100,840", "0.714 G", "233.1 MiB"),
)
KERAS = (  # name, parameters, whether its batch norms have γ
    ("inception_v3", "23,851,784", False),
    ("inception_resnet_v2", "55,873,736", False),
    ("xception", "22,910,480", True),
)

RELEASES: tuple[Claim, ...] = (
    Claim(
        "Caffe, bvlc_googlenet's solver",
        "the rate falls every 320,000 steps, the paper's 8 epochs",
        f"320,000 × {BATCH} ÷ {IMAGES:,}",
        lambda: [about("8", 320_000 * BATCH / IMAGES)],
    ),
    Claim(
        "Caffe, bvlc_googlenet's readme",
        "2,400,000 steps are about 60 epochs",
        f"2,400,000 × {BATCH} ÷ {IMAGES:,}",
        lambda: [about("60", 2_400_000 * BATCH / IMAGES)],
    ),
    Claim(
        "Caffe's NIN",
        "nin_imagenet.caffemodel has 29 MB",
        "4 bytes a parameter of nin",
        lambda: [
            figure("29 MiB", _file("nin"), "2^20 bytes"),
            figure("29 MB", _file("nin"), "10^6"),
        ],
    ),
    Claim(
        "conan7882's GoogLeNet",
        "LRN of radius 2, alpha 2e-5, beta 0.75, bias 1 is Caffe's",
        "Caffe's size 5 and alpha 1e-4 of our spec, alpha divided by the size",
        lambda: [same("2, 2e-05, 0.75, 1.0", _lrn())],
    ),
    *(_torchvision(*row) for row in TORCHVISION),
    *(_keras(*row) for row in KERAS),
)


def _lrn() -> list[float]:
    """Caffe's response normalisation as TensorFlow writes it: radius, alpha, beta, bias."""
    lrn = next(layer for layer in leaves(PAPER) if isinstance(layer, LocalResponseNorm))
    return [lrn.size // 2, lrn.alpha / lrn.size, lrn.beta, lrn.k]
