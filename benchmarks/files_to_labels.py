"""JPEG files to labels: ours in fp32 and int8 against the usual way with torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from setting import arguments, fresh, int8, photographs, rates, show

from inception.benchmark.rounds import Run, interleave
from inception.benchmark.usual_way import UsualWay, counterpart
from inception.benchmark.workers import Way
from inception.data.images import read_image
from inception.errors import InputError
from inception.models import MODELS
from inception.preprocessing import Preprocessing
from inception.runtime import create_engine
from inception.runtime.pipeline import classify

BATCH = 32


@dataclass(frozen=True)
class Pipeline:
    """The pipeline as ``predict`` uses it, around any engine."""

    model: Path
    engine: str
    preprocessing: Preprocessing
    files: tuple[str, ...]

    def prepare(self) -> Run:
        """Times all the files."""
        engine = create_engine(self.model, self.engine)

        def run() -> list[int]:
            answers = classify(engine, self.files, read_image, self.preprocessing, batch_size=BATCH)
            return [int(a.probabilities.argmax()) for a in answers if a.probabilities is not None]

        return run


def main() -> None:
    options = arguments(__doc__, rounds=5, model="googlenet_bn")
    spec, files = MODELS[options.model], tuple(photographs())
    known = counterpart(spec.name)
    if not known:
        raise InputError(f"torchvision has no {spec.name}; take a model that it has")
    with TemporaryDirectory() as folder:
        model = fresh(spec, folder)
        ways: dict[str, Way] = {
            "torchvision": UsualWay(known, BATCH, spec.preprocessing, files=files),
            "torch fp32": Pipeline(model, "torch", spec.preprocessing, files),
            "openvino fp32": Pipeline(model, "openvino", spec.preprocessing, files),
            "openvino int8": Pipeline(int8(model, spec), "openvino", spec.preprocessing, files),
        }
        runs = {name: way.prepare() for name, way in ways.items()}
        timings = interleave(runs, rounds=options.rounds, clock=options.clock)
    usual = timings["torchvision"].median
    rows = rates(timings, len(files))
    for row, timing in zip(rows, timings.values(), strict=True):
        row.append(f"{usual / timing.median:.2f}")
    title = f"{len(files)} JPEG files to labels, {spec.name}, batch {BATCH}"
    show(title, ["way", "files/s", "spread", "× torchvision"], rows)


if __name__ == "__main__":
    main()
