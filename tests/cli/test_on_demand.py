"""A command costs the start of no other, and each tells of Ctrl-C."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from PIL import Image

from inception.cli.on_demand import COMMANDS


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (120, 150, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def imported(*words: str) -> set[str]:
    """The modules that a command imports, run on its own."""
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from inception.cli import main\nmain()"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_a_command_imports_no_other() -> None:
    ours = {name for name in imported("recipes") if name.startswith("inception.cli.")}
    commands = {f"inception.cli.{place.partition('.')[0]}" for place in COMMANDS.values()}
    assert ours & commands == {"inception.cli.recipes"}


def test_predict_imports_nothing_that_it_does_not_need(photo: str) -> None:
    needless = {
        "torch", "matplotlib", "rich", "http.client", "openvino.tools.ovc",
        "inception.models.tables", "inception.weights.catalogue", "inception.data.datasets",
        "inception.evaluation.evaluate", "inception.embedding.embed",
    }  # fmt: skip
    assert needless & imported("predict", photo) == set()


def test_openvino_keeps_its_converters_for_whoever_asks() -> None:
    code = (
        "import sys, inception.runtime.openvino_graph, openvino as ov\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "assert ov.convert_model.__module__.startswith('openvino.tools.ovc')\n"
        "assert not hasattr(ov, 'no_such_name')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [("predict",), ("embed", "cats-and-dogs", "--out", "v.npy")])
def test_ctrl_c_is_told_of(
    command: tuple[str, ...], photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in ("predictor.Predictor", "embedding.embed.Embedder"):
        monkeypatch.setattr(f"inception.{place}.__init__", stop)
    name, *options = command
    done = run(name, *options[:1], photo, *options[1:])
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "interrupted"
