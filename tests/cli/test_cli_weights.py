"""``inception weights convert`` as its users meet it."""

import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import fails, run

from inception.cli import app
from inception.errors import InputError
from inception.models import create_model
from inception.weights.importers import IMPORTERS, importers_for
from inception.weights.model_file import COUNTERS, load_model

MODEL = "googlenet_tv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's form of a network of three classes."""
    torch.manual_seed(0)
    (importer,) = importers_for(MODEL, "torchvision")
    state = create_model(MODEL, num_classes=3).state_dict()
    path = tmp_path_factory.mktemp("published") / "googlenet.pth"
    torch.save({importer.name(n): w for n, w in state.items() if not n.endswith(COUNTERS)}, path)
    return path


def convert(source: Path, out: Path, *options: str) -> None:
    """The command, in this process."""
    arguments = ["weights", "convert", str(source), "--as", MODEL, "--out", str(out), *options]
    app(arguments, standalone_mode=False)


def test_a_converted_file_predicts_with_the_names_it_was_given(
    published: Path, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    Image.fromarray(np.full((240, 260, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    out = tmp_path / "ours.safetensors"
    names = ("--classes", str(tmp_path / "names.txt"))
    done = run("weights", "convert", str(published), "--as", MODEL, "--out", str(out), *names)
    assert done.returncode == 0, done.stderr
    assert "read as torchvision's googlenet_tv: 305 tensors, each with its place" in done.stdout
    assert "classes: 3, from ant to cat" in done.stdout
    pictures = "short side to 256 px, centre 224 px, bilinear, RGB, less 127.5 127.5 127.5"
    assert f"pictures: {pictures}" in done.stdout
    done = run("predict", str(out), str(tmp_path / "grey.png"))
    assert done.returncode == 0, done.stderr
    assert any(name in done.stdout for name in ("ant", "bee", "cat"))


def test_half_takes_half_the_bytes(published: Path, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    convert(published, whole)
    convert(published, half, "--half")
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    assert load_model(half).info.training["imported"] == {
        "file": "googlenet.pth",
        "dialect": "torchvision",
    }


def test_a_mistake_is_one_line_and_nothing_is_written(published: Path, tmp_path: Path) -> None:
    weights = torch.load(published, weights_only=True)
    weights["conv1.conv.weights"] = weights.pop("conv1.conv.weight")
    torch.save(weights, tmp_path / "renamed.pth")
    out = tmp_path / "ours.safetensors"
    line = fails(
        "weights", "convert", str(tmp_path / "renamed.pth"), "--as", MODEL, "--out", str(out)
    )
    assert "missing conv1.conv.weight; extra conv1.conv.weights" in line
    assert [path.name for path in tmp_path.iterdir()] == ["renamed.pth"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "torchvison"), "did you mean 'torchvision'"),
        (("--from", "caffe"), "there are: torchvision"),
        (("--background", "kep"), "did you mean 'keep'"),
        (("--classes", "nowhere.txt"), "cannot read class names from nowhere.txt"),
        (("--as", "googlenet_tvv"), "did you mean 'googlenet_tv'"),
        (("--as", "nin"), "It fits --as googlenet_tv"),
        (("--out", "ours.pth"), "a model is a .safetensors file"),
    ],
)
def test_options_that_do_not_fit_are_told(
    options: tuple[str, ...], message: str, published: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        convert(published, tmp_path / "ours.safetensors", *options)
    assert list(tmp_path.iterdir()) == []


def test_as_many_names_as_outputs_are_wanted(published: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("ant\nbee\n")
    with pytest.raises(InputError, match="2 class names for 3 outputs"):
        convert(published, tmp_path / "o.safetensors", "--classes", str(tmp_path / "names.txt"))


def test_names_that_cannot_be_read_are_told_in_words(published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names from .*none.txt: No such file or directory$"):
        convert(published, tmp_path / "o.safetensors", "--classes", str(tmp_path / "none.txt"))


def test_weights_without_a_classifier_name_no_classes_and_predict_none(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(published, weights_only=True)
    torch.save({n: w for n, w in state.items() if not n.startswith("fc.")}, tmp_path / "trunk.pth")
    out = tmp_path / "backbone.safetensors"
    convert(tmp_path / "trunk.pth", out)
    said = capsys.readouterr().out
    assert "no classifier in the file: a backbone" in said and "classes:" not in said
    with pytest.raises(InputError, match="is a backbone and knows no classes; train some with it"):
        app(["predict", str(out), str(tmp_path)], standalone_mode=False)


class Trap:
    """What a pickle must not be allowed to do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('the trap snapped')",)


def hostile_files(folder: Path, published: Path) -> dict[Path, str]:
    whole = published.read_bytes()
    torch.save({"conv1.conv.weight": Trap()}, folder / "trap.pth")
    (folder / "cut.pth").write_bytes(whole[:100_000])
    (folder / "empty.pth").write_bytes(b"")
    (folder / "pickle.pth").write_bytes(b"\x80\x02garbage")
    (folder / "cut.safetensors").write_bytes(b"\xff\xff\xff\xff\xff\xff\xff\x7f{}")
    repeated = torch.zeros(1).expand(64, 3, 7, 7)
    torch.save(OrderedDict([("conv1.conv.weight", repeated)]), folder / "repeated.pth")
    torch.save([torch.zeros(1)], folder / "list.pth")
    torch.save({"conv1.conv.weight": torch.zeros(2).to_sparse()}, folder / "sparse.pth")
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * 10_000_000)
    (folder / "text.txt").write_text("weights")
    return {
        folder / "trap.pth": "holds exec, which is no tensor; save its tensors alone",
        folder / "cut.pth": "damaged|not a file of weights",
        folder / "empty.pth": "not a file of weights",
        folder / "pickle.pth": "holds more than tensors|damaged",
        folder / "cut.safetensors": "not a safetensors file",
        folder / "repeated.pth": "claims more values than the file holds",
        folder / "list.pth": "not tensors by name",
        folder / "sparse.pth": "is no plain tensor",
        folder / "bomb.pth": "more than the file holds",
        folder / "text.txt": "not a file of weights",
        folder / "missing.pth": "no such file",
    }


def test_hostile_files_are_one_line(published: Path, tmp_path: Path) -> None:
    for path, reason in hostile_files(tmp_path, published).items():
        with pytest.raises(InputError, match=reason) as raised:
            convert(path, tmp_path / "ours.safetensors")
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "ours.safetensors").exists()


def test_values_that_are_not_finite_are_refused(published: Path, tmp_path: Path) -> None:
    weights = torch.load(published, weights_only=True)
    weights["fc.bias"][1] = float("nan")
    torch.save(weights, tmp_path / "nan.pth")
    with pytest.raises(InputError, match=r"logits\.linear\.bias has values that are not"):
        convert(tmp_path / "nan.pth", tmp_path / "ours.safetensors")


def test_the_help_names_every_publisher() -> None:
    text = " ".join(run("weights", "convert", "--help").stdout.split())
    assert all(importer.dialect in text for importer in IMPORTERS)
