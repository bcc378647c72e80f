"""Kills a tiny training run at instants by chance and resumes it, until it has ended; many times.

Every run that was killed must end in the weights of one that was not, bit for bit, and leave
nothing beside them. Usage: kills.py [--kills 1000] [--seed 0]
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

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


def start(data: Path, run: Path) -> subprocess.Popen[bytes]:
    """The run begun, or gone on with where there is a checkpoint."""
    command = [sys.executable, "-c", "from inception.cli import main; main()", "train"]
    if (run / "last.safetensors").exists():
        command += ["--resume", str(run)]
    else:
        command += [str(data), "--model", "lenet5", "--epochs", "6", "--batch-size", "8"]
        command += ["--threads", "1", "--out", str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(data: Path, run: Path) -> dict[str, str]:
    """Digests of what a run ended with."""
    process = start(data, run)
    error = process.communicate()[1]
    if process.returncode:
        sys.exit(f"{run}: status {process.returncode}\n{error.decode()}")
    made = {name: hashlib.sha256((run / name).read_bytes()) for name in FILES}
    made[LAST] = hashlib.sha256()
    for name, array in sorted(load_file(run / LAST).items()):
        made[LAST].update(name.encode() + array.tobytes())
    return {name: digest.hexdigest()[:16] for name, digest in made.items()}


def killed(data: Path, run: Path, seconds: float, chance: random.Random, most: int) -> int:
    """Kills the run up to five times, each at an instant of a whole run's; how often it did."""
    done = 0
    for _ in range(min(5, most)):
        process = start(data, run)
        try:
            process.wait(timeout=chance.uniform(0.3, 1.1) * seconds)
            break  # it was faster
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
    return done


if __name__ == "__main__":
    main()
