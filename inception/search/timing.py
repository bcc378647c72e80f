"""Layers and networks timed in OpenVINO on this machine, and the table made of it, kept."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from inception.errors import InputError
from inception.files import cache_folder, read_text, write_text
from inception.machine import available_cores
from inception.models.spec import Spec
from inception.runtime import check_installed
from inception.search.latency import FORMAT, LayerTable, Precision, Timed, Work, fit_table, works
from inception.search.sampling import Dice, Space, draw
from inception.search.space import decode

RUNS: Final = 15  # of each network; the least of them counts
FITTED: Final = 12  # networks that a table is made of
SEED: Final = 1409_4842  # of those, so that none is a candidate measured to judge it
KINDS: Final = {  # what OpenVINO calls them, by what ``works`` does
    "Convolution": "conv",
    "GroupConvolution": "conv",
    "FullyConnected": "linear",
    "MaxPool": "pool",
    "AvgPool": "pool",
    "Concat": "join",
}
CONVOLUTIONS: Final = ("conv", "pointwise", "depthwise")


def layer_table(
    precision: Precision = "fp32",
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LayerTable:
    """The table of this machine, from the cache or measured now, in about half a minute a core.

    Raises:
        InputError: OpenVINO, or NNCF for int8, is not installed.
    """
    check_installed("openvino")
    machine = this_machine(threads or available_cores())
    file = cache_folder() / f"latency-{_digest(precision, machine)}.json"
    if (known := _known(file)) is not None:
        return known
    specs = fitting_networks()
    timed = []
    for number, spec in enumerate(specs):
        progress(number, len(specs))
        timed.append(time_network(spec, precision, threads=threads))
    table = fit_table(timed, precision, machine)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(table.to_json(), indent=1) + "\n")
    except (OSError, InputError):
        pass  # measured again next time
    return table


def fitting_networks() -> list[Spec]:
    """The networks that a table is made of, of all kernels, stems and sizes."""
    space = Space(image_sizes=(48, 64, 96, 128))
    return [decode(draw(space, Dice(SEED + n)), num_classes=10) for n in range(FITTED)]


def time_network(
    spec: Spec, precision: Precision = "fp32", *, threads: int | None = None, runs: int = RUNS
) -> Timed:
    """A network with fresh weights, one picture at a time: the least of so many runs.

    With one thread what counts is the processor's time, which other work on the machine does not
    lengthen; with several, the clock's.
    """
    import openvino as ov

    threads = threads or available_cores()
    model = _model(spec, precision)
    request = _request(ov, model, threads)
    pictures = np.zeros((1, spec.image_size, spec.image_size, 3), np.uint8)
    clock = time.process_time if threads == 1 else time.perf_counter
    took, layers = [], []
    for _ in range(runs):
        began = clock()
        request.infer({0: pictures})
        took.append(clock() - began)
        layers.append(_layers(request))
    least = [min(each) for each in zip(*(ms for _, ms in layers), strict=True)]
    done = works(spec)
    return Timed(tuple(done), _placed(done, layers[0][0], least), 1e3 * min(took))


def _model(spec: Spec, precision: Precision) -> Any:
    from inception.export.int8 import quantise_openvino
    from inception.models.build import build_empty
    from inception.runtime.lower import lower
    from inception.runtime.openvino_graph import openvino_model

    rng = np.random.default_rng(0)
    weights = {
        name: _drawn(name, tuple(tensor.shape), rng)
        for name, tensor in build_empty(spec).state_dict().items()
        if not name.endswith("num_batches_tracked") and not name.startswith("aux.")
    }
    program = lower(spec, weights)
    model = openvino_model(program)
    if precision == "int8":
        check_installed("int8")
        side = spec.image_size
        shown = [rng.integers(0, 256, (1, side, side, 3)).astype(np.uint8) for _ in range(4)]
        model = quantise_openvino(model, program, shown)
    model.reshape([1, spec.image_size, spec.image_size, 3])
    return model


def _drawn(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Weights under which values stay of one size from layer to layer."""
    if name.endswith("running_var"):
        return np.ones(shape, np.float32)
    if len(shape) < 2:
        return np.full(shape, name.endswith("norm.weight"), np.float32)
    spread = (2 / np.prod(shape[1:])) ** 0.5
    return (spread * rng.standard_normal(shape)).astype(np.float32)


def _request(ov: Any, model: Any, threads: int) -> Any:
    from inception.runtime.openvino_engine import the_core
    from inception.runtime.openvino_graph import PRECISE

    options = {
        **PRECISE,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "PERF_COUNT": True,
    }
    return the_core().compile_model(model, "CPU", options).create_infer_request()


def _layers(request: Any) -> tuple[list[str], list[float]]:
    """Kinds and milliseconds of the layers of the last run, in its order."""
    rows = [
        (KINDS[row.node_type], row.real_time.total_seconds() * 1e3)
        for row in request.get_profiling_info()
        if row.node_type in KINDS and row.status.name == "EXECUTED"
    ]
    return [kind for kind, _ in rows], [ms for _, ms in rows]


def _placed(
    done: Sequence[Work], kinds: Sequence[str], ms: Iterable[float]
) -> tuple[float | None, ...]:
    """Each layer's time; None for all of a kind of which the engine ran another number."""
    pairs = list(zip(kinds, ms, strict=True))
    placed: list[float | None] = [None] * len(done)
    for kind in ("conv", "linear", "pool", "join"):
        members = CONVOLUTIONS if kind == "conv" else (kind,)
        places = [n for n, work in enumerate(done) if work.kind in members]
        found = [each for name, each in pairs if name == kind]
        if len(found) == len(places):
            for place, each in zip(places, found, strict=True):
                placed[place] = max(each, 1e-3)  # its clock counts whole microseconds
    return tuple(placed)


def this_machine(threads: int) -> dict[str, Any]:
    """What decides how long a layer takes."""
    import openvino as ov

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "threads": threads,
        "openvino": ov.__version__,
    }


def _digest(precision: str, machine: dict[str, Any]) -> str:
    return sha256(json.dumps([FORMAT, precision, machine]).encode()).hexdigest()[:16]


def _known(file: Path) -> LayerTable | None:
    if not file.exists():
        return None
    try:
        return LayerTable.from_json(json.loads(read_text(file)))
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged: measured again
