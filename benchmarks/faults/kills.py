"""Kills a tiny training run at instants by chance and resumes it, until it has ended; many times.

The network has what a resume can lose: batch norm's statistics, dropout's draws, an auxiliary head,
averaged weights, momentum. A checkpoint is written after every step, so that many kills hit one.
Half of the kills come at any instant, half at one after the process's first step.
Every run that was killed must end in the weights of one that was not, bit for bit, and leave
nothing beside them. Each run is forked from a process that has trained once and so has all that is
imported; pictures of curves, which take longer than a run, are not drawn.
Usage: kills.py [--kills 1000] [--seed 0]
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from inception.models.spec import (
    CLASSES,
    Conv,
    Dropout,
    Flatten,
    Layers,
    Linear,
    Norm,
    Pool,
    Preprocessing,
    Spec,
)
from inception.training import records
from inception.training.config import TrainConfig
from inception.training.loop import Reports
from inception.training.run import train

HEAD: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "dropout": Dropout(0.3),
    "logits": Linear(CLASSES),
}
SPEC = Spec(
    "tiny",
    {"conv1": Conv(4, kernel=3, stride=2, norm=Norm()), "conv2": Conv(8, kernel=3, norm=Norm())},
    HEAD,
    {"conv1": HEAD},
    num_classes=2,
    preprocessing=Preprocessing(size=16),
)
FILES = ("model.safetensors", "confusion.csv")
LAST = "last.safetensors"  # its description has seconds in it, which differ
MOST = 12  # kills a run, each after at most a fifth of a whole one's seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    records.Pictures._draw = lambda self: None  # type: ignore[method-assign]
    records.commit = lambda: None  # one made while this goes on would be in later models
    with TemporaryDirectory(prefix="kills-") as folder:
        kill_many(Path(folder), options.kills, random.Random(options.seed))


def kill_many(place: Path, wanted: int, chance: random.Random) -> None:
    """So many kills; ends the process where a run ended otherwise than the whole one."""
    data, begun = make_data(place / "data"), time.monotonic()
    model = place / "tiny.json"
    model.write_text(json.dumps(SPEC.to_json()))
    config = TrainConfig(model=str(model), epochs=4, batch_size=8, mixup=0.2, average="polyak",
                         threads=1, checkpoint_s=1e-9)  # fmt: skip
    train(data, config, out=place / "warm")
    started = time.monotonic()
    whole = ended(data, config, place / "whole")
    seconds, runs, befell = time.monotonic() - started, 0, Counter[str]()
    while (left := wanted - befell.total()) > 0:
        run = place / f"run{runs}"
        befell.update(killed(data, config, run, seconds, chance, min(MOST, left)))
        runs += 1
        found = ended(data, config, run)
        if found != whole or list(run.glob(".*.part")):
            sys.exit(f"run {runs} after {befell.total()} kills: {found}, not {whole}")
        shutil.rmtree(run)
        if runs % 20 == 0:
            told = ", ".join(f"{count:,} {what}" for what, count in befell.most_common())
            print(
                f"{befell.total():,} kills, {time.monotonic() - begun:,.0f} s: {told}", flush=True
            )
    print(f"{befell.total():,} kills in {runs:,} runs of {seconds:.2f} s, every one as if never "
          f"stopped, {time.monotonic() - begun:,.0f} s")  # fmt: skip
    for what, count in befell.most_common():
        print(f"{count:6,} {what}")


def make_data(root: Path) -> Path:
    noise = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 4)):
        for label in ("a", "b"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = noise.integers(0, 256, (20, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


def telling(told: int | None) -> Reports:
    """Writes to ``told`` after each step."""

    def step(*_: object) -> None:
        if told is not None:
            os.write(told, b".")

    return Reports(step=step)


def start(data: Path, config: TrainConfig, run: Path, told: int | None = None) -> int:
    """The process of a run begun, or gone on with where there is a checkpoint."""
    if process := os.fork():
        return process
    with (run.parent / "log.txt").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            if (run / LAST).exists():
                train(None, resume=run, reports=telling(told))
            else:
                train(data, config, out=run, reports=telling(told))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os._exit(0)


def ended(data: Path, config: TrainConfig, run: Path) -> dict[str, str]:
    """Digests of what a run ended with."""
    _, status = os.waitpid(start(data, config, run), 0)
    if status:
        sys.exit(f"{run}: status {status}\n{(run.parent / 'log.txt').read_text()}")
    made = {name: hashlib.sha256((run / name).read_bytes()) for name in FILES}
    made[LAST] = hashlib.sha256()
    for name, array in sorted(load_file(run / LAST).items()):
        made[LAST].update(name.encode() + array.tobytes())
    return {name: digest.hexdigest()[:16] for name, digest in made.items()}


def killed(
    data: Path, config: TrainConfig, run: Path, seconds: float, chance: random.Random, most: int
) -> list[str]:
    """Kills the run so often; what each kill interrupted."""
    interrupted: list[str] = []
    for _ in range(most):
        read, write = os.pipe()
        process = start(data, config, run, write)
        os.close(write)
        if chance.random() < 0.5:
            os.read(read, 1)
        time.sleep(chance.uniform(0, 0.2) * seconds)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        os.close(read)
        if status == 0:
            return interrupted  # it was faster
        if not os.WIFSIGNALED(status):
            sys.exit(f"{run}: status {status}\n{(run.parent / 'log.txt').read_text()}")
        interrupted.append(what_it_did(run, process))
    return interrupted


def what_it_did(run: Path, process: int) -> str:
    """What a process was about when it was killed, by what it left unfinished."""
    if left := next(iter(run.glob(f".*-{process}-*.part")), None):
        return f"while {left.name[1:].split('.')[0]} was written"
    return "between writes" if (run / LAST).exists() else "before there was a checkpoint"


if __name__ == "__main__":
    main()
