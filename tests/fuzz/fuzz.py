"""``make fuzz``: damages files of every kind until told to stop, and keeps what it finds.

A finding is anything but success or an ``InputError``, two seconds of processor, 500 MB or a crash.
Each target runs in a process of its own, which writes down every file before it opens it. What was
done is added up in hours.csv beside this file, so that hours come together over sessions; a session
of a target has the next seed, none is tried twice.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from targets import TARGETS

from inception.errors import InputError
from inception.machine import peak_memory_mb

MOST_S, MOST_MB = 2.0, 500.0
HOURS = Path(__file__).with_name("hours.csv")
COLUMNS = ("target", "sessions", "processor_s", "executions", "refused", "findings")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=3600, help="a target; 3600 by default")
    parser.add_argument("--seed", type=int, help="by default the target's next one, and counted")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        fuzz(options.one, options.seconds, options.seed, options.out)
        return
    for name in options.names or TARGETS:
        seed = options.seed
        if seed is None:
            seed = int(hours().get(name, {}).get("sessions", 0)) + 1
        session(name, options.seconds, seed, options.out)
        if options.seed is None:
            count(name, options.out)


def session(name: str, seconds: float, seed: int, out: Path) -> None:
    """One target's process, started and awaited."""
    given = ["--seconds", str(seconds), "--seed", str(seed), "--out", str(out), "--one", name]
    told(out, name).unlink(missing_ok=True)
    command = [sys.executable, __file__, *given]
    status = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
    if status:
        print(f"{name}: the process ended with status {status}; see current-{name}", flush=True)
        done = json.loads(told(out, name).read_text()) if told(out, name).exists() else {}
        done["findings"] = done.get("findings", 0) + 1
        told(out, name).write_text(json.dumps(done))


def fuzz(name: str, seconds: float, seed: int, out: Path) -> None:
    """Damages one target's file for so long; what a mutation did is printed once a kind."""
    warnings.simplefilter("ignore")
    target, random, folder = TARGETS[name], np.random.default_rng(seed), out / f"current-{name}"
    whole, path, seen, refused, tries = target.whole(), folder / target.name, set(), 0, 0
    shutil.rmtree(folder, ignore_errors=True)  # files beside it may be an earlier session's
    path.parent.mkdir(parents=True)
    path.write_bytes(whole)
    target.read(path)
    begun, processor, told_at = time.monotonic(), processor_s(), 0.0
    while True:
        if time.monotonic() - told_at > 1:
            done = {"processor_s": processor_s() - processor, "executions": tries,
                    "refused": refused, "findings": len(seen)}  # fmt: skip
            told(out, name).write_text(json.dumps(done))
            told_at = time.monotonic()
            if told_at - begun > seconds:
                break
        tries += 1
        path.write_bytes(target.damage(whole, random))
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


def processor_s() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def told(out: Path, name: str) -> Path:
    """Where a target's process writes how far it is."""
    return out / f"told-{name}.json"


def hours() -> dict[str, dict[str, str]]:
    """The rows of hours.csv by target."""
    if not HOURS.exists():
        return {}
    with HOURS.open(newline="") as file:
        return {row["target"]: row for row in csv.DictReader(file)}


def count(name: str, out: Path) -> None:
    """Adds a session to hours.csv."""
    rows = hours()
    row, done = rows.get(name, {}), json.loads(told(out, name).read_text())
    sums = {c: round(float(row.get(c, 0)) + done.get(c, 0)) for c in COLUMNS[2:]}
    sessions = int(row.get("sessions", 0)) + 1
    rows[name] = {"target": name, "sessions": str(sessions)} | {c: str(v) for c, v in sums.items()}
    with HOURS.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows[each] for each in TARGETS if each in rows)


if __name__ == "__main__":
    main()
