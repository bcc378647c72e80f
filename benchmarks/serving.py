"""The server under load on this machine's loopback, beside others, in turns.

Clients ask in a closed loop, one picture a request, on connections that stay open; they take their
share of the same cores. Who is sent away with 503 comes back after what Retry-After says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import numpy as np
import openvino as ov
import psutil
from setting import ROOT, fresh, int8, photographs, show

from inception.data.images import read_image
from inception.models import MODELS
from inception.runtime import create_engine
from inception.runtime.pipeline import classify
from inception.weights.description import KEY
from inception.weights.model_file import read_info

OURS = "inception serve"
LIT = "LitServe"
PATIENCE_S = 30  # an answer that takes longer counts as broken
CROWDS = (64, 23, 7, 48, 3)  # clients whose pictures gather while memory is watched
WARM = 1000  # requests before that
FORM = "multipart/form-data; boundary=xyz"


@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: by status, the time of each answer.
    """

    began: float = field(default_factory=time.perf_counter)
    ended: float = 0.0
    seconds: dict[int, list[float]] = field(default_factory=dict)
    broken: int = 0

    @property
    def rate(self) -> float:
        """Pictures answered in a second."""
        return len(self.seconds.get(200, ())) / (self.ended - self.began)

    def ms(self, status: int, share: float) -> str:
        """The time within which that share of the answers of a status came."""
        times = self.seconds.get(status)
        return f"{1000 * float(np.quantile(times, share)):,.0f}" if times else "–"

    @property
    def statuses(self) -> str:
        """How many answers of which status."""
        counts = [f"{len(times)} × {status}" for status, times in sorted(self.seconds.items())]
        return ", ".join([*counts, *([f"{self.broken} broken"] if self.broken else [])])


def load(port: int, bodies: Sequence[bytes], clients: int, *, seconds: float = 1e9,
         requests: int = 10**9) -> Load:  # fmt: skip
    """What ``clients`` see who ask for so long, or so often."""
    told = Load()
    turns, end = iter(range(requests)), told.began + seconds

    async def one(bodies: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end and next(turns, None) is not None:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    status, again = await post(reader, writer, next(bodies))
            except (OSError, asyncio.IncompleteReadError):  # too late is an OSError too
                told.broken += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            told.seconds.setdefault(status, []).append(time.perf_counter() - began)
            if again:
                await asyncio.sleep(again * random.uniform(0.5, 1.5))
        writer.close()

    async def main() -> None:
        starts = [cycle([*bodies[i % len(bodies) :], *bodies[: i % len(bodies)]])
                  for i in range(clients)]  # fmt: skip
        await asyncio.gather(*map(one, starts))

    asyncio.run(main())
    told.ended = time.perf_counter()
    return told


async def post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> tuple[int, float]:
    """The status of an answer, and after how many seconds to come back."""
    kind = FORM if body.startswith(b"--") else "image/jpeg"
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    told = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(value(told, b"content-length")))
    return int(told.split()[1]), float(value(told, b"retry-after"))


def as_form(body: bytes) -> bytes:
    """A picture as a file of a form, the only way in which LitServe takes bytes."""
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head + body + b"\r\n--xyz--\r\n"


def value(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0] or b"0"


@contextmanager
def serving(command: Sequence[str]) -> Iterator[tuple[int, psutil.Process]]:
    """A server in a process of its own, once it is ready: its port, and itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, *(word.replace("PORT", str(port)) for word in command)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=ROOT)
    try:
        for _ in range(600):
            try:
                urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).read()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"it did not start: {' '.join(words)}") from None
                time.sleep(0.2)
        yield port, psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            for member in [*psutil.Process(process.pid).children(recursive=True), process]:
                member.terminate()
        process.wait(60)


def processor_s(process: psutil.Process) -> float:
    """Seconds on the cores of a process and all it started."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:2]) for member in family)


def compare(model: Path, bodies: list[bytes], options: argparse.Namespace) -> None:
    """The pipeline, our server and the others, in turns."""
    ours = ["-c", "from inception.cli import main; main()", "serve", str(model)]
    commands = {
        OURS: [*ours, "--port", "PORT", "--quiet"],
        "FastAPI, plain": ["benchmarks/servers/plain.py", str(model), "PORT"],
    }
    if find_spec("litserve"):
        commands[LIT] = ["benchmarks/servers/lit.py", str(model), "PORT"]
    rows: list[list[str]] = []
    for turn in range(options.turns):
        rate, spent = pipeline(model, bodies, options.seconds)
        rows.append([f"{turn + 1}", "pipeline, no server", f"{rate:.1f}", "", "", "", spent, ""])
        for name, command in commands.items():
            sent = [as_form(body) for body in bodies] if name == LIT else bodies
            with serving(command) as (port, process):
                load(port, sent, options.clients, requests=2 * options.clients)  # warm
                began = processor_s(process)
                told = load(port, sent, options.clients, seconds=options.seconds)
                each = (processor_s(process) - began) / max(1, len(told.seconds.get(200, ())))
            share = f"{100 * told.rate / rate:.0f} %"
            rows.append([f"{turn + 1}", name, f"{told.rate:.1f}", share, told.ms(200, 0.5),
                         told.ms(200, 0.99), f"{1000 * each:.1f}", told.statuses])  # fmt: skip
    title = f"{options.clients} clients for {options.seconds:g} s, {options.model}, int8"
    columns = ["turn", "", "pictures/s", "of the pipeline", "p50 ms", "p99 ms",
               "processor ms/picture", "answers"]  # fmt: skip
    show(title, columns, rows)


def pipeline(model: Path, bodies: list[bytes], seconds: float) -> tuple[float, str]:
    """Pictures a second from the same bytes to probabilities; processor time of each, in ms."""
    engine, how = create_engine(model), MODELS[model.name.split(".")[0]].preprocessing
    list(classify(engine, bodies[:64], read_image, how))
    began, spent, count = time.perf_counter(), time.process_time(), 0
    end = began + seconds
    for _ in classify(engine, cycle(bodies), read_image, how):
        count += 1
        if time.perf_counter() > end:
            break
    each = (time.process_time() - spent) / count
    return count / (time.perf_counter() - began), f"{1000 * each:.1f}"


def crowd(model: Path, bodies: list[bytes], options: argparse.Namespace) -> None:
    """256 clients before a queue of 8."""
    with serving(served(model, "--queue", "8")) as (port, _):
        load(port, bodies, 8, requests=64)
        told = load(port, bodies, 256, seconds=options.seconds)
    away = told.seconds.get(503, [])
    soon = 100 * np.mean(np.array(away) < 0.05) if away else 0.0
    columns = ["answers", "503 within 50 ms", "503 p99 ms", "200 p50 ms", "200 p99 ms"]
    row = [told.statuses, f"{soon:.1f} %", told.ms(503, 0.99), told.ms(200, 0.5),
           told.ms(200, 0.99)]  # fmt: skip
    show("a queue of 8, 256 clients", columns, [row])


def memory(model: Path, bodies: list[bytes], options: argparse.Namespace) -> None:
    """Memory held, every tenth of the requests; crowds of all sizes make runs of all sizes."""
    each, crowds = options.requests // 10, cycle(CROWDS)
    with serving(served(model, "--deadline", "120")) as (port, process):
        for crowd in CROWDS:
            load(port, bodies, crowd, requests=WARM // len(CROWDS))
        rows = []
        for tenth in range(11):
            held = process.memory_info().rss / 1e6
            rows.append([f"{tenth * each:,}", f"{held:,.0f}"])
            for _ in range(5 * (tenth < 10)):
                load(port, bodies, next(crowds), requests=each // 5)
    show("memory over requests", ["requests", "MB"], rows)


def mutations(model: Path, bodies: list[bytes], options: argparse.Namespace) -> None:
    """Damaged JPEG files: what is answered, and the memory held after each quarter."""
    mutated = run_path(str(ROOT / "tests" / "serving" / "mutations.py"))["mutated"]
    rng = random.Random(options.seed)
    small = sorted(bodies, key=len)[:20]
    told: Counter[int] = Counter()
    with serving(served(model)) as (port, process):
        held = []
        for _ in range(4):
            damaged = [mutated(rng.choice(small), rng) for _ in range(options.mutations // 4)]
            seen = load(port, damaged, 1, requests=len(damaged))
            told.update({status: len(times) for status, times in seen.seconds.items()})
            told[0] += seen.broken
            held.append(f"{process.memory_info().rss / 1e6:,.0f}")
    row = [str(options.mutations), str(dict(told)), ", ".join(held)]
    show("damaged JPEG files", ["files", "answers by status (0: broken)", "MB by quarter"], [row])


def served(model: Path, *more: str) -> list[str]:
    code = "from inception.cli import main; main()"
    return ["-c", code, "serve", str(model), "--port", "PORT", "--quiet", *more]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="googlenet_bn", help="an architecture, fresh weights")
    parser.add_argument("--seconds", type=float, default=60, help="of each server's turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=10_000, help="over which memory is watched")
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parts = {"compare": compare, "crowd": crowd, "memory": memory, "mutations": mutations}
    parser.add_argument("--parts", nargs="*", choices=parts, default=list(parts))
    options = parser.parse_args()
    spec, bodies = MODELS[options.model], [Path(n).read_bytes() for n in photographs(70)]
    with TemporaryDirectory() as folder:
        model = described(int8(fresh(spec, folder), spec), Path(folder))
        for part in options.parts:
            parts[part](model, bodies, options)


def described(model: Path, folder: Path) -> Path:
    """The quantised model with the description of the one it was made from."""
    source = next(folder.glob("*.safetensors"))
    graph = ov.Core().read_model(model)
    graph.set_rt_info(json.dumps(read_info(source).to_json()), [KEY])
    path = model.with_name(f"{source.stem}.served.xml")
    ov.save_model(graph, path, compress_to_fp16=False)
    return path


if __name__ == "__main__":
    main()
