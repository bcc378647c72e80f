"""The process around the application: its socket, its signals, its logs, connections that stall."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import signal
import socket
import sys
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inception.errors import InputError
from inception.serving.house import House
from inception.serving.limits import Limits
from inception.serving.records import LOGGER, JsonLines

DRAIN_S = 1.0  # how long new requests are still taken after the signal, each its connection's last
QUIET_S = 0.2  # for what was under way to a socket that has just been closed
MOST_HEAD = 64 * 1024  # bytes of a request's line and headers
BACKLOG = 2048


class Connection(HttpToolsProtocol):
    """A connection whose requests have to arrive whole, in time, with headers of a decent size.

    uvicorn itself waits for a request as long as its sender likes, and keeps headers of any size.
    """

    _arrival: TimerHandle | None = None
    _head = 0  # bytes that came before the end of the headers; -1 after it

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The clock of the first request starts."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Counts what comes before the end of the headers."""
        if self._head >= 0:
            self._head += len(data)
        super().data_received(data)
        if self._head > MOST_HEAD and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                b"Connection: close\r\nContent-Length: 0\r\n\r\n"
            )
            self.transport.close()

    def on_message_begin(self) -> None:
        """The clock of a further request starts."""
        super().on_message_begin()
        self._expect()

    def on_header(self, name: bytes, value: bytes) -> None:
        """What comes after the body is no header."""
        if self._head >= 0:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """From here on the application watches the size."""
        super().on_headers_complete()
        self._head = -1

    def on_message_complete(self) -> None:
        """The request has arrived."""
        super().on_message_complete()
        self._head = 0
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._arrival is None:
            within_s = 2 * _limits(self.config).deadline_s  # the application has told why by then
            self._arrival = self.loop.call_later(within_s, self.transport.abort)

    def _forget(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None


class Server(uvicorn.Server):
    """Stops without dropping anything, and then ends with status 0.

    Args:
        config: as ``settings`` gives it.
        ready: called once connections are taken.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self.ready = ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal empties the house; a second one stops at once."""
        house = _house(self.config)
        if house.leaving:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        house.leaving = True
        LOGGER.info("stopping", extra={"fields": {"signal": signal.Signals(sig).name}})
        self._loop.call_soon_threadsafe(self._loop.call_later, DRAIN_S, self._stop)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Remembers the loop that signals are handed to, and tells that the door is open."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the door first, and answers those who had come in just before."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(QUIET_S)
        await super().shutdown(sockets)
        LOGGER.info("stopped")

    def _stop(self) -> None:
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A socket for that address, which nobody can connect to yet.

    Raises:
        InputError: no such address, or it is taken.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(socket.socket(family, kind), address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        hint = "; take another with --port, or --port 0 for any that is free" if taken else ""
        reason = error.strerror or error
        raise InputError(f"cannot listen at {host}:{port}: {reason}{hint}") from error


def _bound(made: socket.socket, address: Any) -> socket.socket:
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def run(
    app: FastAPI, bound: socket.socket, *, ready: Callable[[], None], quiet: bool = False
) -> None:
    """Serves until SIGTERM or SIGINT, then answers all that was accepted."""
    log_to_stderr(quiet=quiet)
    Server(settings(app), ready).run([bound])


def settings(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves the application."""
    config = uvicorn.Config(
        app, http=Connection, ws="none", log_config=None, access_log=False,
        server_header=False, backlog=BACKLOG, timeout_keep_alive=15,
    )  # fmt: skip
    config.timeout_graceful_shutdown = math.ceil(2 * _limits(config).deadline_s)
    return config


def _house(config: uvicorn.Config) -> House:
    house: House = config.app.state.house  # type: ignore[union-attr]
    return house


def _limits(config: uvicorn.Config) -> Limits:
    return _house(config).gate.limits


def log_to_stderr(*, quiet: bool) -> None:
    """Lines of JSON; with ``quiet`` only what is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in {LOGGER.name: logging.INFO, "uvicorn": logging.WARNING}.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING if quiet else level)
