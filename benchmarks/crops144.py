"""Evaluation with 144 crops: its share of the engine's own speed, and its memory.

Speed with cats-and-dogs, memory with a network whose pictures are 32 px, for 100 and 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from setting import DATA, arguments, fresh, rates, show

from inception.benchmark.rounds import Clock, Run, interleave, ratios
from inception.benchmark.ways import noise
from inception.benchmark.workers import measure
from inception.data.datasets import open_data
from inception.evaluation.evaluate import evaluate_engine
from inception.models import MODELS
from inception.prediction import SHIPPED_FILE
from inception.preprocessing import Preprocessing
from inception.runtime import create_engine
from inception.runtime.pipeline import classify
from inception.weights.model_file import read_info

PICTURES = 12
CROPS, RUN = 144, 48  # the evaluation shows a picture's crops in three runs of 48
SMALL = "lenet5"


@dataclass(frozen=True)
class Crops:
    """So many pictures with 144 crops each."""

    model: Path
    preprocessing: Preprocessing
    pictures: int

    def prepare(self) -> Run:
        """Runs all of them."""
        dataset = open_data(DATA / "dogs-vs-cats").for_evaluation(None).limited(self.pictures)
        engine = create_engine(self.model)

        def run() -> None:
            how = self.preprocessing
            for answer in classify(engine, range(len(dataset)), dataset.read, how, crops=CROPS):
                if answer.error is not None:
                    raise answer.error

        return run


def main() -> None:
    options = arguments(__doc__, rounds=7)
    speed(options.rounds, options.clock)
    memory()


def speed(rounds: int, clock: Clock) -> None:
    info = read_info(SHIPPED_FILE)
    how = info.preprocessing
    dataset = open_data(DATA / "dogs-vs-cats").for_evaluation(None).limited(PICTURES)
    dataset = dataset.with_classes(info.classes)
    engine, pictures = create_engine(SHIPPED_FILE), noise(RUN, how.size)

    def evaluate() -> None:
        evaluate_engine(engine, dataset, how, models=["cats-and-dogs"], crops=CROPS)

    def alone() -> None:
        for _ in range(PICTURES * CROPS // RUN):
            engine.run(pictures)

    timings = interleave(
        {"evaluation": evaluate, "engine alone": alone}, rounds=rounds, clock=clock
    )
    share = ratios(timings["engine alone"], timings["evaluation"])
    rows = rates(timings, PICTURES * CROPS)
    kept = [f"{100 * share.median:.1f} %", f"± {100 * share.spread:.1f} %"]
    title = f"cats-and-dogs at {how.size} px, {engine.name}, {CROPS} crops"
    show(title, ["", "crops/s", "spread"], [*rows, ["kept by the evaluation", *kept]])


def memory() -> None:
    spec = MODELS[SMALL]
    with TemporaryDirectory() as folder:
        model = fresh(spec, folder)
        ways = {n: Crops(model, spec.preprocessing, n) for n in (100, 1000)}
        seen = {n: measure({n: way}, seconds=0, rounds=0)[n] for n, way in ways.items()}
    first = seen[100].peak_memory_mb
    rows = [
        [f"{n:,}", f"{m.peak_memory_mb:,.1f}", f"{100 * m.peak_memory_mb / first:.1f} %"]
        for n, m in seen.items()
    ]
    show(f"{SMALL}, {CROPS} crops", ["pictures", "peak MB", "of 100 pictures'"], rows)


if __name__ == "__main__":
    main()
