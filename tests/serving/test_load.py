"""Too many requests, slow ones, changed models and signals: nothing is lost, nothing piles up."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from running import Running, form, held, running, until

from inception.prediction import SHIPPED, SHIPPED_FILE
from inception.serving.limits import Limits

CLIENTS = 8


def test_a_full_house_sends_away_at_once_and_answers_the_rest(photographs: list[bytes]) -> None:
    with running(limits=Limits(queue=4)) as server, ThreadPoolExecutor(16) as clients:
        with held(server):
            inside = [clients.submit(server.send, photographs[0]) for _ in range(4)]
            until(lambda: server.house.gate.pictures == 4)
            sent_away = [clients.submit(server.send, photographs[0]).result() for _ in range(12)]
        assert [reply.status for reply in sent_away] == [503] * 12
        assert {reply.headers["retry-after"] for reply in sent_away} == {"1"}
        assert "try again" in sent_away[0].detail
        assert [answer.result().status for answer in inside] == [200] * 4
        many, kind = form(*[(f"{i}.jpg", photographs[i]) for i in range(5)])
        assert server.send(many, kind=kind).status == 413
        assert server.house.gate.pictures == 0


def test_an_answer_comes_before_the_deadline_or_not_at_all(photographs: list[bytes]) -> None:
    with running(limits=Limits(deadline_s=2)) as server:
        with held(server):
            reply = server.send(photographs[0])
        assert (reply.status, reply.detail) == (503, "no answer within 2 s; try again")
        server.house.gate.limits = Limits()
        assert server.send(photographs[0]).status == 200


def test_slow_uploads_are_told_and_cut(photographs: list[bytes]) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    with running(limits=Limits(deadline_s=3)) as server:
        told = server.raw(head + b"\r\n" + b"x" * 10)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"the upload took more than 3 s" in told
        assert server.raw(head) == b""  # headers that never end
        assert server.raw(b"") == b""
        assert server.house.gate.bytes == 0
        server.house.gate.limits = Limits()
        assert server.send(photographs[0]).status == 200


def test_headers_are_of_a_decent_size(server: Running) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
    assert server.raw(head, b"x" * 100_000).startswith(b"HTTP/1.1 431 ")
    assert server.raw(b"\x00\x01 nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_breaks_off_leaves_nothing_behind(
    server: Running, photographs: list[bytes]
) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n")
            connection.sendall(b"Content-Length: 1000\r\n\r\nabc")
    until(lambda: server.house.gate.bytes == 0)
    assert server.send(photographs[0]).status == 200


def test_a_reload_under_load_loses_nothing(tmp_path: Path, photographs: list[bytes]) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(SHIPPED_FILE.read_bytes())
    token = {"Authorization": "Bearer t"}
    with (
        running({"pets": model}, token="t") as server,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        stop = threading.Event()

        def ask() -> Counter[int]:
            told: Counter[int] = Counter()
            while not stop.is_set():
                told[server.ask("POST", "/v1/predict", photographs[0], token).status] += 1
            return told

        asking = [clients.submit(ask) for _ in range(CLIENTS - 1)]
        before = server.house.shelf.find("pets")
        for _ in range(2):
            assert server.ask("POST", "/v1/reload", headers=token).json == {"reloaded": ["pets"]}
        assert server.house.shelf.find("pets") is not before
        model.write_bytes(b"no model")
        refused = server.ask("POST", "/v1/reload", headers=token)
        assert refused.status == 422
        assert "not a safetensors file" in refused.detail
        stop.set()
        told = sum((answer.result() for answer in asking), Counter())
        assert set(told) == {200} and told.total() >= CLIENTS - 1


def test_sigterm_ends_it_well_once_all_is_answered(photographs: list[bytes]) -> None:
    code = "from inception.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline().decode()
        assert line.startswith(f"serving {SHIPPED} at http://127.0.0.1:")
        port = int(line.rpartition(":")[2])
        try:
            answered = asyncio.run(
                asyncio.wait_for(ask_until_the_end(port, photographs[0], process), 300)
            )
            assert process.wait(60) == 0
        finally:
            process.kill()  # or leaving the block would wait for it for ever
        assert process.stderr.read() == b""
    assert answered > CLIENTS


async def ask_until_the_end(port: int, data: bytes, process: "subprocess.Popen[bytes]") -> int:
    """Requests on connections that stay open, until new ones are refused; all must be answered."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    answered = 0

    async def one() -> None:
        nonlocal answered
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            open_still = True
            while open_still:
                writer.write(head.encode() + data)
                reply = (await reader.readuntil(b"\r\n\r\n")).lower()
                assert reply.startswith(b"http/1.1 200 "), reply
                length = int(reply.partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                answered += 1
                open_still = b"connection: close" not in reply
            writer.close()

    asking = [asyncio.create_task(one()) for _ in range(CLIENTS)]
    while answered <= CLIENTS and not any(task.done() for task in asking):
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    await asyncio.gather(*asking)
    return answered
