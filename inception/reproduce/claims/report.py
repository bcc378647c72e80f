"""Source document 002, a report that rebuilds GoogLeNet and compares it with VGG-16."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from inception.models import get_spec
from inception.models.cost import TorchinfoCost
from inception.models.exits import exit_costs, exit_names
from inception.models.googlenet import MODULES, inception_module
from inception.models.spec import Conv, Linear, Residual
from inception.reproduce.claims.counting import (
    NAMES,
    PAPER,
    channels_into,
    costs,
    count,
    grid_of,
    leaves,
    network_depth,
    shape_after,
    stage,
)
from inception.reproduce.ledger import Check, Claim, above, below, figure, same

D = "document 002"
BATCH = 20
OURS, VGG = "googlenet_bn", "vgg16"


class Torchinfo(NamedTuple):
    """What torchinfo printed, in figures 16 and 17."""

    parameters: str
    multiply_adds: str
    forward_backward: str
    parameter_bytes: str
    total: str


PRINTED = {
    OURS: Torchinfo("13,385,816", "31.82 G", "1034.49 MB", "53.54 MB", "1100.08 MB"),
    VGG: Torchinfo("138,357,544", "309.68 G", "2169.07 MB", "553.43 MB", "2734.55 MB"),
}
NAMED = {OURS: "its GoogLeNet", VGG: "VGG-16"}


def _torchinfo(network: str) -> TorchinfoCost:
    return costs(network).torchinfo(BATCH)


def _printed(network: str) -> list[Claim]:
    """A row for each figure of a network."""
    said, name = PRINTED[network], NAMED[network]
    where, rule = f"{D}, figures 16 and 17", f"torchinfo's rule on {network}, batch of {BATCH}"
    return [
        Claim(
            where,
            f"{name} has {said.parameters} parameters",
            f"{network} with heads: batch norm, no biases in convolutions, true 5×5"
            if network == OURS
            else f"{network}",
            lambda: [figure(said.parameters, costs(network).parameters_with_aux)],
        ),
        Claim(
            where,
            f"{name}: {said.multiply_adds} multiply-adds",
            f"{rule}; the report calls them GFLOPs",
            lambda: [figure(said.multiply_adds, _torchinfo(network).multiply_adds)],
        ),
        Claim(
            where,
            f"{name}: {said.forward_backward} forward and backward",
            f"{rule}: outputs of layers with parameters, twice, 4 bytes",
            lambda: [figure(said.forward_backward, _torchinfo(network).forward_backward_bytes)],
        ),
        Claim(
            where,
            f"{name}: {said.parameter_bytes} of parameters",
            "4 bytes a parameter, heads included",
            lambda: [figure(said.parameter_bytes, _torchinfo(network).parameter_bytes)],
        ),
        Claim(
            where,
            f"{name}: {said.total} all together",
            f"{rule}: input, forward and backward, parameters",
            lambda: [figure(said.total, _torchinfo(network).total_bytes)],
        ),
    ]


def _ratios() -> list[Check]:
    """Of VGG-16 to the report's GoogLeNet, in all that its figures give."""
    vgg, ours = _torchinfo(VGG), _torchinfo(OURS)
    names = {
        "multiply_adds": "multiply-adds",
        "forward_backward_bytes": "forward and backward memory",
        "total_bytes": "all memory",
    }
    return [
        figure("27×", getattr(vgg, field) / getattr(ours, field), name)
        for field, name in names.items()
    ]


def _exits() -> list[Check]:
    spec = get_spec(PAPER)
    used = replace(spec, aux={})  # heads are for training: inference leaves them out
    spent = exit_costs(spec)["inception_4a"] / costs().multiply_adds
    return [
        figure("3", len(exit_names(spec)), "in training, or with --exit-confidence"),
        figure("3", len(exit_names(used)), "in inference, as the paper has it"),
        below("100 %", spent, "computed by the first exit"),
    ]


def _kept_grid() -> list[Check]:
    """Padding that keeps the grid, doubled, against the kernel."""
    return [
        Check(
            f"2 × padding = {kernel}",
            f"2 × {kernel // 2} = {2 * (kernel // 2)}",
            _keeps(kernel, kernel // 2) and 2 * (kernel // 2) == kernel,
            f"kernel {kernel}",
        )
        for kernel in (1, 3, 5, 7)
    ]


def _keeps(kernel: int, padding: int) -> bool:
    return shape_after(Conv(8, kernel=kernel, padding=padding), 8, 28).height == 28


def _stem(network: str) -> str:
    """The convolutions of a network's first stage, ``kernel/stride``."""
    first = stage("conv1", network)
    number = sum(layer.kind == "Conv" for layer in first.layers)
    conv = next(layer for layer in leaves(network) if isinstance(layer, Conv))
    return f"{number} of {conv.kernel}×{conv.kernel}/{conv.stride}"


def _grids() -> list[int]:
    """Sides of the grid, each once, in order."""
    sides = [s.end.shape.height for s in costs().stages if s.name != "classifier"]
    return list(dict.fromkeys(sides))


def _test_tensor() -> list[Check]:
    shape = shape_after(inception_module(MODULES["3a"]), 192, 28)
    return [same("[30, 256, 28, 28]", [30, *shape].__repr__())]


def _module_grids() -> list[Check]:
    return [
        same(
            f"{grid_of(name)}×{grid_of(name)}",
            "{1}×{2}".format(
                *shape_after(inception_module(MODULES[name]), channels_into(name), grid_of(name))
            ),
            name,
        )
        for name in NAMES
    ]


def _head_features() -> list[Check]:
    hidden = next(layer for layer in costs(OURS).aux[0].layers if layer.kind == "Linear")
    return [figure("2048", hidden.weights / hidden.end.shape.channels)]


def _biases(network: str) -> int:
    parts = (*costs(network).stages, *costs(network).aux)
    return sum(x.biases for part in parts for x in part.layers if x.kind == "Conv")


def _convs(network: str, **wanted: object) -> int:
    return count(network, Conv, aux=True, **wanted)


REPORT: tuple[Claim, ...] = (
    *(claim for network in PRINTED for claim in _printed(network)),
    Claim(
        f"{D}, figures 16 and 17",
        "12.04 MB of input",
        f"{BATCH} pictures of 3·224·224 values of 4 bytes",
        lambda: [figure("12.04 MB", _torchinfo(OURS).input_bytes)],
    ),
    Claim(
        f"{D}, figures 16 and 17",
        "figure 16 is VGG, figure 17 GoogLeNet",
        "parameters of the network each caption names: the captions are swapped",
        lambda: [
            figure(PRINTED[OURS].parameters, costs(VGG).parameters, "figure 16, VGG"),
            figure(PRINTED[VGG].parameters, costs(OURS).parameters_with_aux, "figure 17, ours"),
        ],
    ),
    Claim(
        f"{D}, §5",
        "GoogLeNet uses more parameters than VGG",
        "googlenet_bn with heads against vgg16",
        lambda: [above(PRINTED[VGG].parameters, costs(OURS).parameters_with_aux)],
    ),
    Claim(
        f"{D}, §5",
        "27 times faster than VGG",
        "vgg16 ÷ googlenet_bn by torchinfo; 27 is nearer VGG's 138 M ÷ 5 M parameters",
        _ratios,
    ),
    Claim(
        f"{D}, abstract",
        "100 convolution layers",
        "convolutions of googlenet; the paper speaks of building blocks",
        lambda: [
            figure("100", count(PAPER, Conv), "without heads"),
            figure("100", count(PAPER, Conv, aux=True), "with heads"),
        ],
    ),
    Claim(
        f"{D}, abstract",
        "22 layers",
        "convolutions and linear layers on the longest way",
        lambda: [figure("22", network_depth(PAPER, Conv, Linear))],
    ),
    Claim(
        f"{D}, §1",
        "12 times fewer parameters than Krizhevsky's",
        "alexnet ÷ googlenet",
        lambda: [figure("12×", costs("alexnet").parameters / costs().parameters)],
    ),
    Claim(
        f"{D}, §3.1",
        "a module's grid goes out as it came in",
        "shapes of all nine modules",
        _module_grids,
    ),
    Claim(
        f"{D}, §3.1",
        "the 5×5 convolution has padding 1",
        "side of a 28×28 grid after it",
        lambda: [
            figure("28", shape_after(Conv(32, kernel=5, padding=1), 16, 28).height, "padding 1")
        ],
    ),
    Claim(
        f"{D}, §3.2",
        "three exits, for speed and different needs",
        "exits of googlenet; multiply-adds to the first, heads after 4a and 4d",
        _exits,
    ),
    Claim(
        f"{D}, §3.2",
        "five stages, each halving the grid",
        "sides of the grid of googlenet at 224 px",
        lambda: [same((112, 56, 28, 14, 7), _grids())],
    ),
    Claim(
        f"{D}, §3.2",
        "the first stage is VGG's",
        "convolutions of the first stage of vgg16 and of googlenet",
        lambda: [same(_stem(VGG), _stem(PAPER))],
    ),
    Claim(
        f"{D}, §3.2",
        "the second stage's 1×1 lowers the number of channels",
        "channels into and out of conv2's 1×1",
        lambda: [
            below(
                str(stage("pool1").end.shape.channels),
                stage("conv2").layers[0].end.shape.channels,
            )
        ],
    ),
    Claim(
        f"{D}, §4.1",
        "convolutions of GoogLeNet have no biases",
        "biases of convolutions, heads included",
        lambda: [
            figure("0", _biases(PAPER), "as published"),
            figure("0", _biases(OURS), "with batch norm, as the report builds it"),
        ],
    ),
    Claim(
        f"{D}, figure 11",
        "3a makes [30, 256, 28, 28] of [30, 192, 28, 28]",
        "shape of a module of 3a's widths",
        _test_tensor,
    ),
    Claim(
        f"{D}, figure 13",
        "the head's first linear layer has 2048 inputs",
        "4·4·128, after the 5×5/3 pool",
        _head_features,
    ),
    Claim(
        f"{D}, §4.5(a)",
        "the grid is kept where 2 × padding = kernel",
        "padding (kernel − 1) ÷ 2 keeps it",
        _kept_grid,
    ),
    Claim(
        f"{D}, §4.5(e)",
        "heads after 4a and 4b",
        "googlenet's spec; the report's own code has 4a and 4d",
        lambda: [
            same("4a, 4b", ", ".join(n.removeprefix("inception_") for n in get_spec(PAPER).aux))
        ],
    ),
    Claim(
        f"{D}, §8",
        "GoogLeNet brought in batch normalisation",
        "layers with batch norm, as published",
        lambda: [above("0", sum(getattr(x, "norm", None) is not None for x in leaves(PAPER)))],
    ),
    Claim(
        f"{D}, §7.1",
        "V3 has two 3×3 in place of 5×5",
        "5×5 convolutions in the released network, its head aside",
        lambda: [
            figure("0", count("inception_v3", Conv, kernel=5), "5×5 left"),
            above("0", count("inception_v3", Conv, kernel=3), "3×3"),
        ],
    ),
    Claim(
        f"{D}, §7.1",
        "V3 has 7×7 as 1×7 and 7×1",
        "such convolutions in the released network",
        lambda: [
            figure("0", _convs("inception_v3", kernel=7), "7×7 left"),
            above("0", _convs("inception_v3", kernel=(1, 7)), "1×7"),
            above("0", _convs("inception_v3", kernel=(7, 1)), "7×1"),
        ],
    ),
    Claim(
        f"{D}, §7.1",
        "V3 has depthwise separable convolutions",
        "depthwise ones among its convolutions; Xception has them",
        lambda: [above("0", _depthwise("inception_v3"), "V3")],
    ),
    Claim(
        f"{D}, §7.2",
        "V4 is deeper than V3 and has more modules",
        "convolutions on the longest way; stages of branches",
        lambda: [
            above(str(_depth("inception_v3")), _depth("inception_v4"), "depth"),
            above(str(_modules("inception_v3")), _modules("inception_v4"), "modules"),
        ],
    ),
    Claim(
        f"{D}, §7.2",
        "V4 brings Inception-ResNet modules",
        "stages with a residual; V4 has none, Inception-ResNet is a network beside it",
        lambda: [above("0", _residuals("inception_v4"), "V4")],
    ),
)


def _depthwise(network: str) -> int:
    return sum(isinstance(x, Conv) and (x.multiplier is not None) for x in leaves(network))


def _depth(network: str) -> int:
    return network_depth(network, Conv)


def _modules(network: str) -> int:
    return sum(s.name.startswith("mixed") for s in costs(network).stages)


def _residuals(network: str) -> int:
    return sum(isinstance(stage, Residual) for stage in get_spec(network).stages.values())
