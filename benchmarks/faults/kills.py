"""Kills a tiny training run at instants by chance and resumes it, until it has ended; many times.

Every run that was killed must end in the weights of one that was not, bit for bit, and leave
nothing beside them. Usage: kills.py [--kills 1000] [--seed 0]
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from inception.training.config import TrainConfig
from inception.training.run import train

CONFIG = TrainConfig(model="lenet5", epochs=3, batch_size=8, threads=1)
FILES = ("model.safetensors", "confusion.csv")
LAST = "last.safetensors"  # its description has seconds in it, which differ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, begun = random.Random(options.seed), time.monotonic()
    with TemporaryDirectory(prefix="kills-") as folder:
        place = Path(folder)
        data = make_data(place / "data")
        started = time.monotonic()
        whole = ended(data, place / "whole")
        seconds, kills, runs = time.monotonic() - started, 0, 0
        while kills < options.kills:
            run = place / f"run{runs}"
            kills += killed(data, run, seconds, chance, options.kills - kills)
            runs += 1
            found = ended(data, run)
            if found != whole or list(run.glob(".*.part")):
                sys.exit(f"run {runs} after {kills} kills: {found}, not {whole}")
    passed = time.monotonic() - begun
    print(f"{kills:,} kills in {runs:,} runs, every one as if never stopped, {passed:,.0f} s")


def make_data(root: Path) -> Path:
    noise = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for label in ("a", "b"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = noise.integers(0, 256, (28, 28, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def start(data: Path, run: Path) -> int:
    """The process of a run begun, or gone on with where there is a checkpoint."""
    if process := os.fork():  # a process of its own, spared the seconds of importing torch
        return process
    with (run.parent / "log.txt").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            if (run / LAST).exists():
                train(None, resume=run)
            else:
                train(data, CONFIG, out=run)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os._exit(0)


def ended(data: Path, run: Path) -> dict[str, str]:
    """Digests of what a run ended with."""
    _, status = os.waitpid(start(data, run), 0)
    if status:
        sys.exit(f"{run}: status {status}\n{(run.parent / 'log.txt').read_text()}")
    made = {name: hashlib.sha256((run / name).read_bytes()) for name in FILES}
    made[LAST] = hashlib.sha256()
    for name, array in sorted(load_file(run / LAST).items()):
        made[LAST].update(name.encode() + array.tobytes())
    return {name: digest.hexdigest()[:16] for name, digest in made.items()}


def killed(data: Path, run: Path, seconds: float, chance: random.Random, most: int) -> int:
    """Kills the run up to five times, each at an instant of a whole run's; how often it did."""
    for done in range(min(5, most)):
        process = start(data, run)
        time.sleep(chance.uniform(0, 1.1) * seconds)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            return done  # it was faster
    return min(5, most)


if __name__ == "__main__":
    main()
