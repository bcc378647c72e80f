"""Stretches of a source that are read as one: an order that suits them, and those in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

MEMORY = 2**31  # bytes of blocks that a source holds
AHEAD = 2  # blocks that are read at the same time, before they are needed


@dataclass(frozen=True)
class Blocks:
    """Which rows are read together.

    Attributes:
        numbers: ``[N]`` the block of each row.
        window: so many are drawn from at once.
    """

    numbers: npt.NDArray[np.int64]
    window: int


def blocks_within(
    numbers: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], memory: int, *, near: bool = True
) -> Blocks | None:
    """Blocks of a source that is far away or too large for ``memory``; none for any other.

    Half of the memory is for the blocks drawn from, the rest for those before and after them.

    Args:
        numbers: ``[N]`` the block of each row.
        sizes: bytes of each block.
        memory: bytes that may be held.
        near: any order will do for what fits.
    """
    if not len(sizes) or (near and sizes.sum() <= memory):
        return None
    fit = int(memory // max(1, sizes.mean()))
    return Blocks(numbers, max(1, min(fit // 2, fit - 1 - AHEAD)))


def shuffled(
    rows: npt.NDArray[np.int64], rng: np.random.Generator, blocks: Blocks | None
) -> npt.NDArray[np.int64]:
    """The rows in a drawn order, in which at most ``window + 1`` blocks are in use at any time.

    The blocks come in a drawn order; each one's rows are spread over the time that ``window``
    blocks take, so that neighbours meet those of as many others.
    """
    if blocks is None:
        return rng.permutation(rows)
    present, number = np.unique(blocks.numbers[rows], return_inverse=True)
    turn = rng.permutation(len(present))[number] + blocks.window * rng.random(len(rows))
    return rows[np.argsort(turn, kind="stable")]


class Held(Generic[T]):
    """Blocks as they are read, each once however many threads ask; the latest used stay.

    Args:
        load: reads the block of that number; what it raises is raised to all who wait for it.
        size: bytes of a block.
        memory: of all that are held; one is, whatever its size.
    """

    def __init__(
        self, load: Callable[[int], T], size: Callable[[T], int], *, memory: int = MEMORY
    ) -> None:
        self._load, self._size, self._memory = load, size, memory
        self._blocks: OrderedDict[int, Future[T]] = OrderedDict()
        self._lock = threading.Lock()
        self._readers: ThreadPoolExecutor | None = None

    def expect(self, number: int) -> None:
        """Begins to read a block that will be asked for."""
        with self._lock:
            if number in self._blocks:
                return
            future = self._blocks[number] = Future()
            if self._readers is None:
                self._readers = ThreadPoolExecutor(AHEAD, thread_name_prefix="blocks")
            self._readers.submit(self._fill, number, future)

    def get(self, number: int) -> T:
        """The block, read now where nobody has."""
        with self._lock:
            future = self._blocks.get(number)
            if absent := future is None:
                future = self._blocks[number] = Future()
            self._blocks.move_to_end(number)
        if absent:
            self._fill(number, future)
        return future.result()

    def find(self, number: int) -> T | None:
        """The block, if it was asked for or expected."""
        with self._lock:
            if number not in self._blocks:
                return None
        return self.get(number)

    def sizes(self) -> dict[int, int]:
        """Bytes of each block that was read and is kept."""
        with self._lock:
            return self._read()

    def _read(self) -> dict[int, int]:
        done = {n: f for n, f in self._blocks.items() if f.done()}
        return {number: self._size(future.result()) for number, future in done.items()}

    def _fill(self, number: int, future: Future[T]) -> None:
        try:
            block = self._load(number)
        except BaseException as error:
            with self._lock:
                del self._blocks[number]  # another may have more luck
            future.set_exception(error)
            return
        future.set_result(block)
        with self._lock:
            self._drop(number)

    def _drop(self, newest: int) -> None:
        read = self._read()
        held = sum(read.values())
        for number, size in read.items():
            if held <= self._memory:
                return
            if number != newest:
                held -= size
                del self._blocks[number]
