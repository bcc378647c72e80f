"""Help that fits 80 columns, and what a shell completes."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest
import typer
from command_line import run

from inception.cli import app
from inception.models import MODELS
from inception.models.variants import Head
from inception.prediction import BACKBONE
from inception.training.config import TrainConfig
from inception.training.recipes import RECIPES

GROUPS = ((), ("data",), ("detect",), ("weights",))
SETTINGS = TrainConfig.__dataclass_fields__
HEADINGS = ["Options", "Learning", "Ensembles", "Robustness", "Output", "Machine"]


def commands() -> dict[tuple[str, ...], Any]:
    """Every command there is, by what is typed."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {(name, n): c for n, c in inner.items()} if inner else {(name,): command}
    return found


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_the_summary_of_every_command_fits_its_line(group: tuple[str, ...]) -> None:
    lines = run(*group, "--help").stdout.splitlines()
    summaries = lines[lines.index("Commands:") + 1 :]
    assert summaries and [line for line in summaries if not line.endswith(".")] == []
    assert [line for line in summaries if line.endswith("...") or len(line) > 80] == []


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_says_what_it_does_under_a_heading(words: tuple[str, ...]) -> None:
    lines = run(*words, "--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    headings = [line[:-1] for line in lines if line and line[0] != " " and line[-1] == ":"]
    assert [h for h in headings if h != "Arguments"] == [h for h in HEADINGS if h in headings]
    context = typer.main.get_command(app).make_context("inception", [], resilient_parsing=True)
    options = [p for p in commands()[words].get_params(context) if hasattr(p, "rich_help_panel")]
    # A setting's help tells the setting's default, so an option with its own has its own help
    of_setting = {p.name for p in options if p.name in SETTINGS and p.default is None}
    silent = {p.name for p in options if not p.help} - of_setting
    assert silent == set()


def test_the_help_of_train_is_that_of_its_settings() -> None:
    told = " ".join(run("train", "--help").stdout.split())
    assert "--label-smoothing <float> Share of each label spread over all classes." in told
    assert "[from 0 to 1; default: 0.0]" in told
    assert "--augment <str> How training pictures are changed. [light, googlenet, caffe," in told


def test_tta_is_found_by_its_usual_name() -> None:
    for command in ("predict", "evaluate"):
        told = " ".join(run(command, "--help").stdout.split())
        assert "--crops, --tta" in told and "test-time augmentation" in told


Complete = Callable[[str], list[str]]


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """What a shell, fish, is told for a line that ends where the cursor stands."""
    monkeypatch.setenv("_INCEPTION_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")

    def complete(line: str) -> list[str]:
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
        with pytest.raises(SystemExit):
            typer.main.get_command(app).main([], prog_name="inception")
        return [told.split("\t")[0] for told in capsys.readouterr().out.splitlines() if told]

    return complete


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("inception train --model incep", [n for n in MODELS if n.startswith("incep")]),
        ("inception models xc", [n for n in MODELS if n.startswith("xc")]),
        ("inception train --recipe ", list(RECIPES)),
        ("inception recipes googlenet-c", ["googlenet-caffe", "googlenet-caffe-quick"]),
        ("inception train --set label_", ["label_smoothing="]),
        ("inception train --set head=", [f"head={n}" for n in get_args(Head)]),
        ("inception train --set nothing=", []),
        ("inception train --set lr=", []),
        ("inception train --augment c", ["caffe"]),
        ("inception export run --format o", ["openvino", "onnx"]),
        ("inception export run --precision ", ["fp32", "fp16", "int8"]),
        ("inception predict --engine o", ["openvino", "onnx"]),
        ("inception evaluate --device c", ["cpu", "cuda"]),
        ("inception evaluate --split t", ["train", "test"]),
        ("inception predict --crops 1", ["1", "10", "12", "144"]),
        ("inception rec", ["recipes"]),
    ],
)  # fmt: skip
def test_values_are_completed(completed: Complete, line: str, wanted: list[str]) -> None:
    assert completed(line) == wanted


def test_every_setting_is_completed(completed: Complete) -> None:
    told = completed("inception train --set ")
    assert told == [f"{n}=" for n in SETTINGS if n != "recipe"]


def test_completion_needs_no_torch() -> None:
    code = (
        "import sys\nfrom inception.cli import completion as c\n"
        "for f in (c.networks, c.recipes, c.formats, c.precisions, c.engines, c.devices,\n"
        "          c.splits, c.crop_counts, c.choices('augment')): assert f()\n"
        "assert c.settings('') and c.settings('average=')\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_recipes_are_listed_and_shown_as_they_are_typed() -> None:
    told = run("recipes").stdout
    assert [name for name in RECIPES if f" {name} " not in told] == []
    lines = run("recipes", "small-data").stdout.splitlines()
    settings = [line.strip() for line in lines if line.startswith("  ")]
    assert TrainConfig(recipe="small-data").with_settings(settings) == TrainConfig.from_json(
        {**RECIPES["small-data"].to_json(), "recipe": "small-data"}
    )
    assert lines[-1] == "train by it: inception train DATA --recipe small-data"
    assert run("recipes", "default").stdout.splitlines()[1] == "  nothing"


@pytest.mark.parametrize(
    ("words", "init"),
    [
        (["pets", "--init"], BACKBONE),
        (["--init", "--epochs", "2", "pets"], BACKBONE),
        (["pets", "--init", "--freeze", "backbone"], BACKBONE),
        (["pets", "--init", "runs/pets"], "runs/pets"),
        (["pets", "--init=runs/pets"], "runs/pets"),
        (["pets"], None),
    ],
)
def test_init_alone_is_the_shipped_backbone(words: list[str], init: str | None) -> None:
    context = commands()[("train",)].make_context("train", words)
    assert (context.params["data"], context.params["init"]) == ("pets", init)
