"""Turns and medians on a clock that the test winds."""

from collections.abc import Callable, Iterator

import pytest

from inception.benchmark.rounds import Timing, interleave, ratios, repeat


class Clock:
    """A clock that stands still unless something takes time on it."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, ""

    def __call__(self) -> float:
        return self.now

    def taking(self, name: str, seconds: Iterator[float]) -> Callable[[], None]:
        """Something to run that takes so long on this clock, call after call."""

        def run() -> None:
            self.now += next(seconds)
            self.order += name

        return run


def test_ways_take_turns_and_the_first_run_of_each_is_not_timed() -> None:
    clock = Clock()
    ways = {
        "a": clock.taking("a", iter([9.0, 1.0, 2.0, 6.0])),
        "b": clock.taking("b", iter([9.0, 4.0, 4.0, 8.0])),
    }
    timings = interleave(ways, rounds=3, clock=clock)
    assert clock.order == "ab" + "ab" + "ba" + "ab"
    assert timings["a"].seconds == (1, 2, 6) and timings["b"].seconds == (4, 4, 8)
    assert (timings["a"].median, timings["b"].median) == (2, 4)
    assert ratios(timings["b"], timings["a"]).median == 2  # of 4, 2 and 4/3


def test_runs_repeat_until_their_time_is_up_and_at_least_once() -> None:
    clock = Clock()
    assert repeat(clock.taking("a", iter([0.5] * 9)), 1.2, clock=clock) == [0.5] * 3
    assert repeat(clock.taking("a", iter([7.0])), 0, clock=clock) == [7]


def test_percentiles_and_spread_are_those_worked_by_hand() -> None:
    timing = Timing((1, 2, 3, 4, 5))
    assert timing.median == 3
    assert timing.percentile(99) == pytest.approx(4.96)
    assert timing.spread == pytest.approx((4 - 2) / 2 / 3)
