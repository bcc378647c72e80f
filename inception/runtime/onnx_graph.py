"""A ``Program`` as an ONNX model: one case a step, no exporter and no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from inception.errors import InputError
from inception.models.shapes import Pads
from inception.models.spec import ActivationKind
from inception.runtime import program as p
from inception.runtime.program import LUMA, PICTURES, START, STEP, Floats, Program, Step

OPSET = 18
IR_VERSION = 9  # what belongs to the opset: older runtimes refuse newer ones
ACTIVATIONS: dict[ActivationKind, str] = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def onnx_model(
    program: Program, metadata: Mapping[str, str] | None = None, *, half: bool = False
) -> onnx.ModelProto:
    """A model from the program's start, any number of it, to the program's outputs by name.

    Args:
        program: the steps.
        metadata: kept in the file as it is.
        half: keep the weights in float16; the computation stays in float32.
    """
    writer = _Writer(half)
    names = _names(program)
    for step in program.steps:
        inputs = tuple(names[name] for name in step.inputs)
        writer.step(replace(step, name=names[step.name], inputs=inputs))
    for output, name in program.outputs.items():
        writer.node("Identity", [names[name]], output)
    graph = helper.make_graph(
        writer.nodes,
        "inception",
        [_start(program)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in program.outputs],
        writer.constants,
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    model.producer_name = "inception"
    helper.set_model_props(model, dict(metadata or {}))
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    return inferred


def _names(program: Program) -> dict[str, str]:
    """What the graph calls each value: apart from its input and outputs, whatever stages say."""
    taken = {PICTURES, *program.outputs}
    start = PICTURES if program.start == START else f"/{program.start}"
    steps = [step.name for step in program.steps]
    return {program.start: start} | {n: f"{n}/" if n in taken else n for n in steps}


def _start(program: Program) -> onnx.ValueInfoProto:
    """The graph's input: ``uint8 [N, size, size, 3]``, or what another program gave."""
    shape = program.start_shape or (program.size, program.size, 3)
    number = TensorProto.UINT8 if program.start == START else TensorProto.FLOAT
    name = _names(program)[program.start]
    return helper.make_tensor_value_info(name, number, ["N", *map(int, shape)])


def with_step_outputs(path: Path, outputs: Sequence[str]) -> onnx.ModelProto:
    """An exported file with further outputs: ``step:NAME`` is what that step gives.

    Raises:
        InputError: it has no step of that name.
    """
    model = onnx.load(path)
    steps = [output for output in outputs if output.startswith(STEP)]
    made = _made(model, [output.removeprefix(STEP) for output in steps])
    for output, node in zip(steps, made, strict=True):
        model.graph.node.append(helper.make_node("Identity", node.output[:1], [output], output))
        model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    return model


def read_constants(path: Path, names: Sequence[str]) -> dict[str, tuple[Floats, Floats]]:
    """Weight and bias of steps without activation, as the graph computes with them.

    Raises:
        InputError: it has no step of that name.
    """
    import onnxruntime as ort

    model = onnx.load(path)
    wanted = [value for node in _made(model, names) for value in node.input[1:3]]
    nodes = _ancestors(model, wanted)
    read = {*wanted, *(value for node in nodes for value in node.input)}
    graph = helper.make_graph(
        nodes,
        "constants",
        [],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, None) for value in wanted],
        [constant for constant in model.graph.initializer if constant.name in read],
    )
    constants = helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    session = ort.InferenceSession(constants.SerializeToString())
    values = session.run(wanted, {})
    return {name: (values[2 * i], values[2 * i + 1]) for i, name in enumerate(names)}


def _made(model: onnx.ModelProto, names: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that give the values of those steps."""
    nodes = {value: node for node in model.graph.node for value in node.output}
    for name in names:
        if name not in nodes:
            raise InputError(f"the graph has no step {name!r}: inception did not export it")
    return [nodes.get(f"{name}/", nodes[name]) for name in names]


def _ancestors(model: onnx.ModelProto, values: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that make the values, in order."""
    wanted, nodes = set(values), []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            nodes.append(node)
    return nodes[::-1]


class _Writer:
    """Collects nodes and constants; values are named after the steps that give them."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def step(self, step: Step) -> None:
        """Writes the nodes of a step; the last one gives a value of the step's name."""
        x, name = step.inputs[0], step.name
        match step:
            case p.Normalise():
                self._normalise(step)
            case p.Convolve():
                self._convolve(step)
            case p.Multiply(weight=weight, bias=bias, activation=kind):
                inputs = [
                    x,
                    self._weight(f"{name}.weight", weight),
                    self._weight(f"{name}.bias", bias),
                ]
                self._activated("Gemm", inputs, name, kind)
            case p.Window(kind=kind, windows=at):
                counted = {} if kind == "max" else {"count_include_pad": int(step.count_pad)}
                operation = "MaxPool" if kind == "max" else "AveragePool"
                self.node(
                    operation,
                    [x],
                    name,
                    kernel_shape=at.kernel,
                    strides=at.strides,
                    pads=_pads(at.pads),
                    **counted,
                )
            case p.Regions():
                self._regions(step)
            case p.ResponseNorm():
                self._response_norm(step)
            case p.Pad(pads=((top, bottom), (left, right))):
                pads = self._whole(f"{name}.pads", [0, 0, top, left, 0, 0, bottom, right])
                self.node("Pad", [x, pads], name)
            case p.Activate(kind=kind):
                self.node(ACTIVATIONS[kind], [x], name)
            case p.Concatenate():
                self.node("Concat", step.inputs, name, axis=1)
            case p.Add(scale=scale, activation=kind):
                other = step.inputs[1]
                if scale != 1:
                    other = self.node(
                        "Mul", [other, self._number(f"{name}.scale", scale)], f"{name}.scaled"
                    )
                self._activated("Add", [x, other], name, kind)
            case p.Flatten():
                self.node("Flatten", [x], name)
            case p.Softmax(temperature=temperature):
                if temperature != 1:
                    number = self._number(f"{name}.temperature", temperature)
                    x = self.node("Div", [x, number], f"{name}.logits")
                self.node("Softmax", [x], name, axis=1)
            case _:
                raise TypeError(f"no ONNX operation for {step}")

    def node(self, operation: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Appends a node and gives the name of its value, which is its own."""
        self.nodes.append(helper.make_node(operation, list(inputs), [name], name, **attributes))
        return name

    def _activated(
        self,
        operation: str,
        inputs: Sequence[str],
        name: str,
        kind: ActivationKind | None,
        **attributes: Any,
    ) -> None:
        before = name if kind is None else f"{name}.linear"
        self.node(operation, inputs, before, **attributes)
        if kind is not None:
            self.node(ACTIVATIONS[kind], [before], name)

    def _normalise(self, step: p.Normalise) -> None:
        name = step.name
        x = self.node("Cast", step.inputs, f"{name}.float", to=TensorProto.FLOAT)
        if step.order == "bgr":
            order = self._whole(f"{name}.order", [2, 1, 0])
            x = self.node("Gather", [x, order], f"{name}.bgr", axis=3)
        elif step.order == "grey":
            luma = self._constant(f"{name}.luma", np.array(LUMA, np.float32))
            x = self.node("Mul", [x, luma], f"{name}.weighted")
            x = self.node("ReduceSum", [x, self._whole(f"{name}.last", [3])], f"{name}.grey")
        x = self.node("Sub", [x, self._constant(f"{name}.mean", step.mean)], f"{name}.centred")
        x = self.node("Div", [x, self._constant(f"{name}.std", step.std)], f"{name}.scaled")
        self.node("Transpose", [x], name, perm=[0, 3, 1, 2])

    def _convolve(self, step: p.Convolve) -> None:
        weight = self._weight(f"{step.name}.weight", step.weight)
        bias = self._weight(f"{step.name}.bias", step.bias)
        self._activated(
            "Conv",
            [step.inputs[0], weight, bias],
            step.name,
            step.activation,
            strides=step.strides,
            pads=_pads(step.pads),
            group=step.groups,
            kernel_shape=step.weight.shape[2:],
        )

    def _regions(self, step: p.Regions) -> None:
        x, reduce = step.inputs[0], "ReduceMax" if step.kind == "max" else "ReduceMean"
        for axis, spans in ((2, step.rows), (3, step.columns)):
            axes, cut = self._whole(f"{step.name}.axis{axis}", [axis]), []
            for number, (start, stop) in enumerate(spans):
                name = f"{step.name}.axis{axis}.{number}"
                part = self._slice(x, start, stop, axis=axis, name=f"{name}.part")
                cut.append(self.node(reduce, [part, axes], name))
            x = self.node("Concat", cut, step.name if axis == 3 else f"{step.name}.rows", axis=axis)

    def _response_norm(self, step: p.ResponseNorm) -> None:
        """The power -3/4 is two square roots."""
        x, name = step.inputs[0], step.name
        squares = self.node("Mul", [x, x], f"{name}.squares")
        band = self._constant(f"{name}.band", step.band)
        k = self._constant(f"{name}.k", np.full(len(step.band), step.k, np.float32))
        sums = self.node("Conv", [squares, band, k], f"{name}.sums")
        if step.beta == 0.75:
            root = self.node("Sqrt", [sums], f"{name}.root")
            fourth = self.node("Sqrt", [root], f"{name}.fourth_root")
            power = self.node("Mul", [root, fourth], f"{name}.power")
        else:
            power = self.node(
                "Pow", [sums, self._number(f"{name}.beta", step.beta)], f"{name}.power"
            )
        self.node("Div", [x, power], name)

    def _slice(self, x: str, start: int, stop: int, *, axis: int, name: str) -> str:
        numbers = {"start": start, "stop": stop, "axis": axis}
        bounds = [self._whole(f"{name}.{n}", [value]) for n, value in numbers.items()]
        return self.node("Slice", [x, *bounds], name)

    def _weight(self, name: str, values: Floats) -> str:
        if not self.half:
            return self._constant(name, values)
        kept = self._constant(f"{name}.half", values.astype(np.float16))
        return self.node("Cast", [kept], name, to=TensorProto.FLOAT)

    def _number(self, name: str, value: float) -> str:
        return self._constant(name, np.array(value, np.float32))

    def _whole(self, name: str, values: Sequence[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _pads(pads: Pads) -> list[int]:
    (top, bottom), (left, right) = pads
    return [top, left, bottom, right]
