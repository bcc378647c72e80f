"""A server in a thread of this process, and requests to it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

import uvicorn

from inception.prediction import SHIPPED
from inception.serving.app import create_app
from inception.serving.limits import Limits
from inception.serving.security import Rules
from inception.serving.server import Server, bind, settings

PATIENT = Limits(deadline_s=120)  # on a busy machine too


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """Why the request was refused: one line."""
        detail = self.json["detail"]
        assert isinstance(detail, str) and "\n" not in detail
        return detail


class Running:
    """A server that answers at ``port``."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server, self.port = server, port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def house(self) -> Any:
        return self.server.config.app.state.house  # type: ignore[union-attr]

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def send(self, data: bytes, path: str = "/v1/predict", kind: str = "image/jpeg") -> Reply:
        return self.ask("POST", path, data, {"Content-Type": kind})

    def raw(self, *pieces: bytes, first: bool = False) -> bytes:
        """What comes back for bytes as they are: until the server closes, or the first of it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            for piece in pieces:
                connection.sendall(piece)
            told = connection.recv(65536) if first else b""
            while not first and (more := connection.recv(65536)):
                told += more
            return told


def form(*files: tuple[str, bytes], field: str = "file") -> tuple[bytes, str]:
    """Files as a form, and its content type."""
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--xyz--\r\n", "multipart/form-data; boundary=xyz"


@contextmanager
def running(
    sources: Mapping[str, Any] | None = None,
    *,
    limits: Limits | None = None,
    token: str = "",
) -> Iterator[Running]:
    """A server, by default of the model that comes with the package."""
    app = create_app(
        sources or {SHIPPED: SHIPPED},
        limits=limits or PATIENT,
        rules=Rules(token, local_names=not token),
    )
    with bind("127.0.0.1", 0) as bound:
        server = Server(settings(app))
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            while not server.started:
                thread.join(0.01)
                assert thread.is_alive()
            yield Running(server, bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def held(server: Running) -> Iterator[None]:
    """While it lasts the server's engine stands still."""
    go = threading.Event()
    server.house.shelf.workshop.engines.submit(go.wait)
    try:
        yield
    finally:
        go.set()


def until(condition: Callable[[], bool]) -> None:
    """Returns once it is true."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
