"""The source documents 000, 001, 003 and 004: articles about GoogLeNet."""

from __future__ import annotations

import math
import re

from inception.data.crops import crops
from inception.models import get_spec
from inception.models.cost import Cost
from inception.models.googlenet import MODULES, Widths, inception_module, naive_module
from inception.models.spec import CLASSES, Conv, Dropout, Flatten, Layers, Linear, Pool
from inception.preprocessing import Preprocessing
from inception.reproduce.claims.counting import (
    PAPER,
    amount,
    channels_into,
    costs,
    grid_of,
    leaves,
    module,
    network_depth,
    shape_after,
    stage,
)
from inception.reproduce.ledger import Check, Claim, about, above, below, figure, same
from inception.weights.importers.torchvision import GOOGLENET

SLIDE = Widths(128, 64, 192, 64, 96, 64)  # 3b as CS231n's slide of 2017 draws it


def _bottleneck() -> int:
    """Parameters of 192 channels to 96 by a 1×1, then to 128 by a 3×3; no biases."""
    layers: Layers = {"reduce": Conv(96, bias=False), "conv": Conv(128, kernel=3, bias=False)}
    return amount(layers, 192, 28).parameters


def _direct5x5() -> int:
    return amount(Conv(48, kernel=5), 480, 14).multiply_adds


def _reduced5x5() -> tuple[int, int]:
    """The reduction and the convolution of 4a's 5×5 branch."""
    w = MODULES["4a"]
    return (
        amount(Conv(w.reduce5x5), 480, 14).multiply_adds,
        amount(Conv(w.conv5x5, kernel=5), w.reduce5x5, 14).multiply_adds,
    )


def _fc_share() -> float:
    """Of AlexNet's parameters, those of linear layers."""
    layers = [layer for s in costs("alexnet").stages for layer in s.layers]
    linear = sum(layer.parameters for layer in layers if layer.kind == "Linear")
    return linear / costs("alexnet").parameters


def _widths(name: str) -> tuple[int, int, int, int]:
    w = MODULES[name]
    return w.conv1x1, w.conv3x3, w.conv5x5, w.pool_proj


def _heads(network: str) -> str:
    """Where a network's heads hang, ``none`` where it has none."""
    return ", ".join(n.removeprefix("inception_") for n in get_spec(network).aux) or "none"


def _naive(name: str) -> int:
    return amount(naive_module(MODULES[name]), channels_into(name), grid_of(name)).multiply_adds


def _slide() -> int:
    """The reduced module with the widths of the slide that document 004 repeats."""
    return amount(inception_module(SLIDE), 256, 28).multiply_adds


def _largest_share(counted: Cost, what: str) -> float:
    """Of a network's parameters or multiply-adds, those of its largest stage."""
    numbers = [getattr(s, what) for s in counted.stages]
    return float(max(numbers) / sum(numbers))


def _spread() -> list[Check]:
    even = f"{100 / sum(s.multiply_adds > 0 for s in costs().stages):.1f} %"
    shares = {n: _largest_share(costs(), n) for n in ("multiply_adds", "parameters")}
    return [about(even, s, f"{n.replace('_', '-')}, largest stage") for n, s in shares.items()]


def _branch_fields() -> list[Check]:
    """Receptive fields of 3a's branches: what enters, and k − 1 strides more."""
    before = stage("pool2").end
    fields = [before.receptive_field + (k - 1) * before.stride for k in (1, 3, 5)]
    return [
        above(f"{fields[0]} px", fields[1], "3×3 over 1×1"),
        above(f"{fields[1]} px", fields[2], "5×5 over 3×3"),
        figure(f"{fields[2]} px", module("3a").end.receptive_field, "the largest is the module's"),
    ]


def _flattened() -> int:
    """Parameters of a linear layer on all values of inception_5b."""
    channels, grid, _ = module("5b").end.shape
    layers: Layers = {"flatten": Flatten(), "logits": Linear(costs().stages[-1].end.shape.channels)}
    return amount(layers, channels, grid).parameters


HEAD_LOGITS = re.compile(r"aux\..*\.logits")
LUMA = ("0.2989", "0.5870", "0.1140")

FIRST: tuple[Claim, ...] = (
    Claim(
        "document 000, scene A",
        "a 5×5 on 14×14×480 to 48 maps: 112.9 million operations",
        "14·14·48·5·5·480",
        lambda: [figure("112.9 M", _direct5x5())],
    ),
    Claim(
        "document 000, scene B",
        "reduced to 16 first: 1.5 M + 3.8 M = 5.3 M",
        "14·14·16·480 and 14·14·48·5·5·16, the 5×5 branch of 4a",
        lambda: [
            figure("1.5 M", _reduced5x5()[0], "1×1"),
            figure("3.8 M", _reduced5x5()[1], "5×5"),
            figure("5.3 M", sum(_reduced5x5()), "sum"),
        ],
    ),
    Claim(
        "document 000, conclusion",
        "about 20 times less",
        "the two figures before, divided",
        lambda: [about("20×", _direct5x5() / sum(_reduced5x5()))],
    ),
    Claim(
        "document 000, scene A",
        "5×5×480 multiplications for each pixel",
        "5·5·480, and times 48 output channels",
        lambda: [
            figure(f"{25 * 480:,}", _direct5x5() / 14**2, "a pixel"),
            figure(f"{25 * 480:,}", _direct5x5() / 14**2 / 48, "a pixel and output channel"),
        ],
    ),
    Claim(
        "document 000, §2",
        "linear layers hold even 90 % of AlexNet's parameters",
        "linear layers ÷ all of alexnet",
        lambda: [
            figure("90 %", _fc_share(), "just that"),
            above("90 %", _fc_share(), "at least that"),
        ],
    ),
    Claim(
        "document 000, §2",
        "global average pooling has no parameters and gives a value a channel",
        "parameters of the pool; its shape after 512×7×7",
        lambda: [
            figure("0", amount(Pool("average", grid=1), 512, 7).parameters, "parameters"),
            same("512×1×1", "×".join(map(str, shape_after(Pool("average", grid=1), 512, 7)))),
        ],
    ),
    Claim(
        "documents 000, 002, 003",
        "3a gives 64 + 128 + 32 + 32 = 256 channels",
        "Table 1's widths; shape of inception_3a",
        lambda: [
            same("64, 128, 32, 32", _widths("3a"), "branches"),
            figure("256", module("3a").end.shape.channels, "sum"),
        ],
    ),
    Claim(
        "document 000, overview",
        "grids shrink by convolutions of stride 2 or pools",
        "in googlenet's spec: layers of stride 2 after the stem's first",
        lambda: [
            above("0", _halving(Pool), "pools"),
            above("0", _halving(Conv) - 1, "convolutions other than conv1"),
        ],
    ),
    Claim(
        "documents 000, 001, 003, 004",
        "heads after 4a and 4d",
        "googlenet's spec",
        lambda: [same("4a, 4d", _heads(PAPER))],
    ),
    Claim(
        "document 000, heads",
        "5×5/3 pool, 1×1 of 128, linear of 1024, dropout 0.7, 1000 classes",
        "layers of googlenet's heads",
        lambda: [same("5/3, 128, 1024, 0.7, 1000", _head_layers())],
    ),
    Claim(
        "document 000, transfer",
        "torchvision's heads end in AuxLogits.fc",
        "names in its GoogLeNet, as our importer reads them; AuxLogits is Inception V3's",
        lambda: [
            same("AuxLogits.fc", [t for o, t in GOOGLENET.items() if HEAD_LOGITS.fullmatch(o)])
        ],
    ),
    Claim(
        "document 001, §2.3",
        "a 3×3 from 192 to 128: 221,184 parameters",
        "128·192·3·3",
        lambda: [figure("221,184", amount(Conv(128, kernel=3, bias=False), 192, 28).parameters)],
    ),
    Claim(
        "document 001, §2.3",
        "with a 1×1 to 96 first: 129,024 parameters",
        "96·192 + 128·96·3·3, 3a's 3×3 branch",
        lambda: [figure("129,024", _bottleneck())],
    ),
    Claim(
        "document 001, §2.1",
        "0.2989 R + 0.5870 G + 0.1140 B is a 1×1 convolution to grey",
        "weights of a 1×1 from 3 to 1; Rec. 601's luma, and that white stays white",
        lambda: [
            figure("3", amount(Conv(1, bias=False), 3, 8).weights, "weights"),
            *(
                figure(f"{ours:.3f}", float(said), "Rec. 601")
                for said, ours in zip(LUMA, (0.299, 0.587, 0.114), strict=True)
            ),
            figure("255", round(255 * math.fsum(map(float, LUMA))), "grey of white"),
        ],
    ),
    Claim(
        "document 001, §1",
        "average pooling samples down without changing the size",
        "side of inception_5b's grid after the average pool",
        lambda: [figure("7", shape_after(Pool("average", grid=1), 1024, 7).height)],
    ),
    Claim(
        "document 001, §1",
        "far fewer parameters than the VGG networks, and faster",
        "vgg16 and vgg19 ÷ googlenet; multiply-adds for speed",
        lambda: (
            [
                above("1×", costs(vgg).parameters / costs().parameters, f"parameters, {vgg}")
                for vgg in ("vgg16", "vgg19")
            ]
            + [above("1×", costs("vgg16").multiply_adds / costs().multiply_adds, "multiply-adds")]
        ),
    ),
    Claim(
        "document 001, §7",
        "its code prints GoogLeNet",
        "parameters of googlenet_plain, as it prints it; conv2 lacks the 1×1",
        lambda: [figure(f"{costs().parameters:,}", costs("googlenet_plain").parameters)],
    ),
)

LATER: tuple[Claim, ...] = (
    Claim(
        "document 003",
        "4a gives 192 + 208 + 48 + 64 = 512 channels",
        "Table 1's widths; shape of inception_4a",
        lambda: [
            same("192, 208, 48, 64", _widths("4a"), "branches"),
            figure("512", module("4a").end.shape.channels, "sum"),
        ],
    ),
    Claim(
        "document 003",
        "weights and computation are evenly spread over the layers",
        "the largest stage's share against an equal share",
        _spread,
    ),
    Claim(
        "document 003",
        "22 layers, 27 with pools",
        "layers on the longest way",
        lambda: [
            figure("22", network_depth(PAPER, Conv, Linear)),
            figure("27", network_depth(PAPER, Conv, Linear, Pool)),
        ],
    ),
    Claim(
        "documents 003, 004",
        "average pooling for a linear layer saves parameters",
        "parameters of the classifier, against one on all 7×7×1024 values",
        lambda: [below(f"{_flattened():,}", stage("classifier").parameters)],
    ),
    Claim(
        "documents 003, 004",
        "heads are gone in V2 and V3",
        "heads of the released networks",
        lambda: [
            same("none", _heads("bn_inception"), "BN-Inception, slim's V2"),
            same("none", _heads("inception_v3"), "V3"),
        ],
    ),
    Claim(
        "documents 003, 004",
        "4 × 3 × 6 × 2 = 144 crops",
        "crops made of a picture of 640×480",
        lambda: [figure("144", len(crops(480, 640, Preprocessing(), 144)))],
    ),
    Claim(
        "document 003",
        "superpixels doubled, for more false positives",
        "proposals a picture: R-CNN's 2,403 halved and 200 of MultiBox; fewer, so fewer false ones",
        lambda: [above("2,403", 2403 / 2 + 200)],
    ),
    Claim(
        "document 003",
        "a detection counts from 50 % overlap",
        "ILSVRC's threshold for a box w by h: min(0.5, w·h ÷ ((w + 10)·(h + 10)))",
        lambda: [
            figure("50 %", min(0.5, side**2 / (side + 10) ** 2), f"a box of {side}×{side}")
            for side in (200, 20)
        ],
    ),
    Claim(
        "documents 000 to 004",
        "kernels of 1, 3 and 5 see different amounts of the picture",
        "receptive fields of 3a's branches",
        _branch_fields,
    ),
    Claim(
        "document 004, §3",
        "the naive module costs 854 M operations in the first layer",
        "28·28·256·(128 + 9·192 + 25·96): CS231n's example is 3b",
        lambda: [
            figure("854 M", _naive("3a"), "3a, the first"),
            figure("854 M", _naive("3b"), "3b, the second"),
        ],
    ),
    Claim(
        "document 004, §3",
        "with reductions only 358 M",
        "3b by Table 1, by the slide's widths; 358 charges its 3×3 twice its 64 inputs",
        lambda: [
            figure("358 M", module("3b").multiply_adds, "Table 1"),
            figure("358 M", _slide(), "the slide's 64, 64 and 64"),
        ],
    ),
    Claim(
        "document 004, §3",
        "less than half of the naive module",
        "3b, reduced ÷ naive",
        lambda: [
            below("50 %", 358 / 854, "its own figures"),
            below("50 %", module("3b").multiply_adds / _naive("3b"), "Table 1"),
        ],
    ),
    Claim(
        "document 004, §4",
        "dropout of 70 %, probably on the last layer",
        "dropout before the classifier; 70 % is that of the heads",
        lambda: [figure("70 %", _last_dropout())],
    ),
    Claim(
        "document 004, §4",
        "NIN gives each class a map of its own",
        "width of nin's last convolution; linear layers it has",
        lambda: [
            same(CLASSES, _last_conv("nin").width, "maps"),
            figure("0", sum(isinstance(layer, Linear) for layer in leaves("nin")), "linear layers"),
        ],
    ),
    Claim(
        "document 004, §1",
        "top-5 error 6.7 %",
        "Table 2's 6.67, seven models and 144 crops; Table 3's single model and crop",
        lambda: [figure("6.7", 6.67, "all together"), figure("6.7", 10.07, "one model, one crop")],
    ),
)


def _halving(kind: type) -> int:
    return sum(isinstance(x, kind) and getattr(x, "stride", 1) == 2 for x in leaves())


def _head_layers() -> list[object]:
    """What a head of googlenet is made of, in numbers, as the documents list it."""
    own = leaves()
    heads = leaves(aux=True)[len(own) :]
    first = heads[: len(heads) // 2]
    told: list[object] = []
    for layer in first:
        match layer:
            case Pool(kernel=kernel, stride=stride):
                told.append(f"{kernel}/{stride}")
            case Conv(width=width) | Linear(width=width):
                told.append(1000 if width == CLASSES else width)
            case Dropout(probability=probability):
                told.append(probability)
    return told


def _last_dropout() -> float:
    return [layer.probability for layer in leaves() if isinstance(layer, Dropout)][-1]


def _last_conv(network: str) -> Conv:
    return [layer for layer in leaves(network) if isinstance(layer, Conv)][-1]
