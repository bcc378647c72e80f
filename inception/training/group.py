"""The processes that train together, and how they agree: no decision of a run is taken without it.

They are those that ``torchrun`` starts, or whatever else says ``RANK`` and ``WORLD_SIZE``. A group
of one costs nothing and needs no ``torch.distributed``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from inception.errors import InputError
from inception.machine import available_cores

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

WHY = "inception/why"  # in the store that all processes reach: what ended the run, and where
FAREWELL = timedelta(seconds=5)  # to the others, for hearing it
PATIENCE = timedelta(hours=6)  # with the first one, which looks at a large set for all


class Interrupted(Exception):
    """Someone asked the run to stop; it was saved. Raised in all of its processes."""


class Lost(InputError):
    """Another process of the run is gone."""


class Elsewhere(InputError):
    """The run ended in another process, which tells why."""


@dataclass(frozen=True)
class Group:
    """Processes that all call the same of these methods in the same order."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for the run."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """What each process has, in the order of their ranks, to all of them."""
        if self.size == 1:
            return [value]
        from torch import distributed

        values: list[Any] = [None] * self.size
        with _heard():
            distributed.all_gather_object(values, value)
        return values

    def first(self, act: Callable[[], T]) -> T:
        """What ``act`` gives in the first process, to all; the others wait for it."""
        if self.size == 1:
            return act()
        return cast(T, self.gather(act() if self.leads else None)[0])

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes."""
        if self.size == 1:
            return list(values)
        import torch

        sums = torch.tensor(values, dtype=torch.float64)
        with _heard():
            torch.distributed.all_reduce(sums)
        return cast(list[float], sums.tolist())

    def any(self, value: bool) -> bool:
        """Whether it is so in one process at least."""
        return self.sum([value])[0] > 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Makes each tensor its sum over the processes, all in one exchange."""
        if self.size == 1:
            return
        import torch

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _heard():
            torch.distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Makes each tensor that of the first process."""
        if self.size == 1:
            return
        from torch import distributed

        for tensor in tensors:
            sent = tensor.contiguous()
            with _heard():
                distributed.broadcast(sent, src=0)
            tensor.copy_(sent)

    def share(self, rows: Sequence[int]) -> Sequence[int]:
        """This process's share of rows, a stretch of them."""
        first, end = (len(rows) * number // self.size for number in (self.rank, self.rank + 1))
        return rows[first:end]

    def check_same(self, value: object) -> None:
        """Raises ``InputError`` where processes are about to do different things."""
        first, *others = self.gather(value)
        if apart := [rank for rank, own in enumerate(others, start=1) if own != first]:
            raise InputError(
                f"process {apart[0]} of the run does not have the pictures, network or settings "
                "of process 0: give all of them the same files and command"
            )


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise Lost("another process of the run is gone: killed, or out of memory") from error


@contextmanager
def joined() -> Iterator[Group]:
    """The processes launched together, while it lasts; within another ``joined`` the same ones.

    Where one raises, it alone raises what it did, and all others ``Elsewhere``.

    Raises:
        InputError: they do not find each other.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Group()
        return
    from torch import distributed

    if distributed.is_initialized():
        yield Group(distributed.get_rank(), distributed.get_world_size())
        return
    store, group = _join()
    try:
        yield group
        group.gather(None)  # none leaves while another may still have to say something
    except Interrupted:
        group.gather(None)
        raise
    except BaseException as error:
        if _tells(store, group, error) or not isinstance(error, Exception):
            raise
        raise Elsewhere(f"another process ended the run: {_why(store)}") from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _join() -> tuple[Store, Group]:
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    nccl = torch.cuda.is_available() and distributed.is_nccl_available()
    try:
        store, rank, size = next(iter(rendezvous("env://")))
        backend = "cpu:gloo,cuda:nccl" if nccl else "gloo"
        distributed.init_process_group(
            backend, store=store, rank=rank, world_size=size, timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the processes of the run do not find "
            f"each other ({error}); start them with torchrun, or unset WORLD_SIZE"
        ) from error
    return store, Group(rank, size)


def _tells(store: Store, group: Group, error: BaseException) -> bool:
    """Whether this process is the first to fail, which then waits until the others have heard."""
    from torch import distributed

    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    own = f"process {group.rank}: {text}"
    heard = [f"{WHY}/{rank}" for rank in range(group.size)]
    try:
        first = store.compare_set(WHY, "", own).decode() == own
        store.set(heard[group.rank], "")
        distributed.destroy_process_group()  # whoever waits for this one learns that it is gone
        with suppress(RuntimeError):  # one was killed, and hears nothing any more
            store.wait(heard, FAREWELL)
    except RuntimeError:  # the store went with the process that kept it
        return True
    return first


def _why(store: Store) -> str:
    with suppress(RuntimeError):
        return store.get(WHY).decode()
    return "it is gone"


def local_cores() -> int:
    """This process's share of the machine's cores."""
    return max(1, available_cores() // local_processes())


def local_processes() -> int:
    """How many of a run share this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def take_device(device: str) -> None:
    """Gives each process on a machine a GPU of its own.

    Raises:
        InputError: there are fewer.
    """
    if device != "cuda":
        return
    import torch

    rank, there = _number("LOCAL_RANK", 0), torch.cuda.device_count()
    if rank >= there:
        raise InputError(
            f"{rank + 1} processes or more on a machine with {there} GPUs: give each one of its "
            f"own, --nproc_per_node {there}"
        )
    torch.cuda.set_device(rank)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() and int(text) >= 0 else default
