"""The layer kinds express the whole family: three networks as tables, by reference/family.md."""

from dataclasses import replace

import pytest
import torch

from inception.models.build import build_empty
from inception.models.cost import cost
from inception.models.spec import (
    CLASSES,
    Activation,
    Branches,
    Conv,
    Flatten,
    Layers,
    Linear,
    Norm,
    Pair,
    Pool,
    Residual,
    Spec,
    branches,
    separable,
)
from inception.preprocessing import Preprocessing

NORM = Norm(eps=1e-3)
HALVE = Pool("max", kernel=3, stride=2)
AVERAGE = Pool("average", kernel=3, padding=1, count_pad=False)
HEAD: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "logits": Linear(CLASSES),
}


def conv(width: int, kernel: Pair = 1, stride: int = 1, *, valid: bool = False) -> Conv:
    return Conv(width, kernel, stride, padding=0 if valid else "half", norm=NORM)


def down(width: int) -> Conv:
    return conv(width, 3, 2, valid=True)


def chain(*layers: Layers) -> dict[str, Layers]:
    return {f"layer{i}": layer for i, layer in enumerate(layers)}


def aux(width: int) -> dict[str, Layers]:
    pool = Pool("average", kernel=5, stride=3)
    hidden = conv(width, 5, valid=True)
    flat = {"flatten": Flatten(), "logits": Linear(CLASSES)}
    return {"pool": pool, "reduce": conv(128), "hidden": hidden, **flat}


def split(width: int) -> Branches:
    return branches(across=conv(width, (1, 3)), down=conv(width, (3, 1)))


STEM_V3: dict[str, Layers] = {
    "conv2d_1a": down(32),
    "conv2d_2a": conv(32, 3, valid=True),
    "conv2d_2b": conv(64, 3),
    "pool_3a": HALVE,
    "conv2d_3b": conv(80),
    "conv2d_4a": conv(192, 3, valid=True),
    "pool_5a": HALVE,
}


def v3_a(pool: int) -> Branches:
    return branches(
        conv1x1=conv(64),
        conv5x5=chain(conv(48), conv(64, 5)),
        double3x3=chain(conv(64), conv(96, 3), conv(96, 3)),
        pool=chain(AVERAGE, conv(pool)),
    )


def v3_c(c: int) -> Branches:
    double = (conv(c), conv(c, (7, 1)), conv(c, (1, 7)), conv(c, (7, 1)), conv(192, (1, 7)))
    return branches(
        conv1x1=conv(192),
        conv7x7=chain(conv(c), conv(c, (1, 7)), conv(192, (7, 1))),
        double7x7=chain(*double),
        pool=chain(AVERAGE, conv(192)),
    )


def v3_e() -> Branches:
    return branches(
        conv1x1=conv(320),
        conv3x3=chain(conv(384), split(384)),
        double3x3=chain(conv(448), conv(384, 3), split(384)),
        pool=chain(AVERAGE, conv(192)),
    )


INCEPTION_V3 = Spec(
    "inception_v3",
    {
        **STEM_V3,
        "mixed_5b": v3_a(32),
        "mixed_5c": v3_a(64),
        "mixed_5d": v3_a(64),
        "mixed_6a": branches(
            conv3x3=down(384), double3x3=chain(conv(64), conv(96, 3), down(96)), pool=HALVE
        ),
        "mixed_6b": v3_c(128),
        "mixed_6c": v3_c(160),
        "mixed_6d": v3_c(160),
        "mixed_6e": v3_c(192),
        "mixed_7a": branches(
            conv3x3=chain(conv(192), down(320)),
            conv7x7=chain(conv(192), conv(192, (1, 7)), conv(192, (7, 1)), down(192)),
            pool=HALVE,
        ),
        "mixed_7b": v3_e(),
        "mixed_7c": v3_e(),
    },
    HEAD,
    aux={"mixed_6e": aux(768)},
    preprocessing=Preprocessing(size=299),
)


def residual(width: int, scale: float, relu: bool = True, **named: Layers) -> Residual:
    """Branches, a 1x1 convolution with bias back to the width, scaled and added."""
    up = Conv(width, activation=None, bias=True)
    body = {"branches": Branches(named), "up": up}
    return Residual(body, scale=scale, activation="relu" if relu else None)


def block35() -> Residual:
    double = chain(conv(32), conv(48, 3), conv(64, 3))
    return residual(320, 0.17, a=conv(32), b=chain(conv(32), conv(32, 3)), c=double)


def block17() -> Residual:
    long = chain(conv(128), conv(160, (1, 7)), conv(192, (7, 1)))
    return residual(1088, 0.10, a=conv(192), b=long)


def block8(scale: float = 0.20, relu: bool = True) -> Residual:
    long = chain(conv(192), conv(224, (1, 3)), conv(256, (3, 1)))
    return residual(2080, scale, relu, a=conv(192), b=long)


INCEPTION_RESNET_V2 = Spec(
    "inception_resnet_v2",
    {
        **STEM_V3,
        "mixed_5b": branches(
            conv1x1=conv(96),
            conv5x5=chain(conv(48), conv(64, 5)),
            double3x3=chain(conv(64), conv(96, 3), conv(96, 3)),
            pool=chain(AVERAGE, conv(64)),
        ),
        **{f"block35_{i}": block35() for i in range(1, 11)},
        "mixed_6a": branches(
            conv3x3=down(384), double3x3=chain(conv(256), conv(256, 3), down(384)), pool=HALVE
        ),
        **{f"block17_{i}": block17() for i in range(1, 21)},
        "mixed_7a": branches(
            conv3x3=chain(conv(256), down(384)),
            other3x3=chain(conv(256), down(288)),
            double3x3=chain(conv(256), conv(288, 3), down(320)),
            pool=HALVE,
        ),
        **{f"block8_{i}": block8() for i in range(1, 10)},
        "block8_10": block8(1.0, relu=False),
        "conv2d_7b": conv(1536),
    },
    HEAD,
    aux={"block17_20": aux(768)},
    preprocessing=Preprocessing(size=299),
)


def entry(width: int, first: Layers) -> Residual:
    """Two separable convolutions and a pool, beside a 1x1 convolution at stride 2."""
    shortcut = Conv(width, stride=2, norm=NORM, activation=None)
    pool = Pool("max", kernel=3, stride=2, padding="same")
    body = {"relu1": first, "sep1": sep(width), "relu2": Activation(), "sep2": sep(width)}
    return Residual({**body, "pool": pool}, shortcut=shortcut, activation=None)


def sep(width: int) -> Layers:
    return separable(width, norm=NORM, activation=None)


def middle() -> Residual:
    body = {f"{n}{i}": Activation() if n == "relu" else sep(728)
            for i in (1, 2, 3) for n in ("relu", "sep")}  # fmt: skip
    return Residual(body, activation=None)


def block13() -> Residual:
    last = entry(1024, Activation())
    return replace(last, body={**last.body, "sep1": sep(728)})


XCEPTION = Spec(
    "xception",
    {
        "block1": chain(down(32), conv(64, 3, valid=True)),
        "block2": entry(128, {}),
        "block3": entry(256, Activation()),
        "block4": entry(728, Activation()),
        **{f"block{i}": middle() for i in range(5, 13)},
        "block13": block13(),
        "block14": chain(separable(1536, norm=NORM), separable(2048, norm=NORM)),
    },
    HEAD,
    preprocessing=Preprocessing(size=299),
)

FAMILY = {
    "inception_v3": (INCEPTION_V3, 23_834_568, 27_161_264, 5_713_216_096, 5_718_899_296),
    "inception_resnet_v2": (
        INCEPTION_RESNET_V2,
        55_843_464,
        59_211_120,
        13_155_794_016,
        13_162_501_216,
    ),
    "xception": (XCEPTION, 22_855_952, 22_855_952, 8_357_403_496, 8_357_403_496),
}


@pytest.mark.parametrize("name", FAMILY)
def test_the_tables_of_the_family_count_as_published(name: str) -> None:
    spec, *expected = FAMILY[name]
    c = cost(spec)
    got = [c.parameters, c.parameters_with_aux, c.multiply_adds, c.multiply_adds_with_aux]
    assert got == expected


@pytest.mark.parametrize("name", FAMILY)
def test_the_tables_of_the_family_build(name: str) -> None:
    spec, _, parameters, *_ = FAMILY[name]
    network = build_empty(spec).eval()
    assert sum(p.numel() for p in network.parameters()) == parameters
    with torch.no_grad():
        logits, heads = network(torch.empty(1, 3, 299, 299, device="meta"), aux=True)
    assert logits.shape == (1, 1000)
    assert set(heads) == set(spec.aux)


@pytest.mark.parametrize(
    ("spec", "stage", "shape"),
    [
        (INCEPTION_V3, "mixed_5d", (288, 35, 35)),
        (INCEPTION_V3, "mixed_6e", (768, 17, 17)),
        (INCEPTION_V3, "mixed_7c", (2048, 8, 8)),
        (INCEPTION_RESNET_V2, "block17_20", (1088, 17, 17)),
        (XCEPTION, "block3", (256, 37, 37)),
        (XCEPTION, "block14", (2048, 10, 10)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_grids_are_the_published_ones(spec: Spec, stage: str, shape: tuple[int, int, int]) -> None:
    ends = {s.name: tuple(s.end.shape) for s in cost(spec).stages}
    assert ends[stage] == shape
