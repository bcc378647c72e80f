"""A detector is a table: made of any classifier, to JSON and back, counted, lowered, one file."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from small_detectors import SMALL, small_detector, small_network, write_detector

from inception.detection.detector import Detector, Mode, design, detector_cost, origin
from inception.detection.detector_file import DetectorInfo, find_detector, read_detector
from inception.detection.engine import programs
from inception.errors import InputError
from inception.models import MODELS
from inception.models.build import build_layers
from inception.models.cost import cost
from inception.models.shapes import Position, Shape
from inception.models.spec import Conv, Layers, Pool
from inception.weights.model_file import read_info, read_weights


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("name", MODELS)
def test_any_network_becomes_a_detector_that_goes_to_json_and_back(name: str, mode: Mode) -> None:
    detector = design(MODELS[name], ("cat", "dog"), mode, context_px=1)
    assert Detector.from_json(detector.to_json()) == detector
    assert detector.network.num_classes == (3 + 8 if mode == "fast" else 3)
    own = cost(detector.network)
    told = detector_cost(detector, 1)
    assert told.parameters == own.parameters
    if mode == "rcnn":  # a region costs what a picture of its size does
        assert told.multiply_adds == own.multiply_adds


def test_a_detector_pools_the_last_stage_before_the_grid_is_halved_for_the_last_time() -> None:
    assert design(MODELS["googlenet"], ("a",)).stage == "inception_4e"
    assert design(MODELS["googlenet"], ("a",)).grid == 14
    assert design(MODELS["inception_v3"], ("a",)).stage == "mixed_6e"


def test_a_thousand_regions_cost_one_backbone_and_a_thousand_heads_in_fast() -> None:
    fast, rcnn = (small_detector(mode, boxes=False) for mode in get_args(Mode))
    one, many = detector_cost(fast, 1), detector_cost(fast, 1000)
    assert many.multiply_adds - one.multiply_adds == 999 * one.head
    whole = cost(rcnn.network).multiply_adds
    assert detector_cost(rcnn, 1000).multiply_adds == 1000 * whole


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a stage that is none": ({"stage": "c9"}, "no stage with others after it named 'c9'"),
    "the last stage": ({"stage": "top"}, "named 'top'"),
    "a class twice": ({"classes": ("a", "a")}, "each once"),
    "a class without a name": ({"classes": ("a", "")}, "names"),
    "too few outputs": ({"classes": ("a", "b", "c")}, "16 outputs"),
    "nothing but context": ({"context_px": 16}, "context_px"),
    "an unknown mode": ({"mode": "faster"}, "mode of a detector must be 'fast' or 'rcnn'"),
    "a picture without room": ({"picture_size": 1}, "from 16 to 8192"),
    "no share": ({"overlap": 1.5}, "overlap of a detector"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_detector_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as told:
        replace(small_detector(), **change)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("values", [[], {}, {"network": 3, "stage": "c2", "classes": ["a"]}, None])
def test_json_that_is_no_detector_is_refused(values: Any) -> None:
    with pytest.raises(InputError):
        Detector.from_json(values)


GEOMETRY: dict[str, dict[str, Layers]] = {
    "half": {"c": Conv(1, kernel=3, stride=2)},
    "even kernels": {
        "c": Conv(1, kernel=4, stride=2, padding=1),
        "d": Conv(1, kernel=2, padding=0),
    },
    "same": {"c": Conv(1, kernel=3, stride=2, padding="same"), "d": Pool("average", 3, 2)},
    "ceil pools": {
        "c": Conv(1, kernel=7, stride=2),
        "p": Pool("average", 3, 2, ceil=True),
        "d": Conv(1, kernel=3),
        "q": Pool("average", 3, 2, ceil=True),
    },
}


@pytest.mark.parametrize("stages", GEOMETRY.values(), ids=GEOMETRY)
def test_the_origin_is_the_middle_of_what_a_cell_sees(stages: dict[str, Layers]) -> None:
    """Weights of 1: a cell's gradient covers just the pixels it sees, evenly about their middle."""
    spec = replace(SMALL, stages=stages, in_channels=1, preprocessing=replace(
        SMALL.preprocessing, channel_order="grey", mean=(0.0,), std=(1.0,), size=48
    ))  # fmt: skip
    at, module = Position(Shape(1, 48, 48)), build_layers(stages, Position(Shape(1, 48, 48)))
    for name, parameter in module.named_parameters():
        torch.nn.init.constant_(parameter, 0 if name.endswith("bias") else 1)
    x = torch.ones(1, 1, 48, 48, requires_grad=True)
    found, cell = origin(spec), 2
    module(x)[0, 0, cell, cell].backward()
    assert x.grad is not None and at.stride == 1
    weight = x.grad[0, 0].sum(dim=1)
    middle = float((weight * (torch.arange(48) + 0.5)).sum() / weight.sum())
    assert middle == pytest.approx(found.first + cell * found.stride)


def test_a_detector_is_one_file_that_describes_itself(tmp_path: Path) -> None:
    detector = small_detector()
    path = write_detector(tmp_path / "model.safetensors", detector)
    assert find_detector(tmp_path) == path
    assert read_detector(path).detector == detector
    assert programs(detector, read_weights(path)).head.start_shape == (8, 8, 8)
    with pytest.raises(InputError, match=r"is a detector .* inception detect predict"):
        read_info(path)
    with pytest.raises(InputError, match=r"is a classifier; .* inception detect train"):
        read_detector(Path(__file__).parents[2] / "inception/weights/cats-and-dogs.safetensors")
    with pytest.raises(InputError, match="no such detector"):
        find_detector(tmp_path / "nowhere")
    with pytest.raises(InputError, match="format 2 is newer"):
        DetectorInfo.from_json({**DetectorInfo(detector).to_json(), "format": 2})


def test_weights_that_do_not_fit_are_refused() -> None:
    detector = small_detector()
    weights = {n: t.numpy() for n, t in small_network(detector).state_dict().items() if t.ndim}
    del weights["top.conv.weight"]
    with pytest.raises(InputError, match="do not fit"):
        programs(detector, weights)
