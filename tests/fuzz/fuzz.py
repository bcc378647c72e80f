"""``make fuzz``: damages files of every kind until told to stop, and keeps what it finds.

A finding is anything but success or an ``InputError``, two seconds of processor, 500 MB or a crash.
Each target runs in a process of its own, which writes down every file before it opens it.
"""

import argparse
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from targets import TARGETS, damaged

from inception.errors import InputError
from inception.machine import peak_memory_mb

MOST_S, MOST_MB = 2.0, 500.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=3600, help="a target; 3600 by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        fuzz(options.one, options.seconds, options.seed, options.out)
        return
    for name in options.names or TARGETS:
        given = ["--seconds", str(options.seconds), "--seed", str(options.seed)]
        command = [sys.executable, __file__, *given, "--out", str(options.out), "--one", name]
        status = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
        if status:
            print(f"{name}: the process ended with status {status}; see current-{name}", flush=True)


def fuzz(name: str, seconds: float, seed: int, out: Path) -> None:
    """Damages one target's file for so long; what a mutation did is printed once a kind."""
    warnings.simplefilter("ignore")
    target, random, folder = TARGETS[name], np.random.default_rng(seed), out / f"current-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    whole, path, seen, refused, tries = target.whole(), folder / target.name, set(), 0, 0
    path.write_bytes(whole)
    target.read(path)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        tries += 1
        path.write_bytes(damaged(whole, random))
        memory, clock, found = peak_memory_mb(), time.process_time(), ""
        try:
            target.read(path)
        except InputError:
            refused += 1
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"[:200]
        if time.process_time() - clock > MOST_S:
            found = f"{time.process_time() - clock:.1f} s"
        if peak_memory_mb() - memory > MOST_MB:
            found = f"{peak_memory_mb() - memory:.0f} MB"
        if found and found[:40] not in seen:
            seen.add(found[:40])
            (out / f"{name}-{seed}-{tries}").write_bytes(path.read_bytes())
            print(f"{name}: try {tries} of seed {seed}: {found}", flush=True)
    print(f"{name}: {tries:,} executions, {refused:,} refused, {len(seen)} findings", flush=True)


if __name__ == "__main__":
    main()
