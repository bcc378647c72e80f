"""Runs of the engine gather what is asked for together."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest

from inception.data.images import Picture
from inception.runtime import Floats
from inception.serving.batching import Batcher, Batching


class Slow:
    """Gives each square's own first value, once it is let."""

    name = "slow"

    def __init__(self) -> None:
        self.go, self.runs, self.fails = Event(), [], False
        self.go.set()

    def run(self, pictures: Picture) -> dict[str, Floats]:
        assert self.go.wait(10)
        self.runs.append(len(pictures))
        if self.fails:
            raise RuntimeError("out of memory")
        return {"value": pictures[:, 0, 0, :1].astype(np.float32)}


def square(value: int) -> Picture:
    return np.full((1, 2, 2, 3), value, np.uint8)


def with_batcher(
    engine: Slow, batching: Batching, body: Callable[[Batcher], Awaitable[Any]]
) -> Any:
    async def main() -> Any:
        with ThreadPoolExecutor(1) as pool:
            return await body(Batcher(engine, "value", batching, pool, lambda squares: None))

    return asyncio.run(main())


def test_every_asker_gets_its_own_answer_in_few_runs() -> None:
    engine = Slow()

    async def body(batcher: Batcher) -> list[float]:
        answers = await asyncio.gather(*(batcher.ask(square(i)) for i in range(100)))
        return [float(a[0]) for a in answers]

    assert with_batcher(engine, Batching(size=32), body) == list(range(100))
    assert engine.runs == [32, 32, 32, 4]


@pytest.mark.parametrize("size", [1, 2, 24, 32])
def test_runs_are_of_few_sizes(size: int) -> None:
    """An engine that keeps something for each size would grow as long as it meets new ones."""
    engine, random, told = Slow(), np.random.default_rng(0), list[float]()

    async def body(batcher: Batcher) -> None:
        for count in random.integers(1, 80, 30):
            answers = await asyncio.gather(*(batcher.ask(square(i)) for i in range(count)))
            assert [float(a[0]) for a in answers] == list(range(count))
            told.extend(answers)

    with_batcher(engine, Batching(size=size), body)
    assert sum(engine.runs) == len(told)
    assert set(engine.runs) == {size} | {2**n for n in range(5) if 2**n < size}


def test_a_run_waits_for_what_is_on_its_way_and_for_nothing_else() -> None:
    engine = Slow()

    async def late(batcher: Batcher) -> None:
        with batcher.coming():
            await asyncio.sleep(0.05)
        await batcher.ask(square(2))

    async def body(batcher: Batcher) -> None:
        await batcher.ask(square(1))  # at once: a wait of 30 s would be noticed
        await asyncio.gather(late(batcher), batcher.ask(square(3)))

    with_batcher(engine, Batching(size=8, wait_s=30), body)
    assert engine.runs == [1, 2]


def test_who_has_given_up_is_left_out_of_the_run() -> None:
    engine = Slow()
    engine.go.clear()

    async def body(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.ask(square(1)))
        await asyncio.sleep(0.01)  # its run has begun and stands
        gone, stays = (asyncio.create_task(batcher.ask(square(i))) for i in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        engine.go.set()
        assert [(await task)[0] for task in (first, stays)] == [1, 3]

    with_batcher(engine, Batching(size=8), body)
    assert engine.runs == [1, 1]


def test_a_failure_reaches_every_asker_and_the_next_run_is_tried() -> None:
    engine = Slow()
    engine.fails = True

    async def body(batcher: Batcher) -> None:
        told = await asyncio.gather(
            *(batcher.ask(square(i)) for i in range(3)), return_exceptions=True
        )
        assert [str(error) for error in told] == ["out of memory"] * 3
        engine.fails = False
        assert (await batcher.ask(square(7)))[0] == 7

    with_batcher(engine, Batching(), body)
