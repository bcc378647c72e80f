"""The command line as its users meet it: output, one-line errors, exit statuses."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import fails, run
from PIL import Image

from inception.models import MODELS, create_model
from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec
from inception.preprocessing import Preprocessing
from inception.weights.model_file import ModelInfo, save_model

TWO = ("green", "red")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights and two classes."""
    torch.manual_seed(0)
    network = create_model("googlenet_small", num_classes=2)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, ("green", "red")))
    return path


def test_help_imports_neither_torch_nor_rich() -> None:
    code = (
        "import sys; from inception.cli import app; sys.argv = ['inception', '--help'];"
        "app(standalone_mode=False);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'rich', 'numpy', 'PIL')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for command in ("models", "compare", "train", "evaluate", "predict", "data", "demo"):
        assert f"\n  {command} " in done.stdout


def test_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, "inception 0.1.0\n")


def test_the_page_of_networks_is_of_all_of_them(tmp_path: Path) -> None:
    line = fails("models", "googlenet", "--markdown", str(tmp_path / "models.md"))
    assert "of all networks at their own sizes" in line
    assert list(tmp_path.iterdir()) == []


def test_the_list_of_networks_names_them_whole_in_80_columns() -> None:
    lines = run("models").stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert [line.split()[0] for line in lines[3:-1]] == list(MODELS)
    assert next(line for line in lines if "lenet5" in line).endswith(" 0.417 M ")


def test_models_gives_the_contract_s_json() -> None:
    value = json.loads(run("models", "googlenet", "--json", "-").stdout)
    assert (value["parameters"], value["parameters_with_aux"]) == (6_998_552, 13_378_280)
    assert (value["multiply_adds"], value["multiply_adds_with_aux"]) == (
        1_582_671_872,
        1_591_044_096,
    )
    stages = {stage["name"]: stage for stage in value["stages"]}
    assert stages["inception_3a"]["shape"] == [256, 28, 28]
    assert stages["inception_3a"]["parameters"] == 163_696
    assert stages["inception_3a"]["multiply_adds"] == 128_049_152
    assert sum(s["parameters"] for s in value["stages"]) == value["parameters"]


def test_models_prints_stages_and_departures() -> None:
    done = run("models", "googlenet_tv")
    assert done.returncode == 0
    assert "inception_5b" in done.stdout
    assert "3x3 where the paper has 5x5" in done.stdout


def test_compare_gives_source_document_002_s_figures() -> None:
    done = run("compare", "googlenet_bn", "vgg16", "--batch-size", "20")
    counts = ("13,385,816", "138,357,544", "31.82 G", "309.68 G", "309.41 G")
    memory = ("12.04 MB", "1,034.49 MB", "2,169.07 MB", "53.54 MB", "553.43 MB")
    for figure in (*counts, *memory, "1,100.08 MB", "2,734.55 MB"):
        assert figure in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "googlnet"], "no model named 'googlnet'; did you mean 'googlenet'?"),
        (["models", "--imagesize", "3"], "No such option: --imagesize"),
        (["model"], "No such command 'model'"),
        (["models", "googlenet", "--image-size", "30"], "at least 31 px a side; got 30"),
        (["train"], "training needs a data set"),
        (["train", "missing"], "no such file or folder: missing"),
        (["train", "missing", "--epochs", "x"], "Invalid value for '--epochs'"),
        (["train", "missing", "--set", "epochs"], "a setting is key=value"),
        (["train", "missing", "--epochs", "1", "--steps", "1"], "either --epochs or --steps"),
        (["train", "missing", "--wider", "1.25"], "are of an ensemble; add --members N"),
        (["train", "missing", "--members", "2", "--wider", "-1"], "width must be above 0"),
        (["train", "--resume", "missing", "--members", "2"], "leave out --members"),
        (["train", "missing", "--members", "2", "--member-crop", "1"], "area takes numbers"),
        (["train", "--resume", "missing"], "missing is no run folder"),
        (["train", "--resume", "missing", "--lr", "1"], "keeps its settings; leave out --lr. What"),
        (["evaluate", "googlenet", "data"], "googlenet is an architecture and has no weights"),
        (["evaluate", "missing.safetensors", "data"], "no such model: missing.safetensors"),
        (["evaluate", "runs/a"], "a model and a data set are needed: inception evaluate MODEL..."),
        (["evaluate", "a", "data", "--plot", "a.png"], "--csv and --plot are of the grid"),
        (["evaluate", "a", "data", "--grid", "--crops", "10"], "leave out --crops 10"),
        (["predict", "googlenet", "a.jpg"], "googlenet is an architecture and has no weights"),
        (["data", "check", "missing"], "no such file or folder: missing"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    assert message in fails(*arguments)


def test_training_refuses_empty_and_one_class_folders(tmp_path: Path) -> None:
    assert "no pictures in" in fails("train", str(tmp_path))
    (tmp_path / "only").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "only" / "a.png")
    assert "at least two classes" in fails("train", str(tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_line(model: Path, colours: Path) -> None:
    for arguments in (
        ["train", str(colours)],
        ["predict", str(model), str(colours)],
        ["evaluate", str(model), str(colours)],
    ):
        assert "no GPU on this machine" in fails(*arguments, "--device", "cuda")


def test_predicting_refuses_what_is_not_there(model: Path, tmp_path: Path) -> None:
    assert "no such file or folder" in fails("predict", str(model), "missing.jpg")
    assert "no file matches" in fails("predict", str(model), str(tmp_path / "*.jpg"))
    assert "no pictures given" in fails("predict", str(model))
    assert "no pictures in" in fails("predict", str(model), str(tmp_path))
    assert "no engine named 'gpu'" in fails("predict", str(model), str(tmp_path), "--engine", "gpu")


def test_odd_images_go_on_after_those_that_cannot_be_read(model: Path, real_data: Path) -> None:
    folder = real_data / "odd-images"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    done = run("predict", str(model), str(folder), "--json", "-")
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    outcomes = {Path(a["path"]).name: "error" if a["error"] else "ok" for a in answers}
    assert outcomes == {name: value["expect"] for name, value in expected.items()}
    errors = done.stderr.splitlines()
    broken = [name for name, value in expected.items() if value["expect"] == "error"]
    assert len(errors) == len(broken) + 1
    assert all(any(name in line for line in errors) for name in broken)
    assert errors[-1] == f"{len(broken)} of {len(expected)} pictures could not be read"


def test_predictions_as_table_csv_and_json_say_the_same(
    model: Path, colours: Path, tmp_path: Path
) -> None:
    pictures = colours / "val" / "red"
    table = run("predict", str(model), str(pictures), "--csv", str(tmp_path / "a.csv"), "--json",
                str(tmp_path / "a.jsonl"))  # fmt: skip
    assert table.returncode == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    answers = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(rows) == len(answers) == len(table.stdout.splitlines()) == 8
    for row, answer, line in zip(rows, answers, table.stdout.splitlines(), strict=True):
        best = answer["top"][0]
        assert row["path"] == answer["path"]
        assert row["label_1"] == best["label"] == line.split()[0]
        assert float(row["probability_1"]) == pytest.approx(best["probability"], abs=1e-6)


def test_a_list_of_pictures_comes_on_standard_input(model: Path, colours: Path) -> None:
    names = [str(path) for path in sorted((colours / "val" / "red").iterdir())[:3]]
    listed = "\n".join([*names, "missing.png"]) + "\n"
    done = run("predict", str(model), "-", "--json", "-", input=listed)
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["path"] for a in answers] == [*names, "missing.png"]
    assert answers[-1]["error"] == "No such file or directory"


def test_train_evaluate_and_predict_work_together(colours: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    trained = run("train", str(colours), "--model", "googlenet_small", "--image-size", "16",
                  "--set", "width=0.125", "--epochs", "3", "--batch-size", "16", "--lr", "0.01",
                  "--out", out, "--json", str(tmp_path / "summary.json"))  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert f"validation top-1 {100 * summary['top1_accuracy']:.2f} %" in trained.stdout
    evaluated = run("evaluate", out, str(colours), "--engine", "torch", "--json", "-")
    value = json.loads(evaluated.stdout)
    assert value["top1_accuracy"] == summary["top1_accuracy"]
    assert run("evaluate", out, str(colours), "--crops", "10").returncode == 0
    predicted = run("predict", out, str(colours / "val" / "red"))
    assert predicted.returncode == 0
    again = run("train", "--resume", out)  # a finished run has nothing left to do
    assert again.returncode == 0
    assert f"{100 * summary['top1_accuracy']:.2f} %" in again.stdout


def test_an_ensemble_is_trained_and_ends_with_how_to_evaluate_it(
    colours: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    done = run("train", str(colours), "--model", "googlenet_small", "--image-size", "16",
               "--set", "width=0.125", "--epochs", "1", "--members", "2", "--wider", "1.5",
               "--member-crop", "0.08,1", "--member-crop", "0.5,1", "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"  inception evaluate {out}/member-* {colours} --grid"
    saved = [json.loads((tmp_path / "out" / f"member-{n}" / "config.json").read_text())["config"]
             for n in (1, 2)]  # fmt: skip
    assert [s["area"] for s in saved] == [[0.08, 1.0], [0.5, 1.0]]
    assert [s["width"] for s in saved] == [0.125, 0.1875]
    assert "changed: convolutions 0.1875 times as wide, to multiples of 8\n" in done.stdout
    again = run("train", "--resume", out, "--json", "-")
    members = json.loads(again.stdout)["members"]
    assert [Path(m["folder"]).name for m in members] == ["member-1", "member-2"]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of one convolution for 16 px, 6,914 multiply-adds, with random weights."""
    torch.manual_seed(0)
    spec = Spec(
        "tiny",
        stages={"conv": Conv(1, kernel=3), "pool": Pool("average", grid=1)},
        classifier={"flatten": Flatten(), "linear": Linear(CLASSES)},
        num_classes=2,
        preprocessing=Preprocessing(size=16),
    )
    save_model(tmp_path / "t.safetensors", create_model(spec).state_dict(), ModelInfo(spec, TWO))
    return tmp_path / "t.safetensors"


def test_several_models_are_evaluated_together(tiny: Path, colours: Path) -> None:
    done = run("evaluate", str(tiny), str(tiny), str(colours), "--crops", "144", "--json", "-")
    value = json.loads(done.stdout)
    assert (value["models"], value["crops"], value["images"]) == ([str(tiny)] * 2, 144, 16)
    told = run("evaluate", str(tiny), str(tiny), str(colours), "--quiet").stdout
    assert "by 2 models together on 16 pictures (val), 1 crop each" in told
    assert len(told.splitlines()) == 1


def test_the_grid_as_table_csv_json_and_picture_says_the_same(
    tiny: Path, colours: Path, tmp_path: Path
) -> None:
    csv_file, json_file, plot = (tmp_path / name for name in ("g.csv", "g.json", "g.png"))
    done = run("evaluate", str(tiny), str(tiny), str(tiny), str(colours), "--grid", "--csv",
               str(csv_file), "--json", str(json_file), "--plot", str(plot))  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(json_file.read_text())
    with csv_file.open(newline="") as file:
        assert list(csv.DictReader(file)) == [{k: str(v) for k, v in r.items()} for r in rows]
    lines = [line.split() for line in done.stdout.splitlines()[3:9]]
    ways = [(1, 1), (1, 10), (1, 144), (3, 1), (3, 10), (3, 144)]
    for row, line, (models, crops) in zip(rows, lines, ways, strict=True):
        assert (row["models"], row["crops"], row["cost"]) == (models, crops, models * crops)
        assert row["multiply_adds"] == 6_914 * models * crops
        assert line[:3] == [str(models), str(crops), str(models * crops)]
        assert float(line[5]) == pytest.approx(100 * row["top1_error"], abs=0.005)
    assert lines[0].count("base") == 2
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_data_check_tells_what_is_wrong(colours: Path) -> None:
    assert run("data", "check", str(colours)).returncode == 0
    leak = colours / "train" / "red" / "leak.png"
    leak.write_bytes((colours / "val" / "red" / "0.png").read_bytes())
    (colours / "train" / "green" / "broken.jpg").write_bytes(b"")
    done = run("data", "check", str(colours))
    assert done.returncode == 1
    assert "equal pictures in several splits: 1" in done.stdout
    assert "broken.jpg: the file is empty" in done.stdout


def test_pictures_above_the_limit_of_pixels_are_named(
    colours: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCEPTION_MAX_PIXELS", "1")  # put back when the test ends
    done = run("predict", str(model), str(colours), "--max-pixels", "575")
    assert done.returncode == 1
    assert "24x24 pixels, more than the limit of 575" in done.stdout + done.stderr
    assert run("data", "check", str(colours), "--max-pixels", "576").returncode == 0
