"""What a server takes on: sizes, pictures waiting, bytes held, and how long a request may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import HTTPException

from inception.errors import InputError

RETRY_S = 1  # when to come back, told to whoever is sent away
MOST_HELD = 512 * 2**20  # bytes of uploads in memory at once, over all requests


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        queue: pictures accepted and not yet answered; over it, 503 at once.
        body_bytes: of one request, checked before anything is decoded; over it, 413.
        pictures: in one request.
        deadline_s: for an answer, and as much again for its upload.

    Raises:
        InputError: one of them is not above 0.
    """

    queue: int = 256
    body_bytes: int = 20 * 10**6
    pictures: int = 32
    deadline_s: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise InputError(f"{name} must be above 0; got {value}")


class Gate:
    """Counts what is in the house, and sends away at once whoever finds it full."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pictures = 0
        self.bytes = 0

    def check(self) -> None:
        """Raises 503 where no picture more is taken."""
        if self.pictures >= self.limits.queue:
            raise busy(f"{self.pictures} pictures are waiting, as many as are taken")

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """Keeps ``count`` bytes of an upload; raises 503 where too many are held already."""
        if self.bytes and self.bytes + count > MOST_HELD:
            raise busy("too many uploads at once")
        self.bytes += count
        try:
            yield
        finally:
            self.bytes -= count

    @contextmanager
    def answering(self, count: int) -> Iterator[None]:
        """Keeps places for ``count`` pictures; raises 503 where there are not so many."""
        if count > self.limits.queue:
            raise HTTPException(413, f"{count} pictures at once; at most {self.limits.queue}")
        if self.pictures + count > self.limits.queue:
            raise busy(f"{self.pictures} pictures are waiting")
        self.pictures += count
        try:
            yield
        finally:
            self.pictures -= count


def busy(why: str) -> HTTPException:
    """503 with the time after which to come back."""
    return HTTPException(503, f"{why}; try again", headers={"Retry-After": str(RETRY_S)})
