"""What the machine is, and torch's threads while a block runs."""

import os
from pathlib import Path

import torch
from processes import launch

from inception.machine import (
    available_cores,
    free_memory_mb,
    memory_kept,
    peak_memory_mb,
    torch_threads,
)


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))


def test_threads_are_as_before_after_the_block_whatever_happens_in_it() -> None:
    before = torch.get_num_threads()
    try:
        with torch_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError
    except KeyError:
        assert torch.get_num_threads() == before


def test_memory_held_once_stays_in_the_peak() -> None:
    held = bytearray(50_000_000)
    assert peak_memory_mb() > len(held) / 1e6


def test_memory_is_given_back_after_the_block_that_keeps_it() -> None:
    (ended,) = launch(1, kept_and_left_mb)  # a process without what other tests freed
    assert ended.error is None
    kept, left = ended.value
    assert kept >= 40
    assert left < 20


def kept_and_left_mb() -> tuple[int, int]:
    def held_mb() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)["VmRSS"].split()[0]) // 1024

    torch.ones(1)
    before = held_mb()
    with memory_kept():
        for _ in range(3):
            torch.ones(50_000_000 // 4)
        kept = held_mb() - before
    return kept, held_mb() - before


def test_free_memory_is_some_of_what_the_machine_has() -> None:
    assert 0 < free_memory_mb() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
