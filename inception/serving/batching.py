"""Squares of many requests gathered into runs of one engine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from inception.data.images import Picture
from inception.runtime import Engine, Floats


@dataclass(frozen=True)
class Batching:
    """How long and for how many a run of the engine waits.

    Attributes:
        size: most squares in a run.
        wait_s: how long a run waits for squares that are on their way; with none on their way it
            does not wait at all.
    """

    size: int = 32
    wait_s: float = 0.005

    @property
    def runs(self) -> list[int]:
        """How many squares a run may have, the most first: ``size``, and powers of two below it.

        OpenVINO keeps some megabytes for each size it has met, so a server that met them all one
        after the other would grow for thousands of requests.
        """
        powers = [2**power for power in range(self.size.bit_length()) if 2**power < self.size]
        return [self.size, *reversed(powers)]


@dataclass(frozen=True, eq=False)
class _Waiting:
    square: Picture  # [1, size, size, 3]
    answer: asyncio.Future[Floats]


class Batcher:
    """One output of an engine, asked for one square at a time and computed for many at once.

    It belongs to one event loop. While the engine runs, the next batch gathers. Nothing has to be
    closed: with nobody waiting there is no task, and who still waits is answered even where
    another model has taken this one's place.

    Args:
        engine: runs the network.
        output: which of its outputs is asked for.
        batching: how squares are gathered.
        pool: where the engine runs; of one thread where several batchers share the cores.
        ran: told the squares of every run.
    """

    def __init__(
        self,
        engine: Engine,
        output: str,
        batching: Batching,
        pool: Executor,
        ran: Callable[[int], None],
    ) -> None:
        self._engine, self._output, self._batching = engine, output, batching
        self._pool, self._ran = pool, ran
        self._waiting: deque[_Waiting] = deque()
        self._coming = 0
        self._arrived = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    @contextmanager
    def coming(self) -> Iterator[None]:
        """While it lasts a square is on its way, and a run may wait for it."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._arrived.set()

    async def ask(self, square: Picture) -> Floats:
        """The output for a square ``uint8 [1, size, size, 3]``."""
        waiting = _Waiting(square, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_all())
        return await waiting.answer

    async def _answer_all(self) -> None:
        while self._waiting:
            await self._gathered()
            self._waiting = deque(w for w in self._waiting if not w.answer.done())
            here = len(self._waiting)  # without those who have given up
            for count in [run for run in self._batching.runs if run <= here][:1]:
                await self._answer([self._waiting.popleft() for _ in range(count)])

    @property
    def _size(self) -> int:
        return self._batching.size

    async def _gathered(self) -> None:
        """Returns once a run is full, or there is nothing to wait for any more."""
        try:
            async with asyncio.timeout(self._batching.wait_s):
                while self._coming and len(self._waiting) < self._size:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            pass

    async def _answer(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        squares = np.concatenate([w.square for w in batch])
        try:
            values = await loop.run_in_executor(self._pool, self._engine.run, squares)
        except Exception as error:  # raised again in each request that waits for it
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        self._ran(len(batch))
        for waiting, row in zip(batch, values[self._output], strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(row)
