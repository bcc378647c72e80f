"""Nothing of ours, and nothing we import, speaks to anybody but this machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

GUARD = """
import os, sys

def tell(event, args):
    asked = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.connect": 1,
             "socket.sendto": 1}
    if event not in asked:
        return
    host = args[asked[event]]
    host = host[0] if isinstance(host, tuple) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1"):
        with open(os.environ["SPOKE_TO"], "a") as file:
            file.write(f"{event} {host} by {sys.argv}\\n")

sys.addaudithook(tell)
"""
COMMANDS = """
import os, sys
from inception.cli import app

data, made = os.environ["DATA"], os.environ["MADE"]
small = "--model lenet5 --steps 1 --batch-size 8 --threads 1 --quiet"
int8 = f"--format openvino --precision int8 --calibrate {data} --check {data} --max-drop 100"
for command in (
    f"train {data} {small} --out {made}/run",
    f"predict {made}/run {data} --threads 1",
    f"evaluate {made}/run {data} --threads 1",
    f"export {made}/run {int8} --threads 1 --out {made}/int8.xml",
    f"predict {made}/int8.xml {data} --threads 1",
    f"predict {made}/run {data} --threads 1 --engine onnx",
    f"benchmark {made}/run --engines openvino --precisions fp32 --batch-sizes 1 --seconds 0",
):
    status = app(command.split(), standalone_mode=False)
    assert not status or command.startswith("export"), command  # a net of one step may drop more
"""


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose look-ups are written down, at home where all is agreed."""
    (tmp_path / "sitecustomize.py").write_text(GUARD)  # children run it too
    (tmp_path / "home" / "intel").mkdir(parents=True)
    (tmp_path / "home" / "intel" / "openvino_telemetry").write_text("1")
    return {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(tmp_path),
        "SPOKE_TO": str(tmp_path / "spoke"),
        "MADE": str(tmp_path),
    }


def test_no_command_speaks_to_anybody(watched: dict[str, str], colours: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        env={**watched, "DATA": str(colours)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spoke = Path(watched["SPOKE_TO"])
    assert not spoke.exists(), spoke.read_text()
    home = Path(watched["HOME"])
    assert [p.name for p in (home / "intel").iterdir()] == ["openvino_telemetry"]


def test_a_server_speaks_to_whoever_asks_only(watched: dict[str, str], colours: Path) -> None:
    picture = next(colours.rglob("*.png")).read_bytes()
    command = [sys.executable, "-m", "inception", "serve", "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, env=watched, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        at = serving.stdout.readline().split()[3].rstrip(",;")
        for path, body in (("", None), ("v1/predict", picture), ("v1/explain", picture)):
            asked = Request(f"{at}/{path}", body, {"Content-Type": "image/png"})
            with urlopen(asked) as answer:
                assert answer.status == 200
        serving.terminate()
    assert serving.returncode == 0
    spoke = Path(watched["SPOKE_TO"])
    assert not spoke.exists(), spoke.read_text()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_engine_asks_for_an_address_beneath_python(
    watched: dict[str, str], colours: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"  # ONNX Runtime's own telemetry is native: no hook of Python's hears
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(calls)]
    predict = [sys.executable, "-m", "inception", "predict", "--threads", "1", str(colours)]
    for engine in ("onnx", "openvino"):
        subprocess.run([*trace, *predict, "--engine", engine], env=watched, check=True)
        assert not re.findall(r"AF_INET.*", calls.read_text())


def test_the_guard_hears_a_look_up_in_a_child(watched: dict[str, str]) -> None:
    ask = "import socket; socket.getaddrinfo('no-such-host.invalid', 80)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}])"
    subprocess.run([sys.executable, "-c", start], env=watched, capture_output=True, check=True)
    assert "getaddrinfo no-such-host.invalid" in Path(watched["SPOKE_TO"]).read_text()
