"""Reading pictures in a drawn order against in their own, of sets larger than the memory for them.

Bytes alone, nothing is decoded. Usage: feeding.py [--megabytes 100] [--memory 40]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from growth import make_shard

from inception.data import tars
from inception.data.blocks import MEMORY
from inception.data.dataset import Dataset
from inception.data.loading import epoch_plan
from inception.data.ordered import ordered_map
from inception.data.parquet import ParquetSource
from inception.data.sources import Source
from inception.data.tars import TarSource

BYTES, GROUP, THREADS, ROUNDS = 10_000, 500, 2, 3


def make(root: Path, count: int) -> tuple[Path, Path]:
    content = np.random.default_rng(0).bytes(BYTES)
    images = [{"bytes": content[i % 99 :]} for i in range(count)]
    table = pa.table({"image": images, "label": [i % 2 for i in range(count)]})
    pq.write_table(
        table, root / "0.parquet", row_group_size=GROUP, compression="none", use_dictionary=False
    )
    make_shard(root / "0.tar", range(count), content)
    return root / "0.parquet", root / "0.tar"


def seconds(dataset: Dataset, order: list[int]) -> tuple[float, float]:
    """Of the processor and of the clock."""
    began, clock = time.process_time(), time.perf_counter()
    for _ in ordered_map(dataset.encoded, dataset.in_turn(order), threads=THREADS, ahead=64):
        pass
    return time.process_time() - began, time.perf_counter() - clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--memory", type=int, default=40)
    options = parser.parse_args()
    count = options.megabytes * 1_000_000 // BYTES
    tars.STRETCH = 1 << 22
    print("| kind | order | pictures/s of the processor | of the clock | share |")
    print("|---|---|---:|---:|---:|")
    with TemporaryDirectory(prefix="feeding-") as folder:
        parquet, tar = make(Path(folder), count)
        memory = options.memory * 1_000_000
        labels, rows = np.zeros(count, np.int64), np.arange(count)
        sources: dict[str, Callable[[], Source]] = {
            "parquet": lambda: ParquetSource([parquet], memory=memory),
            "tar": lambda: TarSource([tar], memory=memory),
        }
        for name, make_source in sources.items():
            found: dict[str, list[tuple[float, float]]] = {"in order": [], "drawn": []}
            for round_ in range(ROUNDS):
                for how, taken in found.items():
                    dataset = Dataset("all", make_source(), ("a",), labels, rows)
                    plan = epoch_plan(count, 64, 0, round_, blocks=dataset.blocks)
                    order = np.concatenate(plan).tolist() if how == "drawn" else list(range(count))
                    taken.append(seconds(dataset, order))
            middle = {how: np.median(taken, axis=0) for how, taken in found.items()}
            for how, (processor, clock) in middle.items():
                share = middle["in order"][0] / processor
                print(f"| {name} | {how} | {count / processor:,.0f} | {count / clock:,.0f} | "
                      f"{100 * share:.0f} % |")  # fmt: skip
    print(f"{options.megabytes} MB read with {options.memory} MB; by default {MEMORY >> 20} MiB")


if __name__ == "__main__":
    main()
