"""Stage by stage, the family costs what shared/reference/family.md §1 to §8 says."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from inception.models import MODELS
from inception.models.bn_inception import MODULES, module
from inception.models.cost import Cost, cost
from inception.models.spec import Conv, Layer, Layers, Norm, Spec, map_spec

# family.md §1, convolution biases counted: parameters and multiply-adds
BN_INCEPTION = {
    "conv1": (9_600, 118_013_952),
    "conv2": (4_288 + 111_168, 12_845_056 + 346_816_512),
    "inception_3a": (219_552, 170_999_808),
    "inception_3b": (260_704, 203_112_448),
    "inception_3c": (385_632, 143_904_768),
    "inception_4a": (610_848, 119_218_176),
    "inception_4b": (666_240, 130_056_192),
    "inception_4c": (915_456, 178_827_264),
    "inception_4d": (1_144_000, 223_584_256),
    "inception_4e": (1_451_008, 164_577_280),
    "inception_5a": (2_210_496, 108_079_104),
    "inception_5b": (2_281_248, 111_541_248),
    "classifier": (1_025_000, 1_024_000),
}
INCEPTION_V3 = {  # §3
    "mixed_5b": (255_904, 312_345_600),
    "mixed_5c": (277_472, 338_688_000),
    "mixed_5d": (285_152, 348_096_000),
    "mixed_6a": (1_153_280, 401_937_408),
    "mixed_6b": (1_297_408, 374_063_104),
    "mixed_6c": (1_691_008, 487_702_528),
    "mixed_6d": (1_691_008, 487_702_528),
    "mixed_6e": (2_141_952, 617_914_368),
    "mixed_7a": (1_698_304, 291_004_416),
    "mixed_7b": (5_044_608, 322_437_120),
    "mixed_7c": (6_076_800, 388_497_408),
    "classifier": (2_049_000, 2_048_000),
}
INCEPTION_V4 = {  # §4
    **{f"mixed_5{letter}": (317_632, 387_609_600) for letter in "bcde"},
    "mixed_6a": (2_306_112, 1_097_164_800),
    **{f"mixed_6{letter}": (2_936_256, 847_264_768) for letter in "bcdefgh"},
    "mixed_7a": (2_747_392, 511_098_880),
    **{f"mixed_7{letter}": (4_553_088, 290_979_840) for letter in "bcd"},
    "classifier": (1_537_000, 1_536_000),
}
INCEPTION_RESNET_V1 = {  # §5
    **{f"block35_{i}": (77_440, 94_080_000) for i in range(1, 6)},
    "mixed_6a": (1_710_080, 850_169_856),
    **{f"block17_{i}": (690_048, 198_868_992) for i in range(1, 11)},
    "mixed_7a": (3_346_176, 501_448_704),
    **{f"block8_{i}": (1_600_768, 102_236_160) for i in range(1, 6)},
    "classifier": (1_793_000, 1_792_000),
}
INCEPTION_RESNET_V2 = {  # §6
    "mixed_5b": (268_320, 327_398_400),
    **{f"block35_{i}": (123_168, 149_900_800) for i in range(1, 11)},
    "mixed_6a": (2_664_960, 1_398_185_984),
    **{f"block17_{i}": (1_126_784, 324_937_728) for i in range(1, 21)},
    "mixed_7a": (3_880_960, 585_424_896),
    **{f"block8_{i}": (2_035_424, 130_023_424) for i in range(1, 11)},
    "conv2d_7b_1x1": (3_197_952, 204_472_320),
    "classifier": (1_537_000, 1_536_000),
}
XCEPTION = {  # §7
    "block1": (19_488, 417_478_752),
    "block2": (35_264, 613_262_528),
    "block3": (136_064, 602_097_152),
    "block4": (915_944, 1_060_088_600),
    **{f"block{i}": (1_613_976, 581_068_488) for i in range(5, 13)},
    "block13": (2_039_584, 539_717_360),
    "block14": (4_748_800, 474_163_200),
    "classifier": (2_049_000, 2_048_000),
}
STEMS = {  # everything before the stages above
    "inception_v3": (172_672, 1_340_779_616),
    "inception_v4": (605_728, 2_289_943_648),
    "inception_resnet_v1": (615_552, 1_882_680_416),
    "inception_resnet_v2": (172_672, 1_340_779_616),
    "xception": (0, 0),
}
STAGES: dict[str, Mapping[str, tuple[int, int]]] = {
    "inception_v3": INCEPTION_V3,
    "inception_v4": INCEPTION_V4,
    "inception_resnet_v1": INCEPTION_RESNET_V1,
    "inception_resnet_v2": INCEPTION_RESNET_V2,
    "xception": XCEPTION,
}


def stages_of(counted: Cost) -> dict[str, tuple[int, int]]:
    return {s.name: (s.parameters, s.multiply_adds) for s in counted.stages}


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_costs_what_the_reference_says(name: str) -> None:
    stages, expected = stages_of(cost(MODELS[name])), STAGES[name]
    rest = [counts for stage, counts in stages.items() if stage not in expected]
    assert {stage: stages[stage] for stage in expected} == expected
    assert tuple(map(sum, zip(*rest, strict=True)) if rest else (0, 0)) == STEMS[name]


def convolutions(spec: Spec, change: Mapping[str, object]) -> Spec:
    """The same with other convolutions, those with a norm."""

    def changed(layer: Layer) -> Layers:
        if isinstance(layer, Conv) and layer.norm is not None:
            return replace(layer, **change)
        return layer

    return map_spec(spec, changed)


def test_bn_inception_with_caffe_s_biases_counts_as_caffe_s() -> None:
    counted = cost(convolutions(MODELS["bn_inception"], {"bias": True}))
    stages = {n: c for n, c in stages_of(counted).items() if not n.startswith("pool")}
    assert stages == BN_INCEPTION
    assert counted.parameters == 11_295_240


def test_bn_inception_at_slim_s_widths_and_with_a_separable_stem() -> None:
    paper, slim = MODELS["bn_inception"], MODELS["inception_v2_slim"]
    narrow = {f"inception_{n}": module(MODULES[n]._replace(pool_proj=96)) for n in ("4c", "4d")}
    counted = cost(replace(paper, stages={**paper.stages, **narrow}))
    assert (counted.parameters, counted.multiply_adds) == (11_194_984, 2_018_851_840)
    counted = cost(replace(paper, stages={**paper.stages, "conv1": slim.stages["conv1"]}))
    assert (counted.parameters, counted.multiply_adds) == (11_278_464, 1_948_605_440)


def unscaled(name: str, num_classes: int) -> Cost:
    """With β and without γ, as TF-slim and Keras store their norms."""
    spec = convolutions(MODELS[name], {"norm": Norm(scale=False)})
    return cost(replace(spec, num_classes=num_classes))


@pytest.mark.parametrize(
    ("name", "num_classes", "parameters"),
    [
        ("googlenet_slim", 1001, 6_618_649),
        ("inception_v2_slim", 1001, 11_179_361),
        ("inception_v3", 1000, 23_817_352),
        ("inception_v3", 1001, 23_819_401),
    ],
)
def test_without_scales_the_norms_count_as_tensorflow_s(
    name: str, num_classes: int, parameters: int
) -> None:
    assert unscaled(name, num_classes).parameters == parameters


@pytest.mark.parametrize(
    ("name", "total"), [("inception_v3", 23_851_784), ("inception_resnet_v2", 55_873_736)]
)
def test_keras_counts_the_statistics_too(name: str, total: int) -> None:
    counted = unscaled(name, 1000)
    norms = sum(layer.norm_weights for stage in counted.stages for layer in stage.layers)
    assert counted.parameters + 2 * norms == total  # a mean and a variance for every β


@pytest.mark.parametrize(
    ("name", "num_classes", "parameters"),
    [
        ("inception_v3", 1001, 23_836_617),
        ("inception_v3", 1008, 23_850_960),
        ("inception_resnet_v1_facenet", 10_575, 28_907_599),  # CASIA-WebFace
        ("googlenet_5h", 1000, 7_058_180),
    ],
)
def test_other_classes_count_as_published(name: str, num_classes: int, parameters: int) -> None:
    assert cost(replace(MODELS[name], num_classes=num_classes)).parameters == parameters


@pytest.mark.parametrize(
    ("name", "head", "parameters", "multiply_adds"),
    [
        ("inception_v3", "mixed_6e", 3_326_696, 5_683_200),
        ("inception_v4", "mixed_6h", 3_359_464, 6_502_400),
        ("inception_resnet_v2", "block17_20", 3_367_656, 6_707_200),
    ],
)
def test_heads_count_as_published(
    name: str, head: str, parameters: int, multiply_adds: int
) -> None:
    (counted,) = cost(MODELS[name]).aux
    assert (counted.name, counted.parameters) == (head, parameters)
    assert counted.multiply_adds == multiply_adds


@pytest.mark.parametrize(
    ("name", "count"), [("inception_v3", 94), ("inception_v4", 149), ("bn_inception", 69)]
)
def test_there_are_as_many_convolutions_as_published(name: str, count: int) -> None:
    layers = [layer for stage in cost(MODELS[name]).stages for layer in stage.layers]
    assert sum(layer.kind == "Conv" for layer in layers) == count
    assert sum(layer.kind == "Linear" for layer in layers) == 1


def test_alexnet_in_one_group_costs_more() -> None:
    def together(layer: Layer) -> Layers:
        return replace(layer, groups=1) if isinstance(layer, Conv) else layer

    counted = cost(map_spec(MODELS["alexnet"], together))
    assert (counted.parameters, counted.multiply_adds) == (62_378_344, 1_135_256_096)


def test_lenet_on_colour_pictures() -> None:
    counted = cost(replace(MODELS["lenet5"], in_channels=3))
    assert (counted.parameters, counted.multiply_adds) == (62_006, 651_720)
    grey = stages_of(cost(MODELS["lenet5"]))
    assert grey["c1"][0] == 156 and grey["c5"][0] == 48_120
    assert grey["classifier"][0] == 10_164 + 850


@pytest.mark.parametrize(
    ("name", "stage", "shape"),
    [
        ("inception_v2_rethinking", "conv2d_4b_3x3", (288, 35, 35)),
        ("inception_v3", "mixed_5d", (288, 35, 35)),
        ("inception_v3", "mixed_6e", (768, 17, 17)),
        ("inception_v3", "mixed_7c", (2048, 8, 8)),
        ("inception_v4", "mixed_5a", (384, 35, 35)),
        ("inception_v4", "mixed_6h", (1024, 17, 17)),
        ("inception_v4", "mixed_7d", (1536, 8, 8)),
        ("inception_resnet_v1", "block17_10", (896, 17, 17)),
        ("inception_resnet_v2", "block17_20", (1088, 17, 17)),
        ("inception_resnet_v2_paper", "block8_5", (2144, 8, 8)),
        ("bn_inception", "inception_4e", (1056, 7, 7)),
        ("inception_v2_slim", "inception_4e", (1024, 7, 7)),
        ("xception", "block3", (256, 37, 37)),
        ("xception", "block4", (728, 19, 19)),
        ("xception", "block14", (2048, 10, 10)),
        ("alexnet", "conv1", (96, 55, 55)),
        ("nin", "pool3", (384, 6, 6)),
    ],
)
def test_grids_are_the_published_ones(name: str, stage: str, shape: tuple[int, int, int]) -> None:
    ends = {s.name: tuple(s.end.shape) for s in cost(MODELS[name]).stages}
    assert ends[stage] == shape
