"""The fast engine on a CPU: OpenVINO, from a model file or from an exported model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike

from inception.errors import InputError
from inception.machine import available_cores
from inception.runtime import Mode, as_batch, check_threads
from inception.runtime.openvino_graph import PRECISE, add_step_outputs, openvino_model
from inception.runtime.openvino_lean import ov
from inception.runtime.program import DEFAULT_OUTPUTS, PICTURES, Floats, Program, check_outputs

FIXED = 2  # batch sizes that get a model of their own: 4 to 8 % faster than one of any size
ANY = -1
WEIGHTS_DIGEST = "inception_weights"  # in an .xml: the hash of the .bin beside it


def read_openvino(path: Path) -> ov.Model:
    """The model of an ``.xml`` or ``.onnx`` file.

    Raises:
        InputError: OpenVINO cannot read it, or its ``.bin`` is another model's.
    """
    with _refused(f"{path}: OpenVINO cannot read it"):
        model = the_core().read_model(path)
    model.set_friendly_name(str(path))
    if model.has_rt_info([WEIGHTS_DIGEST]):  # exports older than it have none
        weights = path.with_suffix(".bin")
        if model.get_rt_info([WEIGHTS_DIGEST]).astype(str) != digest_of(weights):
            raise InputError(f"{weights} is not the one that {path} was exported with")
    return model


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Raises OpenVINO's errors as ``InputError``; their reason is their last line."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"{what}: {str(error).strip().splitlines()[-1]}") from error


def digest_of(path: Path) -> str:
    """A hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def the_core() -> ov.Core:
    """One for the process, never freed.

    Each gives the thread a stack for signals, and the one before it back when it goes. Of two that
    go in the order they came, the second gives back freed memory, and the next Ctrl-C crashes.
    """
    return ov.Core()


class OpenVINOEngine:
    """Runs a ``Program``, or a model that was exported, on the CPU in the precision it is in.

    Args:
        model: what to run.
        outputs: what ``run`` gives.
        threads: by default as many as there are cores.
        mode: ``throughput`` cuts a batch into shares, one a thread; ``latency`` gives all threads
            to the whole batch, which is also what a batch too small to share gets.

    Raises:
        InputError: no such output, or fewer than one thread; in ``run``, a graph that OpenVINO
            does not run.
    """

    name = "openvino"

    def __init__(
        self,
        model: Program | ov.Model,
        outputs: Sequence[str] = DEFAULT_OUTPUTS,
        *,
        threads: int | None = None,
        mode: Mode = "throughput",
    ) -> None:
        check_threads(threads)
        if isinstance(model, Program):
            model = openvino_model(model)
            model.set_friendly_name("the network")
        else:
            add_step_outputs(model, outputs)
        check_outputs(outputs, [name for port in model.outputs for name in port.names])
        self._model, self._outputs = model, tuple(outputs)
        self._start = model.input(0).any_name
        # what starts elsewhere sees batches of every size, and would compile two for nothing
        self._fixed = FIXED if self._start == PICTURES else 0
        self._shape = [side.get_length() for side in list(model.input(0).partial_shape)[1:]]
        self._threads = threads or available_cores()
        self._streams = self._threads if mode == "throughput" else 1
        self._requests: dict[tuple[int, int], list[ov.InferRequest]] = {}  # by streams and share
        self._lock = Lock()

    def run(self, pictures: ArrayLike) -> dict[str, Floats]:
        """The named outputs of pictures (``as_batch``), or of what the program starts from."""
        at_start = self._start == PICTURES
        batch = as_batch(pictures, self._shape[0]) if at_start else np.ascontiguousarray(pictures)
        streams = self._streams if len(batch) >= 2 * self._streams else 1
        shares = np.array_split(batch, streams)  # views, contiguous as the whole is
        refused = _refused(f"{self._model.get_friendly_name()}: OpenVINO cannot run it")
        with self._lock, refused:
            even = len(batch) % streams == 0
            requests = self._requests_for(streams, len(shares[0]) if even else ANY)
            for request, share in zip(requests, shares, strict=True):
                request.set_input_tensor(ov.Tensor(share, shared_memory=True))
                request.start_async()
            for request in requests:
                request.wait()
            return {
                name: np.concatenate([r.get_tensor(name).data for r in requests])
                for name in self._outputs
            }

    def _requests_for(self, streams: int, share: int) -> list[ov.InferRequest]:
        """A request a stream for shares of that many pictures, or of ``ANY`` number."""
        fixed = [key for key in self._requests if key[1] != ANY]
        if (streams, share) not in self._requests and len(fixed) >= self._fixed:
            share = ANY
        key = (streams, share)
        if key not in self._requests:
            compiled = self._compiled(streams, share)
            self._requests[key] = [compiled.create_infer_request() for _ in range(streams)]
        return self._requests[key]

    def _compiled(self, streams: int, share: int) -> ov.CompiledModel:
        model = self._model.clone()
        model.reshape([share, *self._shape])
        options = {
            **PRECISE,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # containers would all be pinned to the same first cores
        }
        return the_core().compile_model(model, "CPU", options)
