"""The linear layers of a model file by the names of their steps, exported files' too. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inception.runtime import read_program
from inception.runtime.program import Convolve, Floats, Multiply


class Affine(NamedTuple):
    """``x @ weight + bias``.

    Attributes:
        weight: ``[in, out]``, or ``[C]``: a factor a channel.
        bias: ``[out]``.
    """

    weight: Floats
    bias: Floats

    def of(self, x: Floats) -> Floats:
        """What it gives for ``[in]``."""
        product = x @ self.weight if self.weight.ndim == 2 else x * self.weight
        return product + self.bias


def read_affines(model: Path, names: Sequence[str]) -> dict[str, Affine]:
    """The linear layers and 1x1 convolutions of those names, batch norm in them, as float32.

    Args:
        model: a ``.safetensors``, or an exported ``.xml`` or ``.onnx`` in any precision.
        names: of steps.

    Raises:
        InputError: a file that cannot be read, or has no such layer.
    """
    if model.suffix == ".xml":
        from inception.runtime.openvino_engine import read_openvino
        from inception.runtime.openvino_graph import read_constants

        pairs = read_constants(read_openvino(model), names)
    elif model.suffix == ".onnx":
        from inception.runtime.onnx_graph import read_constants as read_onnx_constants

        pairs = read_onnx_constants(model, names)
    else:
        steps = {step.name: step for step in read_program(model).steps}
        pairs = {n: (s.weight, s.bias) for n in names if isinstance(s := steps[n], _WEIGHTED)}
    return {name: _affine(*pair) for name, pair in pairs.items()}


_WEIGHTED = Convolve | Multiply


def _affine(weight: Floats, bias: Floats) -> Affine:
    """A 1x1 convolution is stored ``[out, in, 1, 1]``."""
    if weight.ndim == 4:
        weight = weight[:, :, 0, 0].T
    return Affine(np.ascontiguousarray(weight, np.float32), bias.reshape(-1).astype(np.float32))
