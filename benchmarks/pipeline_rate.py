"""The pipeline's rate against what decoding and engine could do if neither waited.

That is 1 / (1 / decoding alone + 1 / engine alone), each with all cores, in the same turns.
"""

from __future__ import annotations

from functools import partial
from tempfile import TemporaryDirectory

from setting import arguments, fresh, int8, photographs, rates, show, squares

from inception.benchmark.rounds import Run, Timing, interleave
from inception.data.crops import views
from inception.data.images import Picture, read_image
from inception.data.ordered import ordered_map
from inception.machine import available_cores
from inception.models import MODELS
from inception.runtime import Engine, create_engine
from inception.runtime.pipeline import classify

BATCH = 32
FILES = 256  # whole batches, so that the engine alone does the same work


def main() -> None:
    options = arguments(__doc__, rounds=5, model="googlenet_bn")
    spec, files = MODELS[options.model], photographs(FILES)
    how, ready = spec.preprocessing, squares(BATCH, spec)

    def prepare(name: str) -> Picture:
        return views(read_image(name), how)

    def decode() -> None:
        cores = available_cores()
        for _ in ordered_map(prepare, files, threads=cores, ahead=BATCH + 2 * cores):
            pass

    def alone(engine: Engine) -> None:
        for _ in range(FILES // BATCH):
            engine.run(ready)

    def whole(engine: Engine) -> None:
        for _ in classify(engine, files, read_image, how, batch_size=BATCH):
            pass

    with TemporaryDirectory() as folder:
        model = fresh(spec, folder)
        for precision, path in {"fp32": model, "int8": int8(model, spec)}.items():
            engine = create_engine(path, "openvino")
            ways: dict[str, Run] = {
                "decoding alone": decode,
                "engine alone": partial(alone, engine),
                "pipeline": partial(whole, engine),
            }
            told(precision, interleave(ways, rounds=options.rounds, clock=options.clock))


def told(precision: str, timings: dict[str, Timing]) -> None:
    decode, engine, whole = (timing.median for timing in timings.values())
    rows = rates(timings, FILES)
    rows.append(["1 / (1/decoding + 1/engine)", f"{FILES / (decode + engine):,.1f}", ""])
    rows.append(["pipeline's share of it", f"{100 * (decode + engine) / whole:.1f} %", ""])
    show(f"pipeline, OpenVINO {precision}, batch {BATCH}", ["", "pictures/s", "spread"], rows)


if __name__ == "__main__":
    main()
