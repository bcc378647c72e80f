"""What this machine is: its cores, memory and torch's threads while a block runs."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt's numbers for them


def available_cores() -> int:
    """Cores this process may use: its affinity, and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.exists():
        share, period = quota.read_text().split()
        if share != "max":
            return max(1, min(cores or 1, math.ceil(int(share) / int(period))))
    return cores or 1


@contextmanager
def torch_threads(count: int | None = None) -> Iterator[None]:
    """While it lasts torch computes with so many threads, by default one a core; then as before."""
    import torch  # this file is read by parts that must not import it

    before = torch.get_num_threads()
    torch.set_num_threads(count or available_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_kept() -> Iterator[None]:
    """While it lasts, freed memory stays with the process, where its C library is glibc.

    Tensors of a training step are tens of megabytes, which glibc otherwise gets from the system
    and gives back each time: 80,000 pages that are found missing, and zeroed, a step.
    """
    try:
        libc: Any = ctypes.CDLL("libc.so.6")
    except OSError:
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 65_536)  # as malloc.h has them
        libc.mallopt(_TRIM_THRESHOLD, 128 * 1024)
        libc.malloc_trim(0)


def free_memory_mb() -> int:
    """Memory that this process could still take, in MB: the machine's, and its control group's."""
    free = [2**63]
    info = Path("/proc/meminfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines())
        free.append(int(lines["MemAvailable"].split()[0]) * 1024)
    group = Path("/sys/fs/cgroup")
    if (group / "memory.max").exists() and (most := _read(group / "memory.max")) != "max":
        free.append(int(most) - int(_read(group / "memory.current")))
    return max(0, min(free) // 10**6) if len(free) > 1 else 0


def _read(path: Path) -> str:
    return path.read_text().strip()


def peak_memory_mb() -> float:
    """The most memory this process has held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage's, not inherited from the process that started this one
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
