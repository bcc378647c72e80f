"""The rest of "Going Deeper with Convolutions" (arXiv:1409.4842): its text and Tables 2 to 5."""

from __future__ import annotations

from itertools import pairwise

from inception.data.crops import crops
from inception.models import get_spec
from inception.models.googlenet import MODULES
from inception.models.spec import (
    Branches,
    Conv,
    Dropout,
    Linear,
    LocalResponseNorm,
    Pool,
    separable,
)
from inception.preprocessing import Preprocessing
from inception.reproduce.claims.counting import (
    NAMES,
    PAPER,
    amount,
    costs,
    leaves,
    network_depth,
    shape_after,
    stage,
)
from inception.reproduce.ledger import (
    Check,
    Claim,
    about,
    above,
    below,
    figure,
    figure_between,
    same,
)

P = "arXiv:1409.4842"

# Table 3: models, crops, cost, top-5 error in %, compared to base
TABLE3 = (
    (1, 1, "1", 10.07, "0"),
    (1, 10, "10", 9.15, "−0.92"),
    (1, 144, "144", 7.89, "−2.18"),
    (7, 1, "7", 8.09, "−1.98"),
    (7, 10, "70", 7.62, "−2.45"),
    (7, 144, "1008", 6.67, "−3.45"),
)
ERROR, SUPERVISION, CLARIFAI = 6.67, 15.3, 11.2  # Table 2, top-5 in %, with external data
SUPERVISION_ALONE, CLARIFAI_ALONE = 16.4, 11.7  # without
SINGLE_MAP, ENSEMBLE_MAP = 38.02, 43.9  # Tables 5 and 4, in %
PROPOSALS = 2403  # R-CNN's, a picture, on its validation split (arXiv:1311.2524)


def _budget() -> list[Check]:
    plain = costs().multiply_adds
    conv1 = stage("conv1").multiply_adds
    other = amount(separable(64, kernel=7, stride=2, multiplier=8), 3, 224).multiply_adds
    return [
        figure("1.5 G", plain, "as printed"),
        figure("1.5 G", plain - conv1 + other, "with a separable conv1"),
    ]


def _blocks(*, heads: bool) -> int:
    """Layers of any kind: with concatenations and softmax, without flattening."""
    kinds = (Conv, Linear, Pool, LocalResponseNorm, Dropout)
    layers = sum(isinstance(layer, kinds) for layer in leaves(aux=heads))
    concatenations = sum(isinstance(s, Branches) for s in get_spec(PAPER).stages.values())
    softmaxes = 1 + len(get_spec(PAPER).aux) * heads
    return layers + concatenations + softmaxes


def _crops() -> list[Check]:
    sizes = {"landscape": (480, 640), "portrait": (640, 480), "square": (500, 500)}
    return [
        figure("144", len(crops(*size, Preprocessing(), 144)), name) for name, size in sizes.items()
    ]


def _reduction(said: str, before: float, alone: float, name: str) -> list[Check]:
    """Relative to an error with external data and to that without, rounding of inputs allowed."""
    low, high = (1 - (ERROR + e) / (before - 10 * e) for e in (0.005, -0.005))
    return [
        figure(said, 1 - ERROR / before, f"{name} with external data, {before} %"),
        figure_between(said, low, high, "the same, as far as rounding allows"),
        figure(said, 1 - ERROR / alone, f"{name} without, {alone} %"),
    ]


def _share(name: str) -> float:
    """Of a module's outputs, those of 3×3 and 5×5 convolutions."""
    w = MODULES[name]
    return (w.conv3x3 + w.conv5x5) / (w.conv1x1 + w.conv3x3 + w.conv5x5 + w.pool_proj)


def _rising_shares() -> list[Check]:
    return [
        Check(
            f"over {100 * _share(before):.1f} %",
            f"{100 * _share(after):.1f} %",
            _share(after) > _share(before),
            f"{before} to {after}",
        )
        for before, after in pairwise(NAMES)
    ]


def _head_inputs() -> list[Check]:
    shapes = [
        (*shape_after(Pool("average", kernel=5, stride=3), *head.end.shape[:2]),)
        for head in (stage("inception_4a"), stage("inception_4d"))
    ]
    told = [f"{h}×{w}×{c}" for c, h, w in shapes]
    return [same("4×4×512", told[0], "after 4a"), same("4×4×528", told[1], "after 4d")]


def _quadratic() -> list[Check]:
    narrow, wide = (amount(Conv(f * 64, kernel=3), f * 64, 28).multiply_adds for f in (1, 2))
    return [figure("4×", wide / narrow, "filters doubled")]


def _naive() -> list[Check]:
    modules = [f"inception_{name}" for name in NAMES]
    naive, reduced = (
        sum(stage(m, n).multiply_adds for m in modules) for n in ("googlenet_naive", PAPER)
    )
    ends = {n: stage(f"inception_{n}", "googlenet_naive").end.shape.channels for n in NAMES}
    return [
        above("1×", naive / reduced, "multiply-adds of all nine modules"),
        *(above(f"{ends[a]:,}", ends[b], f"channels, {a} to {b}") for a, b in pairwise(NAMES)),
    ]


def _speed() -> list[Check]:
    ratio = costs("vgg16").multiply_adds / costs().multiply_adds
    return [
        above("2×", ratio, "at least, in multiply-adds of VGG-16"),
        below("3×", ratio, "at most"),
    ]


def _weight_layers(*more: type) -> int:
    return network_depth(PAPER, Conv, Linear, *more)


TEXT: tuple[Claim, ...] = (
    Claim(
        f"{P}, §1",
        "12× fewer parameters than Krizhevsky's network",
        "alexnet ÷ googlenet; 12 needs 60 M ÷ 5 M, and this network has 7 M",
        lambda: [figure("12×", costs("alexnet").parameters / costs().parameters)],
    ),
    Claim(
        f"{P}, §1",
        "a budget of 1.5 billion multiply-adds",
        "multiply-adds of all layers at 224 px",
        _budget,
    ),
    Claim(
        f"{P}, §3",
        "two chained layers: filters up evenly, computation up by the square",
        "a 3×3 convolution between widened layers, width_in × width_out",
        _quadratic,
    ),
    Claim(
        f"{P}, §4",
        "the share of 3×3 and 5×5 should rise towards higher layers",
        "(#3×3 + #5×5) ÷ depth of each module against the one before",
        _rising_shares,
    ),
    Claim(
        f"{P}, §4",
        "naive modules blow up within a few stages",
        "googlenet_naive, Figure 2(a), against googlenet",
        _naive,
    ),
    Claim(
        f"{P}, §4",
        "2–3× faster than networks of like quality without Inception",
        "multiply-adds of vgg16 ÷ googlenet; seconds are not multiply-adds",
        _speed,
    ),
    Claim(
        f"{P}, §5",
        "22 layers deep, counting those with parameters",
        "convolutions and linear layers on the longest way",
        lambda: [figure("22", _weight_layers())],
    ),
    Claim(
        f"{P}, §5",
        "27 layers with pools",
        "the same with pools",
        lambda: [figure("27", _weight_layers(Pool))],
    ),
    Claim(
        f"{P}, §5",
        "about 100 independent building blocks",
        "convolutions, linear, pools, LRN, dropout, concatenations, softmax",
        lambda: [
            about("100", _blocks(heads=False), "as used"),
            about("100", _blocks(heads=True), "with both heads"),
        ],
    ),
    Claim(
        f"{P}, §5",
        "a receptive field of 224×224",
        "the largest of a value of inception_5b; the picture's side",
        lambda: [
            figure("224 px", stage("inception_5b").end.receptive_field, "of the last module"),
            figure("224 px", costs().image.height, "of the picture, as input size"),
        ],
    ),
    Claim(
        f"{P}, §5",
        "the heads' 5×5/3 pool gives 4×4×512 after 4a and 4×4×528 after 4d",
        "shapes",
        _head_inputs,
    ),
    Claim(
        f"{P}, §5",
        "dropout of 40 % before the classifier, 70 % in the heads",
        "googlenet's spec",
        lambda: [
            figure("40 %", _dropout("classifier"), "classifier"),
            figure("70 %", _dropout("heads"), "heads"),
        ],
    ),
    Claim(
        f"{P}, Table 2, §7",
        "56.5 % less error than SuperVision",
        f"1 − {ERROR} ÷ the other's top-5 error",
        lambda: _reduction("56.5 %", SUPERVISION, SUPERVISION_ALONE, "SuperVision"),
    ),
    Claim(
        f"{P}, Table 2, §7",
        "about 40 % less error than Clarifai",
        f"1 − {ERROR} ÷ the other's top-5 error",
        lambda: [
            about("40 %", 1 - ERROR / CLARIFAI, f"with external data, {CLARIFAI} %"),
            about("40 %", 1 - ERROR / CLARIFAI_ALONE, f"without, {CLARIFAI_ALONE} %"),
        ],
    ),
    Claim(
        f"{P}, §7",
        "144 crops of a picture",
        "crops made: 4 scales × 3 squares × 6 × mirror",
        _crops,
    ),
    Claim(
        f"{P}, Table 3",
        "cost in network evaluations",
        "models × crops",
        lambda: [figure(cost, m * c, f"{m} × {c}") for m, c, cost, *_ in TABLE3],
    ),
    Claim(
        f"{P}, Table 3",
        "top-5 error compared to base, in points",
        f"the row's error − {TABLE3[0][3]}",
        lambda: [
            figure(said, error - TABLE3[0][3], f"{m} × {c}") for m, c, _, error, said in TABLE3[1:]
        ],
    ),
    Claim(
        f"{P}, §8",
        "about 60 % of R-CNN's proposals",
        f"({PROPOSALS:,} ÷ 2 + 200) ÷ {PROPOSALS:,}: superpixels doubled, MultiBox added",
        lambda: [about("60 %", (PROPOSALS / 2 + 200) / PROPOSALS)],
    ),
    Claim(
        f"{P}, §8",
        "an ensemble improves detection from 40 % to 43.9 %",
        "its own Table 5, a single model, and Table 4",
        lambda: [
            figure("40 %", SINGLE_MAP / 100, "from"),
            figure("43.9 %", ENSEMBLE_MAP / 100, "to"),
        ],
    ),
)


def _dropout(where: str) -> float:
    """The dropout of the classifier or of the heads; NaN were there several."""
    own = {layer.probability for layer in leaves() if isinstance(layer, Dropout)}
    every = {layer.probability for layer in leaves(aux=True) if isinstance(layer, Dropout)}
    found = own if where == "classifier" else every - own
    return found.pop() if len(found) == 1 else float("nan")
