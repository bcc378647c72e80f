"""Nothing of ours, and nothing we import, speaks to anybody but this machine."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_the_guard_hears_a_look_up_in_a_child(watched: dict[str, str]) -> None:
    ask = "import socket; socket.getaddrinfo('no-such-host.invalid', 80)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ask!r}])"
    subprocess.run([sys.executable, "-c", start], env=watched, capture_output=True, check=True)
    assert "getaddrinfo no-such-host.invalid" in Path(watched["SPOKE_TO"]).read_text()
