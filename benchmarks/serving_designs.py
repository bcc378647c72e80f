"""Two ways to answer many askers at once: batches that gather, or a stream for each picture.

64 askers, each with one picture at a time, from JPEG bytes to probabilities; and one asker alone.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import openvino as ov
from setting import arguments, fresh, int8, photographs, rates, show

from inception.benchmark.rounds import Run, interleave
from inception.data.crops import views
from inception.data.images import Picture, read_image
from inception.machine import available_cores
from inception.models import MODELS
from inception.preprocessing import Preprocessing
from inception.runtime import create_engine
from inception.runtime.program import PROBABILITIES, Floats
from inception.serving.batching import Batcher, Batching

Answer: TypeAlias = Callable[[bytes], Awaitable[Floats]]
ASKERS = 64
PICTURES = 256


def batches(model: Path, how: Preprocessing, decoders: ThreadPoolExecutor) -> Answer:
    """What the server does."""
    engine, pool = create_engine(model), ThreadPoolExecutor(1)
    batcher = Batcher(engine, PROBABILITIES, Batching(), pool, lambda squares: None)
    for count in (1, 32, 3):
        engine.run(np.zeros((count, how.size, how.size, 3), np.uint8))

    async def answer(data: bytes) -> Floats:
        with batcher.coming():
            loop = asyncio.get_running_loop()
            square = await loop.run_in_executor(decoders, decoded, data, how)
        return await batcher.ask(square)

    return answer


def streams(model: Path, how: Preprocessing, decoders: ThreadPoolExecutor) -> Answer:
    """A request of OpenVINO's a stream and a stream a core, each picture by itself."""
    cores = available_cores()
    graph = ov.Core().read_model(model)
    graph.reshape([1, how.size, how.size, 3])
    options = {"NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores, "ENABLE_CPU_PINNING": False}
    compiled = ov.Core().compile_model(graph, "CPU", options)
    free: SimpleQueue[ov.InferRequest] = SimpleQueue()
    for _ in range(cores):
        free.put(compiled.create_infer_request())

    def work(data: bytes) -> Floats:
        square = decoded(data, how)
        request = free.get()
        try:
            told: Floats = request.infer({0: square})[PROBABILITIES].copy()[0]
        finally:
            free.put(request)
        return told

    async def answer(data: bytes) -> Floats:
        return await asyncio.get_running_loop().run_in_executor(decoders, work, data)

    return answer


def decoded(data: bytes, how: Preprocessing) -> Picture:
    return views(read_image(data), how)


async def ask_all(answer: Answer, pictures: list[bytes], askers: int) -> None:
    left = iter(pictures)

    async def one() -> None:
        for data in left:
            await answer(data)

    await asyncio.gather(*(one() for _ in range(askers)))


def main() -> None:
    options = arguments(__doc__, rounds=5, model="googlenet_bn")
    spec, cores = MODELS[options.model], available_cores()
    files = [Path(name).read_bytes() for name in photographs(PICTURES)]
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        model = int8(fresh(spec, folder), spec)
        ways = {
            "batches that gather": batches(model, spec.preprocessing, ThreadPoolExecutor(cores)),
            "a stream a picture": streams(model, spec.preprocessing, ThreadPoolExecutor(2 * cores)),
        }
        for askers, count in ((ASKERS, PICTURES), (1, PICTURES // 4)):
            pictures = list(itertools.islice(files, count))
            runs: dict[str, Run] = {
                name: partial(
                    lambda a, p, n: runner.run(ask_all(a, p, n)), answer, pictures, askers
                )
                for name, answer in ways.items()
            }
            timings = interleave(runs, rounds=options.rounds, clock=options.clock)
            rows = rates(timings, count)
            show(f"{askers} askers, {spec.name}, int8", ["", "pictures/s", "spread"], rows)


if __name__ == "__main__":
    main()
