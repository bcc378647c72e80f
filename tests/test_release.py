"""From a clone to one's own model as the README says it; and what is installed lacks no file."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SOURCE = ("README.md", "LICENSE", "pyproject.toml", "inception")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where nothing is but two kinds of pictures, and a photograph."""
    folder, rng = tmp_path_factory.mktemp("stranger"), np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for shade, kind in enumerate(("cat", "dog")):
            place = folder / "inception" / "pets" / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(120 * shade, 120 * shade + 100, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    Image.fromarray(pixels).save(folder / "inception" / "photo.jpg")
    return folder


@pytest.fixture(scope="module")
def transcript(stranger: Path) -> str:
    """What the README's five commands print.

    The clone is a copy of this checkout. The network is not asked: what pip would fetch is seen
    in the packages that run this test.
    """
    section = (ROOT / "README.md").read_text("utf-8").split("## From clone to your own model\n")[1]
    commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0].splitlines()
    assert len(commands) == 5
    clone, venv, install, train, predict = commands
    assert clone == "git clone REPOSITORY inception && cd inception"
    for name in SOURCE:
        copied = stranger / "inception" / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copied)
    small = train.replace("96", "32").replace("--epochs 10", "--steps 1 --set batch_size=4")
    lines = ["set -e", "cd inception", venv, install, small, predict]
    packages = os.pathsep.join(path for path in sys.path if path.endswith("-packages"))
    offline = {
        "PYTHONPATH": packages,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_QUIET": "1",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines).replace("python3", sys.executable, 1)],
        cwd=stranger,
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(os.name != "posix", reason="the README's commands are a shell's")
def test_five_commands_lead_from_a_clone_to_a_model_that_answers(transcript: str) -> None:
    assert re.fullmatch(r"(cat|dog) +\d.*", transcript.splitlines()[-1].strip()), transcript


@pytest.mark.skipif(os.name != "posix", reason="the README's commands are a shell's")
def test_what_is_installed_lacks_no_file(stranger: Path, transcript: str) -> None:
    (record,) = stranger.glob("inception/.venv/lib/python*/site-packages/inception_nets-*/RECORD")
    with record.open(encoding="utf-8", newline="") as rows:
        installed = {row[0] for row in csv.reader(rows) if row[0].startswith("inception/")}
    package = ROOT / "inception"
    files = {
        f"inception/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in installed if "__pycache__" not in name} == files
