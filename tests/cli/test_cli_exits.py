"""``--exit-confidence`` as its users meet it."""

import csv
import json
from pathlib import Path

import pytest
import torch
from test_cli import fails, run

from inception.cli import app
from inception.errors import InputError
from inception.models import create_model
from inception.models.spec import CLASSES, Conv, Flatten, Layers, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.weights.model_file import ModelInfo, save_model

GIVES: dict[str, Layers] = {
    "pool": Pool("average", grid=1),
    "flatten": Flatten(),
    "linear": Linear(CLASSES),
}


@pytest.fixture
def headed(tmp_path: Path) -> Path:
    """The file of two convolutions with a head between them, random weights."""
    torch.manual_seed(0)
    spec = Spec(
        "headed",
        stages={"first": Conv(2, kernel=3), "second": Conv(2, kernel=3)},
        classifier=GIVES,
        aux={"first": GIVES},
        num_classes=2,
        preprocessing=Preprocessing(size=16),
    )
    path = tmp_path / "headed.safetensors"
    save_model(path, create_model(spec).state_dict(), ModelInfo(spec, ("green", "red")))
    return path


def test_evaluation_tells_who_answered_and_writes_the_curve(
    headed: Path, colours: Path, tmp_path: Path
) -> None:
    csv_file, json_file, plot = (tmp_path / name for name in ("e.csv", "e.json", "e.png"))
    done = run("evaluate", str(headed), str(colours), "--exit-confidence", "0", "--csv",
               str(csv_file), "--json", str(json_file), "--plot", str(plot))  # fmt: skip
    assert done.returncode == 0, done.stderr
    value = json.loads(json_file.read_text())
    assert [(e["name"], e["images"]) for e in value["exits"]] == [("first", 16), ("classifier", 0)]
    with csv_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{k: str(v) for k, v in row.items()} for row in value["curve"]]
    assert float(rows[-1]["share_of_full"]) == 1 and float(rows[0]["share_first"]) == 1
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "at confidence 0, full network" in done.stdout
    assert "100.00 %" in done.stdout


def test_prediction_tells_who_answered(headed: Path, colours: Path) -> None:
    done = run("predict", str(headed), str(colours / "val"), "--exit-confidence", "1")
    assert len(done.stdout.splitlines()) == 16
    assert done.stderr.splitlines() == [
        "answered by first 0.0 %, classifier 100.0 %; 100.0 % of the full network's multiply-adds"
    ]


def refused(*arguments: str) -> str:
    with pytest.raises(InputError) as error:
        app(list(arguments), standalone_mode=False)
    return str(error.value)


def test_what_does_not_go_with_early_exits_is_refused(headed: Path, colours: Path) -> None:
    one, two = (str(headed), str(colours)), (str(headed), str(headed), str(colours))
    early = ("--exit-confidence", "0.9")
    for given in ((*two,), (*one, "--grid"), (*one, "--crops", "10"), (*one, "--calibrate")):
        assert "of one model and one crop" in refused("evaluate", *given, *early)
    assert "leave out --crops 10" in refused("predict", *one, *early, "--crops", "10")
    assert "from 0 to 1; got 2" in refused("predict", *one, "--exit-confidence", "2")
    assert "no engine named 'caffe'" in refused("evaluate", *one, *early, "--engine", "caffe")
    assert "no auxiliary heads to leave at" in fails("evaluate", "cats-and-dogs", one[1], *early)
