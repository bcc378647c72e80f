"""Where a server's work is done: threads that decode, one for engines, processes that search."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from inception.data.images import Picture
from inception.detection.proposals import Proposed, SelectiveSearch, search_pool, search_small
from inception.machine import available_cores
from inception.runtime import Engine, create_engine
from inception.serving.batching import Batching
from inception.serving.limits import busy

Result = TypeVar("Result")
WAITING = 8  # pictures searched for regions or waiting for it, a core: each takes about a second


@dataclass(frozen=True)
class EngineChoice:
    """How engines are made, as ``create_engine`` takes it, and what proposes regions to detectors.

    Attributes:
        search: Selective Search's mode, or ``none``, in place of each detector's own.
        multibox: the file of a MultiBox whose boxes come first.
    """

    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None
    search: str | None = None
    multibox: str | None = None

    def create(self, path: Path, output: str) -> Engine:
        """An engine that gives one output."""
        return create_engine(
            path, self.engine, device=self.device, threads=self.threads, outputs=(output,)
        )


class Workshop:
    """Where the work is done, shared by all models.

    Threads decode, one thread runs engines; processes look for regions, as Selective Search draws
    from C's random numbers, which threads would share.

    Args:
        batching: how squares are gathered.
        choice: which engine.
        ran: told the squares of every run of an engine.

    Attributes:
        whole: held by each picture that is kept decoded; one more than there are cores.
    """

    def __init__(
        self, batching: Batching, choice: EngineChoice, ran: Callable[[int], None]
    ) -> None:
        self.batching, self.choice, self.ran = batching, choice, ran
        self.decoders = ThreadPoolExecutor(available_cores(), "decode")
        self.engines = ThreadPoolExecutor(1, "engine")
        self.whole = asyncio.Semaphore(available_cores() + 1)
        self._searchers: ProcessPoolExecutor | None = None

    async def decode(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, in a thread that decodes."""
        return await asyncio.get_running_loop().run_in_executor(self.decoders, work)

    async def run(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, in the thread that engines run in."""
        return await asyncio.get_running_loop().run_in_executor(self.engines, work)

    async def search(self, small: Picture, how: SelectiveSearch) -> Proposed:
        """``search_small`` in a process.

        Raises:
            HTTPException: 503, the process ended; another takes its place.
        """
        pool = self.searchers()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, search_small, small, how)
        except BrokenProcessPool:
            if self._searchers is pool:
                self._searchers = None
            raise busy("what looks for regions ended early, out of memory perhaps") from None

    def searchers(self) -> ProcessPoolExecutor:
        """The processes that look for regions, each started when it is needed."""
        if self._searchers is None:
            self._searchers = search_pool(available_cores())
        return self._searchers

    def close(self) -> None:
        """Waits for the threads and processes."""
        for pool in (self.decoders, self.engines, self._searchers):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
