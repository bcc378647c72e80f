"""Processes that train together, launched as by ``torchrun`` from one that has torch ready."""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

LAUNCHER = get_context("forkserver")
LAUNCHER.set_forkserver_preload(  # once for all launches; drawing and optimisers import late
    ["inception.training.run", "inception.cli.run_printer", "torch._dynamo", "torch.distributed",
     "matplotlib.figure", "matplotlib.backends.backend_agg", "command_line", "colours"]
)  # fmt: skip
LONGEST_S = 120


@dataclass(frozen=True)
class Ended:
    """How a process ended: what its function gave, or what it raised, or its signal's number."""

    value: Any = None
    error: BaseException | None = None
    killed_by: int = 0


def launch(
    size: int, act: Callable[..., Any], *args: object, fault: Callable[[], None] | None = None
) -> list[Ended]:
    """Runs ``act(*args)`` in so many processes; ``fault`` before it in the last of them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    waiting = []
    for rank in range(size):
        env = os.environ | {
            "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        here, there = LAUNCHER.Pipe(duplex=False)
        fails = fault if rank == size - 1 else None
        process = LAUNCHER.Process(target=_child, args=(there, env, fails, act, args))
        process.start()
        there.close()
        waiting.append((process, here))
    return [_ended(process, here) for process, here in waiting]


def values(ended: Sequence[Ended]) -> list[Any]:
    """What all gave, where none raised."""
    for each in ended:
        if each.error is not None:
            raise each.error
    assert not any(each.killed_by for each in ended), ended
    return [each.value for each in ended]


def _child(
    told: Connection,
    env: dict[str, str],
    fault: Callable[[], None] | None,
    act: Callable[..., Any],
    args: Sequence[object],
) -> None:
    from inception.training import records

    os.environ.clear()
    os.environ.update(env)
    records.draw_curves = records.draw_confusion = lambda *_: None  # seconds, tested elsewhere
    try:
        if fault is not None:
            fault()
        ended = Ended(act(*args))
    except BaseException as error:
        error.add_note("".join(traceback.format_exception(error)))
        ended = Ended(error=error)
    told.send(ended)


def _ended(process: Any, here: Connection) -> Ended:
    try:
        if not here.poll(LONGEST_S):
            process.kill()
            return Ended(killed_by=signal.SIGALRM)
        ended: Ended = here.recv()
    except EOFError:
        ended = Ended(killed_by=0)
    process.join()
    return Ended(killed_by=-process.exitcode) if process.exitcode < 0 else ended
