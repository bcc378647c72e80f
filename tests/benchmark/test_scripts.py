"""The scripts in ``benchmarks/`` are run by hand; here, that they are all told of and start."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if path.name != "setting.py")


def test_the_readme_lists_every_script() -> None:
    listed = re.findall(r"^\| `(\w+\.py)` \|", (FOLDER / "README.md").read_text("utf-8"), re.M)
    assert sorted(listed) == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_tells_its_options(script: str) -> None:
    command = [sys.executable, str(FOLDER / script), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--help" in done.stdout, done.stderr
