"""Each thing that is measured in a process of its own: its peak memory is nobody else's."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

from inception.benchmark.rounds import Key, Run, Timing, repeat
from inception.errors import InputError
from inception.machine import peak_memory_mb


class Way(Protocol):
    """Something to measure; it travels to its process before it takes any memory."""

    def prepare(self) -> Run:
        """Loads what it takes and gives what is timed. Raises ``InputError``."""


@dataclass(frozen=True)
class Measured:
    """What was seen of a way."""

    timing: Timing
    peak_memory_mb: float


def measure(
    ways: Mapping[Key, Way], *, seconds: float, rounds: int, tell: Callable[[], None] = lambda: None
) -> dict[Key, Measured]:
    """Runs the ways in turn, one at a time.

    Args:
        ways: what to measure.
        seconds: for each of them, over all rounds; each gets at least one run a round.
        rounds: turns of each.
        tell: called after each turn.

    Raises:
        InputError: a way could not be prepared, or its process ended.
    """
    took: dict[Key, list[float]] = {key: [] for key in ways}
    with ExitStack() as stack:
        workers = {key: stack.enter_context(_Worker(way)) for key, way in ways.items()}
        for worker in workers.values():
            worker.wait()
        for _ in range(rounds):
            for key, worker in workers.items():
                took[key] += worker.run(seconds / rounds)
                tell()
        memory = {key: worker.peak_memory_mb() for key, worker in workers.items()}
    return {key: Measured(Timing(tuple(took[key])), memory[key]) for key in ways}


class _Worker:
    def __init__(self, way: Way) -> None:
        self.way = way
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other, way), daemon=True)
        self.process.start()
        other.close()

    def __enter__(self) -> _Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pipe.close()  # which ends the process, unless it is amid a run
        self.process.join(timeout=1)
        self.process.kill()
        self.process.join()

    def wait(self) -> None:
        refusal = self._answer()
        if isinstance(refusal, str):
            raise InputError(refusal)

    def run(self, seconds: float) -> list[float]:
        self.pipe.send(seconds)
        took: list[float] = self._answer()
        return took

    def peak_memory_mb(self) -> float:
        self.pipe.send(None)
        memory: float = self._answer()
        return memory

    def _answer(self) -> Any:
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            status = self.process.exitcode
            raise InputError(
                f"the process that measured {self.way} ended with status {status}; "
                "was there too little memory?"
            ) from None


def _work(pipe: Connection, way: Way) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    try:
        run = way.prepare()
        run()  # the first time costs more
    except InputError as error:
        pipe.send(str(error))
        return
    pipe.send(None)
    try:
        while True:
            seconds = pipe.recv()
            pipe.send(peak_memory_mb() if seconds is None else repeat(run, seconds))
    except (EOFError, ConnectionError):
        return
