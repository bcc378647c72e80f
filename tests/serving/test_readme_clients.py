"""The clients in the README, run as they stand against a server."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from running import Running

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTION = README.split("## Serve it\n")[1].split("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path, photographs: list[bytes]) -> Path:
    (tmp_path / "cat.jpg").write_bytes(photographs[0])
    return tmp_path


def here(text: str, server: Running) -> str:
    return text.replace("http://127.0.0.1:8000", server.url)


def test_curl(server: Running, folder: Path) -> None:
    (line,) = re.findall(r"^curl .*$", SECTION, re.MULTILINE)
    assert "-F file=@cat.jpg" in line
    command = [*shlex.split(here(line, server)), "--silent", "--show-error"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    assert '"path":"cat.jpg","top":[{"label":' in done.stdout


def test_python(server: Running, folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 5
    command = [sys.executable, "-c", here(code, server)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] in (
        ["cat", "dog"],
        ["dog", "cat"],
    )
