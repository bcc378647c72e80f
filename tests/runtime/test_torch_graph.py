"""A program's torch module compiles into one graph, which it must on a GPU; shown without one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from inception.models import MODELS
from inception.models.build import build_empty
from inception.models.cost import smallest_size
from inception.models.network import Normalise
from inception.models.spec import Layer, Linear, Spec, map_spec
from inception.models.variants import with_head
from inception.preprocessing import Preprocessing
from inception.runtime import program as p
from inception.runtime.lower import lower
from inception.runtime.program import START, Floats, Program, Step
from inception.runtime.torch_graph import ProgramModule
from inception.weights.model_file import COUNTERS


def slim(layer: Layer) -> Layer:
    """VGG's hidden layers would take a gigabyte, and are traced alike at any width."""
    return replace(layer, width=8) if isinstance(layer, Linear) else layer


def program_of(spec: Spec) -> Program:
    """A network with its heads at its smallest size, of weights that are all 1."""
    how = replace(spec.preprocessing, size=smallest_size(spec))
    spec = replace(map_spec(spec, slim), num_classes=8, preprocessing=how)
    state = build_empty(spec).state_dict()
    weights = {
        name: np.broadcast_to(np.float32(1), tuple(tensor.shape))
        for name, tensor in state.items()
        if not name.endswith(COUNTERS)
    }
    return lower(spec, weights, ["probabilities", *(f"aux:{stage}" for stage in spec.aux)])


def trace(program: Program, start: torch.Tensor) -> None:
    """Compiles it whole in bfloat16, as a GPU computes; a break of the graph raises."""
    torch.compiler.reset()
    module = ProgramModule(program, dtype=torch.bfloat16).to("meta")
    whole: Callable[..., Any] = torch.compile(module, fullgraph=True, backend="eager")
    with torch.inference_mode():
        whole(start.to("meta"))


def kind_of(step: Step) -> tuple[Any, ...]:
    """What decides how a step is traced: its settings, but for names and numbers."""
    settings = ("activation", "kind", "order", "count_pad", "beta")
    uneven = any(before != after for before, after in getattr(step, "pads", ()))
    told = tuple(getattr(step, name, None) for name in settings)
    return (type(step), len(step.inputs), getattr(step, "groups", 1) > 1, uneven, *told)


def fitting(step: Step) -> torch.Tensor:
    """Something that the step can be given."""
    match step:
        case p.Normalise():
            return torch.zeros(2, 9, 9, 3, dtype=torch.uint8)
        case p.Convolve(weight=weight, groups=groups):
            return torch.zeros(2, weight.shape[1] * groups, 32, 32)
        case p.Multiply(weight=weight):
            return torch.zeros(2, len(weight), 1, 1)
        case p.Regions(rows=rows, columns=columns):
            return torch.zeros(2, 4, rows[-1][1], columns[-1][1])
        case p.ResponseNorm(channels=channels):
            return torch.zeros(2, channels, 9, 9)
    return torch.zeros(2, 4, 32, 32)


def test_every_step_of_every_network_compiles_whole() -> None:
    """Each kind of step by itself: tracing all networks whole takes five minutes."""
    seen: dict[tuple[Any, ...], Step] = {}
    for spec in MODELS.values():
        for step in program_of(spec).steps:
            seen.setdefault(kind_of(step), step)
    kinds = {kind[0] for kind in seen} | {p.Pad}  # which no network of ours needs
    assert kinds == set(Step.__subclasses__())
    pad = p.Pad("pad", ("x",), ((0, 1), (2, 1)))
    for step in [*seen.values(), pad]:
        start = START if isinstance(step, p.Normalise) else "x"
        flat = isinstance(step, p.Multiply | p.Softmax)
        given = "flat" if flat else start
        alone = replace(step, inputs=(given,) * len(step.inputs))
        steps = (p.Flatten("flat", (start,)), alone) if flat else (alone,)
        trace(Program(9, steps, {"y": step.name}, start), fitting(step))


@pytest.mark.parametrize("spec", [MODELS["alexnet"], with_head(MODELS["nin_small"], "cosine")])
def test_a_network_with_response_norms_or_a_cosine_head_compiles_whole(spec: Spec) -> None:
    program = program_of(spec)
    assert any(isinstance(step, p.ResponseNorm) for step in program.steps)
    side = program.size
    trace(program, torch.zeros(2, side, side, 3, dtype=torch.uint8))


@pytest.mark.parametrize("order", ["rgb", "bgr", "grey"])
def test_pictures_are_normalised_in_float32_and_then_rounded(order: Any) -> None:
    mean, std = ((103.94, 116.78, 123.68), (0.7, 58.4, 57.1))
    if order == "grey":
        mean, std = mean[:1], std[:1]
    arrays: list[Floats] = [np.array(values, np.float32) for values in (mean, std)]
    step = p.Normalise("x", (START,), order, *arrays)
    module = ProgramModule(Program(16, (step,), {"x": "x"}), dtype=torch.bfloat16)
    pictures = torch.arange(768, dtype=torch.int32).remainder(256).to(torch.uint8)
    pictures = pictures.reshape(1, 16, 16, 3)
    exact = Normalise(Preprocessing(channel_order=order, mean=mean, std=std))(pictures)
    assert torch.equal(module(pictures)[0], exact.to(torch.bfloat16).float())
