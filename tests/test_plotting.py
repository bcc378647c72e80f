"""Matplotlib where there is no home, and where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os
from inception.plotting import new_figure, plain, save_figure
from pathlib import Path
with plain():
    figure = new_figure(2, 2)
    figure.subplots().set_title("drawn")
    save_figure(figure, Path("drawn.png"))
print(os.environ.get("MPLCONFIGDIR", ""))
"""


def drawn(folder: Path, **home: str) -> str:
    """Draws in a process with that home; gives the folder that matplotlib was told to use."""
    unset = ("HOME", "MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env=env | {"PYTHONPATH": os.pathsep.join(sys.path)} | home,
        capture_output=True,
        text=True,
        check=False,
    )
    slow = "Matplotlib is building the font cache; this may take a moment."  # after five seconds
    assert (done.returncode, done.stderr.replace(slow, "").strip()) == (0, "")
    assert (folder / "drawn.png").stat().st_size > 0
    return done.stdout.strip()


@pytest.mark.skipif(os.name != "posix", reason="homes are told by other variables there")
def test_without_a_home_nothing_is_said_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder can be made in it")
    told = drawn(tmp_path, HOME=str(tmp_path / "file"))
    assert told and not Path(told).exists()
    told = drawn(tmp_path, HOME=str(tmp_path), MPLCONFIGDIR=str(tmp_path / "file" / "own"))
    assert told != str(tmp_path / "file" / "own") and not Path(told).exists()


@pytest.mark.skipif(os.name != "posix", reason="homes are told by other variables there")
def test_a_home_that_can_be_written_is_used(tmp_path: Path) -> None:
    assert drawn(tmp_path, HOME=str(tmp_path)) == ""
