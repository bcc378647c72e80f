"""A ``Program`` as a torch module: one case a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inception.models.layers import pool
from inception.models.spec import ActivationKind
from inception.runtime import program as p
from inception.runtime.program import LUMA, START, Floats, Program, Step

ACTIVATIONS: dict[ActivationKind, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "sigmoid": torch.sigmoid_,
}

EXACT = p.Normalise | p.ResponseNorm  # computed in float32, then rounded to the program's type


class ProgramModule(nn.Module):
    """From the program's start, pictures mostly, to its outputs, a tuple in their order.

    Args:
        program: the steps.
        dtype: in which to compute; outputs are float32.
        kept: the type that the weights are kept in, where that is another.
    """

    def __init__(
        self,
        program: Program,
        *,
        dtype: torch.dtype = torch.float32,
        kept: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.steps, self.start, self.dtype = program.steps, program.start, dtype
        self.outputs = tuple(program.outputs.values())
        self._names = [
            self._register(number, step, kept or dtype) for number, step in enumerate(program.steps)
        ]
        last = {name: n for n, step in enumerate(program.steps) for name in step.inputs}
        self._done = [
            [name for name in step.inputs if last[name] == n and name not in self.outputs]
            for n, step in enumerate(program.steps)
        ]

    def _register(self, number: int, step: Step, kept: torch.dtype) -> list[str]:
        """Makes buffers of a step's arrays, here and not in ``forward``: numpy does not compile."""
        arrays = _arrays(step)
        for name, values in arrays.items():
            tensor = torch.tensor(values).contiguous()  # a copy: a file's own memory is read-only
            tensor = tensor if isinstance(step, EXACT) else tensor.to(kept)
            self.register_buffer(f"{name}_{number}", tensor)
        return [f"{name}_{number}" for name in arrays]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Values are let go as soon as nothing reads them any more."""
        if self.start != START:  # features, which come with their channels first
            x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        values = {self.start: x}
        for number, step in enumerate(self.steps):
            inputs = [values[name] for name in step.inputs]
            for name in self._done[number]:
                values.pop(name, None)
            tensors = [getattr(self, name) for name in self._names[number]]
            values[step.name] = _run(step, inputs, tensors, self.dtype)
        return tuple(values[name].float() for name in self.outputs)


def _arrays(step: Step) -> dict[str, Floats]:
    match step:
        case p.Normalise(order=order, mean=mean, std=std):
            luma = {"luma": np.array(LUMA, np.float32)} if order == "grey" else {}
            return {"mean": mean, "std": std, **luma}
        case p.Convolve(weight=weight, bias=bias) | p.Multiply(weight=weight, bias=bias):
            return {"weight": weight, "bias": bias}
        case p.ResponseNorm(band=band):
            return {"band": band}
    return {}


def _run(
    step: Step, inputs: Sequence[Tensor], tensors: Sequence[Tensor], dtype: torch.dtype
) -> Tensor:
    x = inputs[0]
    match step:
        case p.Normalise(order=order):
            return _normalise(x.float(), order, *tensors).to(dtype)
        case p.Convolve():
            weight, bias = (tensor.to(dtype) for tensor in tensors)
            return _convolve(step, x, weight, bias)
        case p.Multiply(activation=kind):
            weight, bias = (tensor.to(dtype) for tensor in tensors)
            return _activate(torch.addmm(bias, x, weight), kind)
        case p.Window(kind=kind, windows=at, count_pad=count_pad):
            return pool(x, kind, at, count_pad=count_pad)
        case p.Regions():
            return _regions(step, x)
        case p.ResponseNorm():
            return _response_norm(step, x, *tensors)
        case p.Pad(pads=((top, bottom), (left, right))):
            return F.pad(x, (left, right, top, bottom))
        case p.Activate(kind=kind):
            return _activate(x.clone(), kind)
        case p.Concatenate():
            return torch.cat(list(inputs), dim=1)
        case p.Add(scale=scale, activation=kind):
            return _activate(torch.add(x, inputs[1], alpha=scale), kind)
        case p.Flatten():
            return x.flatten(1)
        case p.Softmax(temperature=temperature):
            return (x.float() / temperature).softmax(dim=1)
    raise TypeError(f"torch has no case for {step}")


def _activate(x: Tensor, kind: ActivationKind | None) -> Tensor:
    """In place: ``x`` is fresh."""
    return x if kind is None else ACTIVATIONS[kind](x)


def _normalise(
    x: Tensor, order: str, mean: Tensor, std: Tensor, luma: Tensor | None = None
) -> Tensor:
    if order == "bgr":
        x = x.flip(-1)
    elif luma is not None:
        x = (x * luma).sum(dim=-1, keepdim=True)
    return ((x - mean) / std).permute(0, 3, 1, 2)  # [N, C, H, W], channels last


def _convolve(step: p.Convolve, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    (top, bottom), (left, right) = step.pads
    padding = (top, left)
    if padding != (bottom, right):
        x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
    x = F.conv2d(x, weight, bias, step.strides, padding, groups=step.groups)
    return _activate(x, step.activation)


def _regions(step: p.Regions, x: Tensor) -> Tensor:
    reduce = torch.amax if step.kind == "max" else torch.mean
    rows = [reduce(x[:, :, a:b], dim=2, keepdim=True) for a, b in step.rows]
    x = torch.cat(rows, dim=2)
    return torch.cat([reduce(x[..., a:b], dim=3, keepdim=True) for a, b in step.columns], dim=3)


def _response_norm(step: p.ResponseNorm, x: Tensor, band: Tensor) -> Tensor:
    """In float32: squares overflow sooner. The power -3/4 is two reciprocal roots."""
    dtype, x = x.dtype, x.float()
    sums = F.conv2d(x * x, band, band.new_full((len(band),), step.k))
    if step.beta != 0.75:
        return x.mul(sums.pow_(-step.beta)).to(dtype)
    root = sums.rsqrt_()
    return x.mul(root).mul_(root.sqrt_()).to(dtype)
