"""What the machine is, and torch's threads while a block runs."""

import os

import torch

from inception.machine import available_cores, peak_memory_mb, torch_threads


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
