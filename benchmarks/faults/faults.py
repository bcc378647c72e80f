"""Lets one thing go wrong in each of a row of tiny runs; prints what was tried and what happened.

A fault must end in the status and the one line that are wanted of it, and where a run can go on it
must end in the weights of a run that nothing befell. Usage: faults.py [NAME ...]
"""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kills import make_data
from safetensors.numpy import load_file

from inception.cli import main as inception
from inception.data.datasets import open_data
from inception.data.packing import Packing, pack
from inception.training.loop import Training

WARNINGS = "pictures were not drawn|Matplotlib is building"  # beside the one line
GO_ON = "go on"  # the run resumes, and ends as if nothing had happened


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        tried: in words.
        arguments: of the command line, where ``{name}`` is a place.
        befalls: done in the process, before the command.
        status: the exit status wanted; ``says`` is to be found in the last line of standard error.
        then: what must hold afterwards: ``GO_ON``, or a file in the run with some text.
    """

    tried: str
    arguments: str
    befalls: Callable[[Path], object] = lambda place: None
    status: int = 2
    says: str = ""
    then: str = ""


TRAIN = (
    "train {data} --model lenet5 --image-size 32 --epochs 3 --batch-size 8 --threads 1 "
    "--device cpu --set checkpoint_s=0.001 --out {run}"
)


def at_step(step: int, act: Callable[[], object]) -> None:
    """Something done before a step of the run."""
    train_step, seen = Training._train_step, count()

    def stumble(self: Training, batch: Any) -> None:
        if next(seen) == step:
            act()
        train_step(self, batch)

    Training._train_step = stumble  # type: ignore[method-assign]


def limited(what: int, most: int) -> Callable[[Path], object]:
    return lambda place: resource.setrlimit(what, (most, most))


def later(what: int, most: int) -> Callable[[Path], object]:
    return lambda place: at_step(6, lambda: resource.setrlimit(what, (most, most)))


def corrupted(place: Path) -> None:
    picture = place / "data" / "train" / "a" / "3.png"
    at_step(5, lambda: picture.write_bytes(b"no picture any more"))


def cut_short(place: Path) -> None:
    shard = place / "shards" / "train-00000.tar"
    os.truncate(shard, shard.stat().st_size // 2)


def backwards(place: Path) -> None:
    ticks = count(2_000_000_000, -1000)
    time.time = lambda: float(next(ticks))


def homeless(place: Path) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "INCEPTION_CACHE"):
        os.environ.pop(name, None)

    def no_home(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    Path.home = no_home  # type: ignore[method-assign]


def no_memory(place: Path) -> None:
    def refuse() -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), used + (1 << 20)))
        import torch

        torch.empty(1 << 30).fill_(1)

    at_step(6, refuse)


def worker_killed(place: Path) -> None:
    class Killed(subprocess.Popen[str]):
        def __init__(self, command: Any, *args: Any, **options: Any) -> None:
            super().__init__(command, *args, **options)
            if command[-1] == "--share=2/2":
                self.kill()

    subprocess.Popen = Killed  # type: ignore[assignment, misc]


FAULTS = {
    "killed": Fault(
        "SIGKILL in the middle of an epoch", TRAIN,
        lambda place: at_step(6, lambda: os.kill(os.getpid(), signal.SIGKILL)),
        status=-signal.SIGKILL, then=GO_ON,
    ),
    "asked to stop": Fault(
        "SIGTERM", TRAIN, lambda place: at_step(6, lambda: signal.raise_signal(signal.SIGTERM)),
        status=130, says="interrupted and saved; go on with", then=GO_ON,
    ),
    "disk full": Fault(
        "no file may grow beyond 100 kB from a step on, so no checkpoint can be written", TRAIN,
        later(resource.RLIMIT_FSIZE, 100_000),
        says="cannot write .*last.safetensors: .*File too large",
        then=GO_ON,
    ),
    "read-only folder": Fault(
        "a run folder where nothing can be made", TRAIN.replace("{run}", "/proc/run"),
        says="cannot write to /proc/run",
    ),
    "few file descriptors": Fault(
        "24 open files at most", TRAIN, limited(resource.RLIMIT_NOFILE, 24), status=0, then=GO_ON
    ),
    "no file descriptors": Fault(
        "none from a step on", TRAIN, later(resource.RLIMIT_NOFILE, 3),
        says="Too many open files|pictures cannot be read", then=GO_ON,
    ),
    "picture corrupted": Fault(
        "a picture is overwritten while the run goes, 1 of 32", TRAIN, corrupted,
        says="1 of 32 pictures cannot be read, more than --max-unreadable 0.01; the first: .*3.png",
    ),
    "picture corrupted, borne": Fault(
        "the same with --max-unreadable 0.05", f"{TRAIN} --max-unreadable 0.05", corrupted,
        status=0, then="unreadable.csv: 3.png",
    ),
    "shard cut short": Fault(
        "half of a tar is gone, its index beside it", TRAIN.replace("{data}", "{shards}"),
        cut_short,
        says="train-00000.tar.*(not a readable tar file|cannot be read|unexpected)",
    ),
    "loss that is none": Fault(
        "a rate of 1e30, gradients not clipped",
        f"{TRAIN} --lr 1e30 --set clip_norm=none",
        says=r"loss is (nan|inf) at step \d+ \(epoch 1, batch \d\): the run stopped; .* lower --lr",
    ),
    "clock backwards": Fault(
        "the time of day falls by 1,000 s whenever it is asked for", TRAIN, backwards,
        status=0, then=GO_ON,
    ),
    "no home": Fault(
        "no home folder, no cache; tars without their index", TRAIN.replace("{data}", "{plain}"),
        homeless, status=0,
    ),
    "out of memory": Fault(
        "no more memory from a step on", TRAIN, no_memory,
        says="not enough memory: .* goes on with it", then=GO_ON,
    ),
    "worker killed": Fault(
        "one of two that pack", "data pack {data} --out {packed} --workers 2 --per-shard 4",
        worker_killed, says=r"a worker was killed \(signal 9\); run it again to go on",
    ),
}  # fmt: skip


def run(words: list[str], befalls: Callable[[Path], object], place: Path) -> tuple[int, str]:
    """The command line in a process of its own, spared the seconds of importing torch."""
    log = place / "log.txt"
    if not (process := os.fork()):
        with log.open("w") as file:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(file.fileno(), 2)
        sys.argv = ["inception", *words]
        status: Any = 99
        try:
            befalls(place)
            inception()
        except SystemExit as ended:
            status = ended.code
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(status if isinstance(status, int) else 99)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, log.read_text(errors="replace").strip()


def weights(folder: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in load_file(folder / "last.safetensors").items()}


def judged(fault: Fault, place: Path, whole: dict[str, bytes]) -> Iterator[str]:
    """What happened; a line that begins with NOT is one that was not wanted."""
    places = {name: str(place / name) for name in ("data", "shards", "plain", "run", "packed")}
    words = [word.format(**places) for word in fault.arguments.split()]
    status, told = run(words, fault.befalls, place)
    lines = [line for line in told.splitlines() if not re.search(WARNINGS, line)]
    fits = not fault.says or (lines and re.search(fault.says, lines[-1]))
    if status != fault.status or len(lines) > 1 or not fits:
        yield f"NOT as wanted: status {status}, {len(lines)} lines"
    yield f"status {status}" + (f": `{lines[-1].replace(str(place), '…')[:200]}`" if lines else "")
    if fault.then == GO_ON:
        if status:
            again, said = run(["train", "--resume", places["run"]], lambda place: None, place)
            yield f"NOT resumed: {said[-300:]}" if again else "resumed"
        same = weights(place / "run") == whole
        yield "the same weights as undisturbed" if same else "NOT the same weights"
        if left := [path.name for path in (place / "run").glob(".*.part")]:
            yield f"NOT tidy: {left}"
    elif fault.then:
        name, _, text = fault.then.partition(": ")
        listed = text in (place / "run" / name).read_text()
        yield f"listed in {name}" if listed else f"NOT listed in {name}"


def main() -> None:
    names = sys.argv[1:] or list(FAULTS)
    print("| what befell | what happened |\n|---|---|")
    with TemporaryDirectory(prefix="faults-") as folder:
        whole: dict[str, bytes] = {}
        for number, name in enumerate(["", *names]):
            place = Path(folder) / str(number)
            data = open_data(make_data(place / "data"))
            for kind in ("shards", "plain"):
                pack(data, place / kind, Packing(), threads=1)
            for index in (place / "plain").glob("*.json"):
                index.unlink()
            if not name:
                words = TRAIN.format(data=place / "data", run=place / "run").split()
                assert run(words, lambda place: None, place)[0] == 0  # noqa: S101
                whole = weights(place / "run")
                continue
            told = "; ".join(judged(FAULTS[name], place, whole))
            print(f"| {name}: {FAULTS[name].tried} | {told} |", flush=True)


if __name__ == "__main__":
    main()
