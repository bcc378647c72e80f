"""``inception explain``: pictures of the right size, numbers that add up, one line for faults."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from thin import thin

from inception import create_model
from inception.cli import main
from inception.models import MODELS
from inception.weights.model_file import ModelInfo, save_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    spec = thin(MODELS["googlenet_small"])
    torch.manual_seed(0)
    path = tmp_path / "m.safetensors"
    info = ModelInfo(spec, ("[red]", "cat", "dog", "über", "犬"))
    save_model(path, create_model(spec).state_dict(), info)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["inception", "explain", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def size(path: Path) -> tuple[int, int]:
    return pixels(path).shape[1], pixels(path).shape[0]


@pytest.mark.parametrize("method", ["cam", "gradcam", "integrated-gradients", "occlusion"])
@pytest.mark.parametrize("which", [(), ("--class", "[red]"), ("--compare", "dog", "cat")])
def test_heat_lies_over_the_picture_at_its_own_size(
    method: str, which: tuple[str, ...], model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("captum")
    out, numbers = photo.with_name("why.png"), photo.with_name("why.json")
    how = ("--method", method, "--out", out, "--json", numbers)
    assert run(monkeypatch, model, photo, *which, *how) == 0
    drawn, told = pixels(out), json.loads(numbers.read_text("utf-8"))
    assert drawn.shape[0] > 90 and drawn.shape[1] >= 140
    at = (drawn.shape[1] - 140) // 2
    corner = pixels(photo)[:5, :5] * 0.45  # outside the crop: dark, else the same
    np.testing.assert_allclose(drawn[-90:, at : at + 140][:5, :5], corner, atol=0.51)
    if method == "cam":
        logits = [one["logit"] for one in told["classes"]]
        expected = logits[0] - (logits[1] if len(logits) == 2 else 0)
        assert np.mean(told["maps"][0]) + told["biases"][0] == pytest.approx(expected, abs=1e-4)


def test_branches_are_drawn_on_the_diagram(
    model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("why.svg", "why.png"):
        out, numbers = photo.with_name(name), photo.with_name("why.json")
        how = ("--method", "branches", "--out", out, "--json", numbers)
        assert run(monkeypatch, model, photo, *how) == 0
    modules = json.loads(numbers.read_text("utf-8"))["modules"]
    assert [m["module"] for m in modules][:2] == ["inception_3a", "inception_3b"]
    assert all(sum(m["shares"].values()) == pytest.approx(1) for m in modules)
    assert "inception_5b" in capsys.readouterr().out
    root = ElementTree.parse(photo.with_name("why.svg")).getroot()
    shaded = [e for e in root.iter() if float(e.get("fill-opacity", 0)) > 0]
    parts = [part for module in modules for part in module["branches"].values()]
    assert len(parts) == 9 * 4
    assert len(shaded) <= sum(part != 0 for part in parts)
    assert len(shaded) >= 9


def test_features_and_dreams_are_pictures(
    model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = photo.with_name("why.png")
    how = ("--method", "features", "--stage", "inception_3a", "--out", out)
    assert run(monkeypatch, model, photo, *how) == 0
    assert size(out)[0] >= 900
    assert run(monkeypatch, model, photo, "--method", "dream", "--class", "犬", "--out", out) == 0
    assert size(out) == (140, 90)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--method", "kam", "--out", "a.png"], "did you mean 'cam'"),
        ([], "give --out FILE.png, --json FILE or both"),
        (["--out", "a.jpg"], "cam is drawn as .png; got --out a.jpg"),
        (["--out", "a.svg"], "cam is drawn as .png"),
        (["--out", "a.png", "--class", "kat"], "did you mean 'cat'"),
        (["--out", "a.png", "--stage", "conv1"], "take --method gradcam"),
        (["--out", "a.png", "--method", "gradcam", "--stage", "x"], "no stage named 'x'"),
        (["--out", "a.png", "--class", "cat", "--compare", "cat", "dog"], "give one of them"),
        (["--method", "dream"], "give --out FILE.png"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    arguments: list[str],
    line: str,
    model: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photo.parent)
    extra = [] if arguments else ["--class", "cat"]
    if arguments == ["--method", "dream"]:
        extra = ["--json", "x.json"]
    assert run(monkeypatch, model, photo, *arguments, *extra) == 2
    told = capsys.readouterr().err.strip()
    assert line in told and "\n" not in told


def test_a_picture_is_needed(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, model, "--out", "a.png") == 2
    assert "no picture given" in capsys.readouterr().err
