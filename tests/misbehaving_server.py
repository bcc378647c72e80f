"""A server on this machine that cuts, lies and stalls when told to, for tests of downloads."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler

import numpy as np
from local_server import LocalServer, running

CONTENT = np.random.default_rng(0).bytes(700_000)
FILE = "/weights.bin"


class Server(LocalServer):
    """Serves ``CONTENT`` by byte ranges; its fields say how it misbehaves.

    ``cuts`` are the bytes sent in each of the first answers before the line is cut.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []  # path and range
        self.content = CONTENT
        self.cuts: list[int] = []
        self.ranges = True
        self.version = ""  # the ETag
        self.sending: Callable[[], None] = lambda: None
        self.raw = b""  # an answer of one's own, sent as it is

    def url(self, path: str = FILE) -> str:
        return super().url(path)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range", "")
        server.asked.append((self.path, wanted))
        if server.raw:
            self.wfile.write(server.raw)
            self.close_connection = True
        elif self.path == "/moved.bin":
            self.send_response(302)
            self.send_header("Location", "/weights.bin")
            self.end_headers()
        elif self.path == "/to-a-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif not self.path.endswith(FILE):
            self.send_error(404)
        else:
            same = self.headers.get("If-Range", server.version) == server.version
            self.send_content(int(wanted[6:-1]) if wanted and server.ranges and same else 0)

    def send_content(self, begin: int) -> None:
        content = self.server.content
        if begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", span)
        if self.server.version:
            self.send_header("ETag", self.server.version)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        length = self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.server.sending()
        self.wfile.write(content[begin : begin + length])

    def log_message(self, *_: object) -> None:
        pass


def serving() -> AbstractContextManager[Server]:
    """Runs until the end of the block."""
    return running(Server())
