"""What the server's addresses share: its models, its places for pictures, its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import HTTPException, Request

from inception.data.images import UnreadableImageError
from inception.errors import InputError
from inception.serving.classifier import ServedClassifier
from inception.serving.detector import ServedDetector
from inception.serving.limits import Gate, busy
from inception.serving.records import Metrics
from inception.serving.shelf import Kind, Served, Shelf
from inception.serving.uploads import Upload, claimed_bytes, read_uploads

Result = TypeVar("Result")


@dataclass
class House:
    """What the handlers share.

    Attributes:
        gate: what all pictures pass.
        searches: what pictures pass too whose objects are asked for, which takes far longer.
        leaving: the server takes no new work: probes are told, connections end with their answer.
    """

    shelf: Shelf
    gate: Gate
    searches: Gate
    metrics: Metrics
    can_reload: bool = False
    leaving: bool = False


def house_of(request: Request) -> House:
    """The house that the request came to."""
    house: House = request.app.state.house
    return house


def served_by(request: Request, name: str | None) -> Served:
    """The model of that name, the first where there is none; raises 404 for an unknown one."""
    try:
        return house_of(request).shelf.find(name)
    except InputError as error:
        raise HTTPException(404, str(error)) from None


def classifier_of(request: Request, name: str | None) -> ServedClassifier:
    """The classifier of that name, or the first; raises 404, or 422 where it is a detector."""
    return _of_kind(request, name, ServedClassifier)


def detector_of(request: Request, name: str | None) -> ServedDetector:
    """The detector of that name, or the first; raises 404, or 422 where it is a classifier."""
    return _of_kind(request, name, ServedDetector)


def _of_kind(request: Request, name: str | None, kind: type[Kind]) -> Kind:
    try:
        found = house_of(request).shelf.pick(name, kind)
    except InputError as error:
        raise HTTPException(404, str(error)) from None
    if isinstance(found, str):
        raise HTTPException(422, found)
    return found


@asynccontextmanager
async def admitted(request: Request, *more: Gate) -> AsyncIterator[list[Upload]]:
    """The pictures of a request that is taken on; the block has until the deadline.

    Args:
        request: what came.
        more: gates to pass beside the house's own.

    Raises:
        HTTPException: 503 where the house is full or the deadline passed, or as ``read_uploads``.
    """
    gate = house_of(request).gate
    gates = (gate, *more)
    for each in gates:
        each.check()
    with gate.holding(claimed_bytes(request, gate.limits)), ExitStack() as places:
        uploads = await read_uploads(request, gate.limits)
        for each in gates:
            places.enter_context(each.answering(len(uploads)))
        try:
            async with asyncio.timeout(gate.limits.deadline_s):
                yield uploads
        except TimeoutError:
            raise busy(f"no answer within {gate.limits.deadline_s:g} s") from None


async def each_picture(
    request: Request,
    served: Served,
    uploads: Sequence[Upload],
    ask: Callable[[Upload], Awaitable[Result]],
) -> list[Result | UnreadableImageError]:
    """What ``ask`` gives for each picture, or why there is nothing.

    Raises:
        UnreadableImageError: there is nothing for any of them.
    """

    async def one(upload: Upload) -> Result | UnreadableImageError:
        try:
            return await ask(upload)
        except UnreadableImageError as error:
            return error

    told = await asyncio.gather(*map(one, uploads))
    errors = [value for value in told if isinstance(value, UnreadableImageError)]
    counts = house_of(request).metrics.pictures
    counts.labels(served.name, "unreadable").inc(len(errors))
    counts.labels(served.name, "read").inc(len(told) - len(errors))
    if len(errors) == len(told):
        raise errors[0]
    return told
