"""Peak memory of predicting 5,000 pictures beside that of 500."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from itertools import islice

from setting import DATA, show

from inception.benchmark.rounds import Run
from inception.benchmark.workers import measure
from inception.prediction import SHIPPED
from inception.predictor import Predictor

COUNTS = (500, 5000)


@dataclass(frozen=True)
class Predicting:
    """Predicts the first so many pictures of dogs-vs-cats, as the command does: one by one."""

    pictures: int

    def prepare(self) -> Run:
        """Runs all of them."""
        tars = sorted((DATA / "dogs-vs-cats").glob("train-*.tar"))
        predictor = Predictor(SHIPPED)

        def run() -> None:
            done = sum(1 for _ in islice(predictor.stream(tars), self.pictures))
            if done != self.pictures:
                raise RuntimeError(f"only {done} pictures in {DATA}/dogs-vs-cats")

        return run


def main() -> None:
    ArgumentParser(description=__doc__).parse_args()
    seen = {n: measure({n: Predicting(n)}, seconds=0, rounds=0)[n] for n in COUNTS}
    first = seen[COUNTS[0]].peak_memory_mb
    rows = [
        [f"{n:,}", f"{m.peak_memory_mb:,.1f}", f"{100 * m.peak_memory_mb / first:.1f} %"]
        for n, m in seen.items()
    ]
    show(f"predict with {SHIPPED}", ["pictures", "peak MB", f"of {COUNTS[0]} pictures'"], rows)


if __name__ == "__main__":
    main()
