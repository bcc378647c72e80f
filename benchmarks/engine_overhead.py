"""Our OpenVINO engine against OpenVINO called bare, and against the machine's ceiling.

Bare is what OpenVINO's own tools do: the graph compiled for the very batch with the throughput
hint, as many requests as it asks for kept busy. For batch 1 that is the latency hint and one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import openvino as ov
from setting import arguments, fresh, int8, show, squares

from inception.benchmark.rounds import Timing, interleave, ratios
from inception.benchmark.ways import MatrixProduct
from inception.data.images import Picture
from inception.models import MODELS
from inception.models.cost import cost
from inception.runtime import create_engine, read_program
from inception.runtime.openvino_graph import openvino_model

# runs in a turn, by batch: one picture is done before the threads of whoever ran last, which spin
# for some milliseconds, have come to rest
TIMES = {1: 16, 32: 1}


def main() -> None:
    options = arguments(__doc__, rounds=15, model="googlenet_bn")
    spec = MODELS[options.model]
    macs = cost(spec).multiply_adds
    with TemporaryDirectory() as folder:
        model = fresh(spec, folder)
        graphs = {"fp32": (model, openvino_model(read_program(model)))}
        path = int8(model, spec)
        graphs["int8"] = (path, ov.Core().read_model(path))
        for batch in TIMES:
            pictures = squares(batch, spec)
            ways: dict[str, Callable[[], object]] = {}
            for precision, (path, graph) in graphs.items():
                ways[f"{precision} ours"] = often(ours(path, pictures), TIMES[batch])
                ways[f"{precision} bare"] = often(bare(graph, pictures), TIMES[batch])
                product = MatrixProduct(precision).prepare()
                ways[f"{precision} product"] = often(product, TIMES[batch])
            told(batch, interleave(ways, rounds=options.rounds, clock=options.clock), macs)


def often(run: Callable[[], object], times: int) -> Callable[[], object]:
    def runs() -> None:
        for _ in range(times):
            run()

    return runs


def ours(path: Path, pictures: Picture) -> Callable[[], object]:
    engine = create_engine(path, "openvino")
    return lambda: engine.run(pictures)


def bare(graph: ov.Model, pictures: Picture) -> Callable[[], object]:
    hint = "LATENCY" if len(pictures) == 1 else "THROUGHPUT"
    options = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(graph, "CPU", options)
    streams = 1 if len(pictures) == 1 else compiled.get_property("NUM_STREAMS")
    share = len(pictures) // streams
    graph = graph.clone()
    graph.reshape([share, *pictures.shape[1:]])
    compiled = ov.Core().compile_model(graph, "CPU", options)
    requests = [compiled.create_infer_request() for _ in range(streams)]

    def run() -> None:
        for number, request in enumerate(requests):
            request.start_async([pictures[number * share : (number + 1) * share]])
        for request in requests:
            request.wait()

    return run


def told(batch: int, timings: dict[str, Timing], macs: int) -> None:
    rows = []
    fp32, times = timings["fp32 ours"].median, TIMES[batch]
    for precision in ("fp32", "int8"):
        one, other, product = (timings[f"{precision} {w}"] for w in ("ours", "bare", "product"))
        share = ratios(other, one)
        ceiling = MatrixProduct.multiply_adds * times / product.median
        rows.append(
            [
                precision,
                f"{batch * times / one.median:,.1f}",
                f"{batch * times / other.median:,.1f}",
                f"{100 * share.median:.1f} % ± {100 * share.spread:.1f} %",
                f"{macs * batch * times / one.median / 1e9:,.0f} GMAC/s",
                f"{ceiling / 1e9:,.0f} GMAC/s",
                f"{100 * macs * batch * times / one.median / ceiling:.0f} %",
                f"{fp32 / one.median:.2f}",
            ]
        )
    columns = ["", "ours, pictures/s", "bare", "ours of bare", "ours", "matrix product", "share"]
    show(f"OpenVINO engine, batch {batch}", [*columns, "× our fp32"], rows)


if __name__ == "__main__":
    main()
