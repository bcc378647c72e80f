"""Costs counted from the tables, against the published figures and against torch itself."""

import math

import pytest
import torch
from torch import nn

from inception.errors import InputError
from inception.models import MODELS
from inception.models.build import build_empty
from inception.models.cost import Shape, cost, smallest_size
from inception.models.googlenet import MODULES

# parameters, with heads, multiply-adds, with heads (shared/reference/googlenet.md §3, family.md §0
# and §8, DESIGN §2; small forms: the published modules on the grids of a 32 px picture)
COUNTS = {
    "googlenet": (6_998_552, 13_378_280, 1_582_671_872, 1_591_044_096),
    "googlenet_bn": (7_005_832, 13_385_816, 1_582_671_872, 1_591_044_096),
    "googlenet_tv": (6_624_904, 13_004_888, 1_498_376_192, 1_506_748_416),
    "googlenet_slim": (6_624_904, 6_624_904, 1_498_376_192, 1_498_376_192),
    "googlenet_5h": (7_066_380, 13_461_996, 1_584_881_536, 1_593_261_952),
    "googlenet_plain": (6_994_392, 6_994_392, 1_569_826_816, 1_569_826_816),
    "googlenet_naive": (97_526_008, 97_526_008, 12_568_061_056, 12_568_061_056),
    "googlenet_small": (6_998_152, 13_378_136, 1_562_157_056, 1_570_529_280),
    "bn_inception": (11_285_224, 11_285_224, 2_032_600_064, 2_032_600_064),
    "inception_v2_slim": (11_188_224, 11_188_224, 1_934_857_216, 1_934_857_216),
    "inception_v2_rethinking": (24_125_544, 24_125_544, 5_697_397_856, 5_697_397_856),
    "inception_v3": (23_834_568, 27_161_264, 5_713_216_096, 5_718_899_296),
    "inception_v3_tv": (23_834_568, 27_161_264, 5_713_216_096, 5_718_899_296),
    "inception_v3_fid": (23_850_960, 23_850_960, 5_713_232_480, 5_713_232_480),
    "inception_v3_small": (23_834_568, 27_161_264, 3_633_181_696, 3_638_864_896),
    "inception_v4": (42_679_816, 46_039_280, 12_253_974_624, 12_260_477_024),
    "inception_v4_small": (42_679_816, 46_039_280, 8_485_319_680, 8_491_822_080),
    "inception_resnet_v1": (22_756_328, 22_756_328, 6_206_361_696, 6_206_361_696),
    "inception_resnet_v1_facenet": (27_910_327, 27_910_327, 1_422_081_376, 1_422_081_376),
    "inception_resnet_v2": (55_843_464, 59_211_120, 13_155_794_016, 13_162_501_216),
    "inception_resnet_v2_paper": (32_433_928, 32_433_928, 9_257_953_632, 9_257_953_632),
    "inception_resnet_v2_small": (55_843_464, 59_211_120, 9_505_462_272, 9_512_169_472),
    "xception": (22_855_952, 22_855_952, 8_357_403_496, 8_357_403_496),
    "xception_timm": (22_855_952, 22_855_952, 8_357_403_496, 8_357_403_496),
    "xception_small": (22_855_952, 22_855_952, 1_361_683_456, 1_361_683_456),
    "lenet5": (61_706, 61_706, 416_520, 416_520),
    "alexnet": (60_965_224, 60_965_224, 724_406_816, 724_406_816),
    "alexnet_tv": (61_100_840, 61_100_840, 714_188_480, 714_188_480),
    "nin": (7_595_176, 7_595_176, 1_100_188_800, 1_100_188_800),
    "nin_small": (966_986, 966_986, 222_486_528, 222_486_528),
    "vgg16": (138_357_544, 138_357_544, 15_470_264_320, 15_470_264_320),
    "vgg16_bn": (138_365_992, 138_365_992, 15_470_264_320, 15_470_264_320),
    "vgg19": (143_667_240, 143_667_240, 19_632_062_464, 19_632_062_464),
    "vgg19_bn": (143_678_248, 143_678_248, 19_632_062_464, 19_632_062_464),
}
# grid, channels, weights, multiply-adds in units of one, receptive field (googlenet.md §1.6, §1.7)
GOOGLENET_ROWS = {
    "conv1": (112, 64, 9_408, 118_013_952, 7),
    "pool1": (56, 64, 0, 0, 11),
    "conv2": (56, 192, 114_688, 359_661_568, 19),
    "pool2": (28, 192, 0, 0, 27),
    "inception_3a": (28, 256, 163_328, 128_049_152, 59),
    "inception_3b": (28, 480, 388_096, 304_267_264, 91),
    "pool3": (14, 480, 0, 0, 107),
    "inception_4a": (14, 512, 375_552, 73_608_192, 171),
    "inception_4b": (14, 512, 448_512, 87_908_352, 235),
    "inception_4c": (14, 512, 509_440, 99_850_240, 299),
    "inception_4d": (14, 528, 604_672, 118_515_712, 363),
    "inception_4e": (14, 832, 867_328, 169_996_288, 427),
    "pool4": (7, 832, 0, 0, 459),
    "inception_5a": (7, 832, 1_042_432, 51_079_168, 587),
    "inception_5b": (7, 1024, 1_442_816, 70_697_984, 715),
    "classifier": (1, 1000, 1_024_000, 1_024_000, 907),
}


def test_the_counts_cover_every_model() -> None:
    assert set(COUNTS) == set(MODELS)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_equal_the_published_ones(name: str) -> None:
    c = cost(MODELS[name])
    got = (
        c.parameters,
        c.parameters_with_aux,
        c.multiply_adds,
        c.multiply_adds_with_aux,
    )
    assert got == COUNTS[name]


@pytest.mark.parametrize("row", range(len(GOOGLENET_ROWS)))
def test_googlenet_equals_table_1_row_by_row(row: int) -> None:
    name, (grid, channels, weights, multiply_adds, field) = list(GOOGLENET_ROWS.items())[row]
    stage = cost(MODELS["googlenet"]).stages[row]
    assert stage.name == name
    assert stage.end.shape == Shape(channels, grid, grid)
    assert sum(layer.weights for layer in stage.layers) == weights
    assert stage.multiply_adds == multiply_adds
    assert stage.end.receptive_field == field


def test_heads_cost_what_the_reference_says() -> None:
    heads = {head.name: head for head in cost(MODELS["googlenet"]).aux}
    first, second = heads["inception_4a"], heads["inception_4d"]
    assert (first.parameters, first.multiply_adds) == (3_188_840, 4_169_728)
    assert (second.parameters, second.multiply_adds) == (3_190_888, 4_202_496)


def test_branches_of_3a_see_27_43_and_59_pixels() -> None:
    stage = next(s for s in cost(MODELS["googlenet"]).stages if s.name == "inception_3a")
    fields = {layer.name: layer.end.receptive_field for layer in stage.layers}
    assert (fields["conv1x1"], fields["conv3x3.conv"], fields["conv5x5.conv"]) == (27, 43, 59)


def test_module_widths_add_up_to_the_channels_of_table_1() -> None:
    channels = {w: sum((m.conv1x1, m.conv3x3, m.conv5x5, m.pool_proj)) for w, m in MODULES.items()}
    assert list(channels.values()) == [256, 480, 512, 512, 512, 528, 832, 832, 1024]


@pytest.mark.parametrize(
    ("name", "multiply_adds", "forward_backward", "parameters", "total"),
    [  # source document 002, figures 16 and 17, a batch of 20
        ("googlenet_bn", 31_821_284_320, 1_034_489_600, 53_543_264, 1_100_075_104),
        ("vgg16", 309_676_420_640, 2_169_073_920, 553_430_176, 2_734_546_336),
    ],
)
def test_torchinfo_figures_equal_source_document_002(
    name: str, multiply_adds: int, forward_backward: int, parameters: int, total: int
) -> None:
    t = cost(MODELS[name]).torchinfo(20)
    assert t.multiply_adds == multiply_adds
    assert t.forward_backward_bytes == forward_backward
    assert (t.input_bytes, t.parameter_bytes) == (12_042_240, parameters)
    assert t.total_bytes == total


class WithHeads(nn.Module):
    """Runs the heads too, as torchinfo must see them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x, aux=True)[0]


@pytest.mark.parametrize("name", ["googlenet", "googlenet_small", "xception", "alexnet", "nin"])
def test_our_torchinfo_rule_is_torchinfo_s(name: str) -> None:
    torchinfo = pytest.importorskip("torchinfo")
    network = build_empty(MODELS[name])
    size = network.image_size
    theirs = torchinfo.summary(
        WithHeads(network), input_size=(3, 3, size, size), device="meta", verbose=0, mode="eval"
    )
    ours = cost(MODELS[name]).torchinfo(3)
    assert ours.multiply_adds == theirs.total_mult_adds
    assert ours.parameter_bytes == theirs.total_param_bytes
    assert ours.forward_backward_bytes == theirs.total_output_bytes


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("extra", [0, 1, 32, 65, 223])
def test_parameters_do_not_depend_on_the_picture_size(name: str, extra: int) -> None:
    spec = MODELS[name]
    assert (
        cost(spec, smallest_size(spec) + extra).parameters_with_aux
        == cost(spec).parameters_with_aux
    )


def test_the_smallest_size_is_what_torch_can_just_compute() -> None:
    spec = MODELS["googlenet"]
    smallest = smallest_size(spec)
    assert smallest == 31
    with pytest.raises(InputError, match="googlenet needs pictures of at least 31 px a side"):
        cost(spec, smallest - 1)
    assert math.prod(cost(spec, smallest).stages[-2].end.shape) == 1024
