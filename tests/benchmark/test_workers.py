"""Measuring in processes of their own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from inception.benchmark.rounds import Run
from inception.benchmark.workers import measure
from inception.errors import InputError


@dataclass(frozen=True)
class Writing:
    """Writes its name to a file whenever it runs, and holds some memory."""

    name: str
    log: Path
    megabytes: int = 0

    def prepare(self) -> Run:
        held = np.ones(self.megabytes * 10**6, np.uint8)

        def run() -> None:
            with self.log.open("a") as file:
                file.write(self.name + " " * (held.size < 0))

        return run


@dataclass(frozen=True)
class Refusing:
    def prepare(self) -> Run:
        raise InputError("no such engine here")


@dataclass(frozen=True)
class Dying:
    def prepare(self) -> Run:
        raise SystemExit(7)


def test_ways_run_in_turn_and_have_a_memory_of_their_own(tmp_path: Path) -> None:
    log, turns = tmp_path / "log", []
    ways = {"small": Writing("s", log), "large": Writing("l", log, megabytes=200)}
    seen = measure(ways, seconds=0, rounds=3, tell=lambda: turns.append(0))
    assert sorted(log.read_text()[:2]) == ["l", "s"]  # to warm up, in any order
    assert log.read_text()[2:] == "slslsl" and len(turns) == 6
    assert [len(m.timing.seconds) for m in seen.values()] == [3, 3]
    difference = seen["large"].peak_memory_mb - seen["small"].peak_memory_mb
    assert difference == pytest.approx(200, abs=20)


def test_what_cannot_be_prepared_is_told_and_what_dies_is_named() -> None:
    with pytest.raises(InputError, match="no such engine here"):
        measure({"a": Refusing()}, seconds=0, rounds=1)
    with pytest.raises(InputError, match=r"measured Dying\(\) ended with status 7"):
        measure({"a": Dying()}, seconds=0, rounds=1)
