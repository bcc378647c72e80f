"""Static int8, weights by channel: NNCF for OpenVINO, ONNX Runtime's own for ONNX."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inception.data.images import Picture
from inception.runtime.program import PICTURES, Program, ResponseNorm

if TYPE_CHECKING:
    import onnx
    import openvino as ov

BATCH = 10  # pictures in a run while ranges are measured


def kept_exact(program: Program) -> list[str]:
    """Operations that int8 would spoil: squares and their sums span too many magnitudes."""
    norms = [step.name for step in program.steps if isinstance(step, ResponseNorm)]
    return [f"{name}.{part}" for name in norms for part in ("squares", "sums")]


def quantise_openvino(model: ov.Model, program: Program, shown: Sequence[Picture]) -> ov.Model:
    """The model with its convolutions in int8, ranges measured on the squares ``shown``."""
    import nncf
    from nncf.quantization import advanced_parameters, range_estimator

    # Not the mean of what each picture reaches, which cuts the largest activations off
    extremes = range_estimator.RangeEstimatorParametersSet.MINMAX
    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(list(shown)),
            subset_size=len(shown),
            preset=nncf.QuantizationPreset.PERFORMANCE,
            fast_bias_correction=False,
            advanced_parameters=advanced_parameters.AdvancedQuantizationParameters(
                activations_range_estimator_params=extremes
            ),
            ignored_scope=nncf.IgnoredScope(names=kept_exact(program), validate=False),
        )


def quantise_onnx(
    model: onnx.ModelProto, program: Program, shown: Sequence[Picture], path: Path
) -> None:
    """Writes the model to ``path`` with its convolutions in int8, ranges measured on ``shown``."""
    import onnx
    from onnxruntime import quantization as q

    logging.disable(logging.WARNING)  # it advises steps that the graph does not need
    q.quantize_static(
        model,
        str(path),
        _Batches(shown),
        quant_format=q.QuantFormat.QDQ,
        per_channel=True,
        activation_type=q.QuantType.QUInt8,
        weight_type=q.QuantType.QInt8,
        op_types_to_quantize=["Conv", "Gemm", "MaxPool", "AveragePool", "Concat", "Add", "Slice"],
        nodes_to_exclude=kept_exact(program),
    )
    logging.disable(logging.NOTSET)
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {p.key: p.value for p in model.metadata_props})
    onnx.save(written, path)


class _Batches:
    """What ONNX Runtime's calibration asks for: a batch a call, then None."""

    def __init__(self, shown: Sequence[Picture]) -> None:
        self._batches = self._cut(shown)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)

    def _cut(self, shown: Sequence[Picture]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(shown), BATCH):
            yield {PICTURES: np.concatenate(shown[start : start + BATCH])}
