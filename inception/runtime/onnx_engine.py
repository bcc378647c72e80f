"""The second engine on a CPU: ONNX Runtime, from a model file or from an exported model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import ArrayLike

from inception.errors import InputError
from inception.machine import available_cores
from inception.runtime import as_batch, check_threads
from inception.runtime.program import (
    DEFAULT_OUTPUTS,
    PICTURES,
    STEP,
    Floats,
    Program,
    check_outputs,
)

ort.disable_telemetry_events()  # its builds for Windows send them

QUIET = 3  # errors only: warnings are about what the optimiser left as it was


class ONNXEngine:
    """Runs a ``Program`` or an ``.onnx`` file on the CPU in the precision it is in.

    Raises:
        InputError: a file that ONNX Runtime cannot read or, in ``run``, not run, no such output,
            fewer than one thread.
    """

    name = "onnx"

    def __init__(
        self,
        model: Program | Path,
        outputs: Sequence[str] = DEFAULT_OUTPUTS,
        *,
        threads: int | None = None,
    ) -> None:
        check_threads(threads)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = QUIET
        self._name = model if isinstance(model, Path) else "the network"
        with _refused(f"{self._name}: ONNX Runtime cannot read it"):
            self._session = ort.InferenceSession(
                _content(model, outputs),
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # to the same provider, after lines on stdout
            )
        check_outputs(outputs, [value.name for value in self._session.get_outputs()])
        self._outputs = list(outputs)
        start = self._session.get_inputs()[0]
        self._start, self._size = start.name, int(start.shape[1])

    def run(self, pictures: ArrayLike) -> dict[str, Floats]:
        """The named outputs of pictures (``as_batch``), or of what the program starts from."""
        at_start = self._start == PICTURES
        batch = as_batch(pictures, self._size) if at_start else np.ascontiguousarray(pictures)
        with _refused(f"{self._name}: ONNX Runtime cannot run it"):
            values = self._session.run(self._outputs, {self._start: batch})
        return dict(zip(self._outputs, values, strict=True))


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Raises ONNX Runtime's errors, which share no class, as ``InputError``.

    One of theirs that quotes what is no text ends as Python's error of decoding.
    """
    try:
        yield
    except Exception as error:
        own = type(error).__module__.startswith("onnxruntime")
        if own or isinstance(error, UnicodeDecodeError):
            raise InputError(f"{what}: {error}") from error
        raise


def _content(model: Program | Path, outputs: Sequence[str]) -> str | bytes:
    from inception.runtime.onnx_graph import onnx_model, with_step_outputs

    if isinstance(model, Path) and not any(output.startswith(STEP) for output in outputs):
        return str(model)
    graph = with_step_outputs(model, outputs) if isinstance(model, Path) else onnx_model(model)
    content: bytes = graph.SerializeToString()
    return content
