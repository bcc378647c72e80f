"""A web server on this machine, silent: what it wrote would stand among what a command says."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar


class LocalServer(ThreadingHTTPServer):
    """On a free port; a client that leaves before the end is not its fault."""

    daemon_threads = True

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


S = TypeVar("S", bound=LocalServer)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Runs until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serving_files(folder: Path) -> LocalServer:
    """A server of the files of a folder."""
    return LocalServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
