"""A ``Program`` as an OpenVINO model: one case a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inception.errors import InputError
from inception.models.spec import ActivationKind
from inception.runtime import program as p
from inception.runtime.openvino_lean import ov
from inception.runtime.program import LUMA, PICTURES, START, STEP, Floats, Program, Step

opset1, ops = ov.opset1, ov.opset13

PRECISE = {"INFERENCE_PRECISION_HINT": "f32"}  # elsewise bfloat16 where the CPU has it
ACTIVATIONS = {"relu": ops.relu, "tanh": ops.tanh, "sigmoid": ops.sigmoid}


def openvino_model(program: Program, metadata: Mapping[str, str] | None = None) -> ov.Model:
    """A model from the program's start, any number of it, to the program's outputs by name.

    Args:
        program: the steps.
        metadata: kept in the model's ``rt_info`` as it is.
    """
    shape = program.start_shape or (program.size, program.size, 3)
    shown = program.start == START
    start = ops.parameter([-1, *shape], np.uint8 if shown else np.float32, name=program.start)
    start.output(0).set_names({PICTURES if shown else f"/{program.start}"})
    values: dict[str, Any] = {program.start: start}
    for step in program.steps:
        node = _node(step, [values[name] for name in step.inputs])
        node.set_friendly_name(step.name)
        values[step.name] = node
    results = []
    for output, name in program.outputs.items():
        result = ops.result(values[name], name=output)
        result.output(0).get_tensor().add_names({output})
        results.append(result)
    model = ov.Model(results, [start], "inception")
    for key, value in (metadata or {}).items():
        model.set_rt_info(value, [key])
    return model


def add_step_outputs(model: ov.Model, outputs: Sequence[str]) -> None:
    """Gives a model that was exported further outputs: ``step:NAME`` is what that step gives.

    Raises:
        InputError: it has no step of that name.
    """
    steps = [output for output in outputs if output.startswith(STEP)]
    found = _named(model, [output.removeprefix(STEP) for output in steps])
    for output, node in zip(steps, found, strict=True):
        (added,) = model.add_outputs(node.output(0))
        added.get_tensor().set_names({output})


def read_constants(model: ov.Model, names: Sequence[str]) -> dict[str, tuple[Floats, Floats]]:
    """Weight and bias of steps without activation, as the graph computes with them.

    Raises:
        InputError: it has no step of that name.
    """
    values: list[Any] = []
    for node in _named(model, names):
        product = node.input_value(0).get_node()  # the node itself adds the bias
        values += [product.input_value(1), node.input_value(1)]
    folded = ov.Model([ops.result(value) for value in values], [], "constants")
    arrays = list(ov.compile_model(folded, "CPU", PRECISE)(()).values())
    return {n: (arrays[2 * i], arrays[2 * i + 1]) for i, n in enumerate(names)}


def _named(model: ov.Model, names: Sequence[str]) -> list[Any]:
    nodes = {node.get_friendly_name(): node for node in model.get_ops()}
    for name in names:
        if name not in nodes:
            raise InputError(f"the graph has no step {name!r}: inception did not export it")
    return [nodes[name] for name in names]


def _node(step: Step, inputs: Sequence[Any]) -> Any:
    x = inputs[0]
    match step:
        case p.Normalise():
            return _normalise(step, x)
        case p.Convolve():
            return _convolve(step, x)
        case p.Multiply(weight=weight, bias=bias, activation=kind):
            product = ops.matmul(x, _constant(weight), False, False)
            return _activate(ops.add(product, _constant(bias)), kind)
        case p.Window():
            return _window(step, x)
        case p.Regions():
            return _regions(step, x)
        case p.ResponseNorm():
            return _response_norm(step, x)
        case p.Pad(pads=((top, bottom), (left, right))):
            before, after = [0, 0, top, left], [0, 0, bottom, right]
            return ops.pad(x, np.array(before), np.array(after), "constant", np.float32(0))
        case p.Activate(kind=kind):
            return _activate(x, kind)
        case p.Concatenate():
            return ops.concat(list(inputs), axis=1)
        case p.Add(scale=scale, activation=kind):
            scaled = inputs[1] if scale == 1 else ops.multiply(inputs[1], np.float32(scale))
            return _activate(ops.add(x, scaled), kind)
        case p.Flatten():
            return ops.reshape(x, np.array([0, -1]), special_zero=True)
        case p.Softmax(temperature=temperature):
            logits = x if temperature == 1 else ops.divide(x, np.float32(temperature))
            return ops.softmax(logits, axis=1)
    raise TypeError(f"no OpenVINO operation for {step}")


def _constant(values: Floats) -> Any:
    """Numbers of the graph, which keeps the array itself: copies of all take their time."""
    return ops.constant(np.ascontiguousarray(values, np.float32), shared_memory=True)


def _activate(x: Any, kind: ActivationKind | None) -> Any:
    return x if kind is None else ACTIVATIONS[kind](x)


def _normalise(step: p.Normalise, pictures: Any) -> Any:
    x = ops.convert(pictures, np.float32)
    if step.order == "bgr":
        x = ops.gather(x, np.array([2, 1, 0]), np.int32(-1))
    elif step.order == "grey":
        luma = ops.multiply(x, _constant(np.array(LUMA, np.float32)))
        x = ops.reduce_sum(luma, np.array([-1]), keep_dims=True)
    x = ops.divide(ops.subtract(x, _constant(step.mean)), _constant(step.std))
    return ops.transpose(x, np.array([0, 3, 1, 2]))


def _convolve(step: p.Convolve, x: Any) -> Any:
    (top, bottom), (left, right) = step.pads
    places = (list(step.strides), [top, left], [bottom, right], [1, 1])
    if step.groups == 1:
        x = ops.convolution(x, _constant(step.weight), *places)
    else:
        out, rest = step.weight.shape[0], step.weight.shape[1:]
        grouped = step.weight.reshape(step.groups, out // step.groups, *rest)
        x = ops.group_convolution(x, _constant(grouped), *places)
    x = ops.add(x, _constant(step.bias.reshape(1, -1, 1, 1)))
    return _activate(x, step.activation)


def _window(step: p.Window, x: Any) -> Any:
    (top, bottom), (left, right) = step.windows.pads
    begin, stop = [top, left], [bottom, right]
    kernel, strides = list(step.windows.kernel), list(step.windows.strides)
    if step.kind == "max":
        return opset1.max_pool(x, strides, begin, stop, kernel)  # later ones give indices too
    return ops.avg_pool(x, strides, begin, stop, kernel, not step.count_pad)


def _regions(step: p.Regions, x: Any) -> Any:
    reduce = ops.reduce_max if step.kind == "max" else ops.reduce_mean
    for axis, spans in ((2, step.rows), (3, step.columns)):
        cut = [reduce(_slice(x, *span, axis=axis), np.array([axis]), True) for span in spans]
        x = ops.concat(cut, axis=axis)
    return x


def _response_norm(step: p.ResponseNorm, x: Any) -> Any:
    """OpenVINO's own where that is fast: by processor time 93 % of the speed without, not 90 %."""
    if step.beta == 0.75 and step.size % 2:
        return ops.lrn(x, np.array([1]), step.alpha, step.beta, step.k, step.size)
    places = ([1, 1], [0, 0], [0, 0], [1, 1])
    squares = ops.multiply(x, x)
    sums = ops.convolution(squares, _constant(step.band), *places)
    for node, part in ((squares, "squares"), (sums, "sums")):  # known by name where int8 is made
        node.set_friendly_name(f"{step.name}.{part}")
    sums = ops.add(sums, np.float32(step.k))
    return ops.multiply(x, ops.power(sums, np.float32(-step.beta)))


def _slice(x: Any, start: int, stop: int, *, axis: int) -> Any:
    one = np.array([1])
    return ops.slice(x, np.array([start]), np.array([stop]), one, np.array([axis]))
