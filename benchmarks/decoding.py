"""Whether threads limit decoding: in how much of a training picture's time Python holds its lock.

First each step by itself, on one core: the share of the processor that another thread of Python
gets meanwhile. A step that gives the lock up leaves it half, one that keeps it nothing. Then what
training does with a picture: processor time, and how much of it lies in steps that give the
lock up. The rest is Python, of which a process has one core's worth.
Usage: decoding.py FOLDER [--pictures 100] [--size 224]
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inception.data import images
from inception.data.datasets import open_data
from inception.data.images import read_image
from inception.data.ordered import ordered_map
from inception.data.transforms import augment, augmentation
from inception.machine import memory_kept

ROUNDS = 7
LONG = 4000  # px: a picture whose steps take longer than Python's turn of 5 ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    for name, step in steps().items():
        print(f"{name}: another thread gets {100 * beside(step):.0f} %", flush=True)
    whole, free = spent(options.folder, options.pictures, options.size)
    print(f"{1e3 * whole:.3f} ms of the processor a picture, {1e3 * free:.3f} without the lock: "
          f"Python has {100 * (whole - free) / whole:.1f} %, so threads end at "
          f"{whole / (whole - free):.0f} cores, {1 / (whole - free):,.0f} pictures/s")  # fmt: skip


def steps() -> dict[str, Callable[[], object]]:
    pixels = np.random.default_rng(0).integers(0, 256, (LONG // 8, LONG // 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((LONG, LONG))
    place = Path("/dev/shm/decoding.jpg")
    image.save(place, quality=90)
    data = place.read_bytes()
    place.unlink()
    return {
        "a sum in C, which keeps the lock": lambda: sum(range(20_000_000)),
        "decoding a JPEG": lambda: read_image(data),
        "resizing": lambda: image.resize((1000, 1000), Image.Resampling.BICUBIC),
        "mirroring": lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    }


def beside(step: Callable[[], object]) -> float:
    """The share of the processor that a thread which only counts gets while a step runs."""
    counted, done = [0], threading.Event()

    def count() -> None:
        while not done.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    first, clock = counted[0], time.process_time()
    step()
    made, seconds = counted[0] - first, time.process_time() - clock
    first, clock = counted[0], time.process_time()
    time.sleep(0.5)
    rate = (counted[0] - first) / (time.process_time() - clock)
    done.set()
    thread.join()
    return made / rate / seconds


def spent(folder: Path, count: int, size: int) -> tuple[float, float]:
    """Seconds of the processor a picture, and those within steps that give the lock up.

    The least of some rounds each, since other processes make every step slower.
    """
    data = open_data(folder)
    train = data.splits["train" if "train" in data.splits else next(iter(data.splits))]
    how, free, told = augmentation("light"), [0.0], []
    with memory_kept(), Timed(free):
        for index in range(min(count, len(train))):
            rounds = []
            for _ in range(ROUNDS):
                free[0], began = 0.0, time.thread_time()
                augment(train.read(index), size, how, np.random.default_rng([0, 0, index]))
                rounds.append((time.thread_time() - began, free[0]))
            told.append(min(rounds))
    whole, out = np.mean(told, axis=0)
    return float(whole) + handed_on(), float(out)


def handed_on() -> float:
    """Seconds of the processor for handing a picture to a thread and back."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in ordered_map(int, range(1000), threads=1, ahead=100):
            pass
        found.append((time.process_time() - began) / 1000)
    return min(found)


class Timed:
    """While it lasts, the time within decoding, resizing and mirroring is added up."""

    def __init__(self, spent: list[float]) -> None:
        self.spent = spent
        self.own = (images._simplejpeg, Image.Image.resize, Image.Image.transpose)

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added up."""

        def call(*args: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*args, **named)
            finally:
                self.spent[0] += time.thread_time() - began

        return call

    def __enter__(self) -> None:
        decode = self.own[0]()
        if decode is None:
            sys.exit("simplejpeg is missing: pip install 'inception-nets[fast]'")
        wrapped = self.wrap(decode)
        images._simplejpeg = lambda: wrapped  # type: ignore[assignment]
        Image.Image.resize = self.wrap(self.own[1])  # type: ignore[method-assign]
        Image.Image.transpose = self.wrap(self.own[2])  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        images._simplejpeg = self.own[0]
        Image.Image.resize = self.own[1]  # type: ignore[method-assign]
        Image.Image.transpose = self.own[2]  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
